"""A node's live sources, opened as its settings say: login from a file, rate and channels."""

from __future__ import annotations

from pathlib import Path

from noisewatch.capture.camera import VideoSource, is_live_spec, open_video
from noisewatch.capture.livecamera import Login, describe
from noisewatch.capture.microphone import DEVICE_PREFIX, AudioSource, open_audio
from noisewatch.node.box import Identity
from noisewatch.node.config import NodeConfig
from noisewatch.node.login import read_login


def open_node_sound(identity: Identity, spec: str, *, pascal_per_unit: float = 1.0) -> AudioSource:
    """Open one source of sound with the node's rate and channels."""
    settings = identity.config.audio
    return open_audio(
        spec, pascal_per_unit=pascal_per_unit, rate_hz=settings.rate_hz, channels=settings.channels
    )


def open_node_picture(identity: Identity, spec: str) -> VideoSource:
    """Open one source of pictures; a camera on the network gets the login of the node's file."""
    return open_video(spec, login=camera_login(identity.folder, identity.config, spec))


def camera_login(folder: Path, config: NodeConfig, spec: str) -> Login | None:
    """Return a camera's login from the node's file, None where the source takes none."""
    file = credentials_file(folder, config, spec)
    return None if file is None else read_login(file)


def credentials_file(folder: Path, config: NodeConfig, spec: str) -> Path | None:
    """Return the file with a camera's login, None where the source takes none; pure.

    Examples
    --------
    >>> config = NodeConfig.model_validate({"video": {"credentials_file": "keys/camera.login"}})
    >>> credentials_file(Path("node"), config, "rtsp://192.0.2.1/1").as_posix()
    'node/keys/camera.login'
    >>> credentials_file(Path("node"), config, "street.mp4") is None
    True
    """
    named = config.video.credentials_file
    if not named or not spec.startswith(("rtsp://", "rtsps://")):
        return None
    return folder / named


def is_live(spec: str) -> bool:
    """Tell whether a source lives; its times of arrival then mean something."""
    return spec.startswith(DEVICE_PREFIX) or is_live_spec(spec)


def described(spec: str) -> str:
    """Return the name that an opened source gives itself, without opening it; never with a login.

    Examples
    --------
    >>> described("rtsp://u:p@192.0.2.1/1"), described("device:road"), described("a/street.mp4")
    ('camera 192.0.2.1/1', "microphone 'road'", 'street.mp4')
    """
    if spec.startswith(DEVICE_PREFIX):
        return f"microphone '{spec.removeprefix(DEVICE_PREFIX) or 'default'}'"
    return describe(spec) if is_live_spec(spec) else Path(spec).name

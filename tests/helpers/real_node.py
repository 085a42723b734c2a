"""A node of a custody that is no trial."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
from command import noisewatch


def make_real_node(folder: Path) -> Path:
    """A custody that is no trial, one officer, one supervisor, and a node whose gate the loopback reaches."""
    secret = folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text("a long enough passphrase")
    custody = folder / "custody"
    done = noisewatch("custody", "init", custody, "--passphrase-file", secret)
    assert done.code == 0, done.err
    for name, role in (("an-officer", "officer"), ("a-supervisor", "supervisor")):
        key = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        identity = pyrage.x25519.Identity.generate()
        recipient = str(identity.to_public())
        # beside its SSH key, for whoever wants to open something
        key.with_suffix(".age").touch(mode=0o600)
        key.with_suffix(".age").write_text(f"{identity}\n")
        done = noisewatch(
            *("custody", "add", name, "--role", role, "--ssh-public", f"{key}.pub"),
            *("--age-recipient", recipient, "--appointed-by", "the council", "--custody", custody),
        )
        assert done.code == 0, done.err
    done = noisewatch("init", folder / "node", "--custody", custody, "--passphrase-file", secret)
    assert done.code == 0, done.err
    config = folder / "node" / "node.toml"
    # without a calibration a sample of 1.0 counts as 1 Pa: the street's 91 dB at 20 Pa read 65 dB
    text = config.read_text().replace("# gate_db =", "gate_db = 54.0", 1)
    text = text.replace("carriageway = []", "carriageway = [[0, 0.25], [1, 0.25], [1, 1], [0, 1]]")
    config.write_text(text.replace("allow_uncalibrated = false", "allow_uncalibrated = true"))
    return config

"""Age recipients and identities of a person: X25519, or of a plugin (C2SP age-plugin) such as a token.

A plugin is a program ``age-plugin-NAME`` on the PATH of whoever opens; it asks for its PIN and its touch
itself, through the callbacks below. The box never uses one: its day keys are X25519.
"""

from __future__ import annotations

import getpass
import re
import sys
from typing import TypeAlias

import pyrage

from noisewatch.errors import UnavailableError, UsageError

Identity: TypeAlias = pyrage.x25519.Identity | pyrage.plugin.IdentityPluginV1
Recipient: TypeAlias = pyrage.x25519.Recipient | pyrage.plugin.RecipientPluginV1

#: ``age1NAME1…``: the name of the plugin stands in front; X25519 has none, and its digits hold no other 1.
_PLUGIN_RECIPIENT = re.compile(r"age1([a-z0-9-]+)1[02-9ac-hj-np-z]+")
_PLUGIN_IDENTITY = re.compile(r"AGE-PLUGIN-([A-Z0-9-]+)-1[02-9AC-HJ-NP-Z]+")
_X25519_IDENTITY = "AGE-SECRET-KEY-1"


class Callbacks:
    """What a plugin may ask of the person: by standard error, and the terminal without echo."""

    def display_message(self, message: str) -> None:
        """Show a message, such as "touch your token"."""
        print(f"noisewatch: {_plain(message)}", file=sys.stderr, flush=True)

    def confirm(self, message: str, yes_string: str, no_string: str | None = None) -> bool | None:
        """Answer no question of yes or no: a plugin must do without."""
        self.display_message(f"{message} ({yes_string}{'' if no_string is None else f' / {no_string}'})")
        return None

    def request_public_string(self, description: str) -> str | None:
        """Answer no question in the clear."""
        self.display_message(description)
        return None

    def request_passphrase(self, description: str) -> str | None:
        """Ask for a PIN; without a terminal there is none."""
        try:
            return getpass.getpass(f"{_plain(description)} ") if sys.stdin.isatty() else None
        except (EOFError, OSError):
            return None


def is_plugin(recipient: str) -> bool:
    """Tell whether a recipient is of a plugin.

    Examples
    --------
    >>> is_plugin("age1yubikey1qwerty"), is_plugin("age1ql3z7hjy54pw3hyww5ayyfg7zqg")
    (True, False)
    """
    return _PLUGIN_RECIPIENT.fullmatch(recipient) is not None


def check_recipient(recipient: str) -> None:
    """Refuse what is no recipient: ``UsageError``. A plugin need not be installed for this."""
    try:
        if is_plugin(recipient):
            pyrage.plugin.Recipient.from_str(recipient)
        else:
            pyrage.x25519.Recipient.from_str(recipient)
    except (pyrage.RecipientError, ValueError):
        # the cause quotes what was given, which may be a secret key by mistake
        raise UsageError("the age recipient is not one such as age1… or age1yubikey1…") from None


def encrypt(data: bytes, recipient: str, *, armored: bool = False) -> bytes:
    """Encrypt to one person's recipient; the plugin of theirs is run where they have one.

    Raises
    ------
    UsageError
        It is no recipient.
    UnavailableError
        Its plugin is not installed here, or refuses.
    """
    check_recipient(recipient)
    try:
        sealed: bytes = pyrage.encrypt(data, [_recipient(recipient)], armored=armored)
    except (pyrage.EncryptError, pyrage.DecryptError) as error:
        raise UnavailableError("the age plugin does not encrypt", where=_program(recipient)) from error
    return sealed


def read_identity(text: str) -> tuple[Identity, str | None]:
    """Return the identity that a file holds, and its recipient where the identity tells it.

    A plugin's identity names the token, not the recipient: then the second is None.

    Raises
    ------
    UsageError
        The text holds no identity; no part of it is quoted.
    UnavailableError
        The plugin is not installed here.
    """
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    kinds = (_X25519_IDENTITY, "AGE-PLUGIN-")
    found = next((line for line in lines if line.startswith(kinds)), "")
    try:
        if not _PLUGIN_IDENTITY.fullmatch(found):
            identity = pyrage.x25519.Identity.from_str(found)
            return identity, str(identity.to_public())
        parsed = pyrage.plugin.Identity.from_str(found)
    except (pyrage.IdentityError, ValueError):
        # the cause is not chained: it might quote the secret
        raise UsageError("holds no age identity") from None
    try:
        return pyrage.plugin.IdentityPluginV1(parsed.plugin(), [parsed], Callbacks()), None
    except pyrage.DecryptError:
        raise _missing(parsed.plugin()) from None


def _recipient(text: str) -> Recipient:
    if not is_plugin(text):
        return pyrage.x25519.Recipient.from_str(text)
    parsed = pyrage.plugin.Recipient.from_str(text)
    try:
        return pyrage.plugin.RecipientPluginV1(parsed.plugin(), [parsed], [], Callbacks())
    except pyrage.EncryptError:
        raise _missing(parsed.plugin()) from None


def _program(recipient: str) -> str:
    match = _PLUGIN_RECIPIENT.fullmatch(recipient)
    return "age" if match is None else f"age-plugin-{match.group(1)}"


def _missing(name: str) -> UnavailableError:
    remedy = "install it where people open or appoint, and put it on PATH"
    return UnavailableError("this age plugin is not installed", where=f"age-plugin-{name}", remedy=remedy)


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)[:300]

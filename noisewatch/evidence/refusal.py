"""Log what is refused: who was not allowed what, and for which kind of reason, in no words of theirs.

A refusal is counted in the yearly report and tells a custodian that somebody tries. Its target is no event,
so that a package's excerpt of the log never names who else asked; what was typed as a reason is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from noisewatch.errors import InputError, MissingInputError, PermissionRefusedError, UsageError
from noisewatch.evidence.custody import Custody, note
from noisewatch.evidence.people import NAME

ACTION = "refusal"
#: What a request is refused for, and what the log says then; the yearly report counts by these.
KINDS = {
    "reason": "no reason, case or code, or one that says nothing",
    "person": "nobody in office by that name or key, or of another role",
    "event": "no such event, no clip of it, its time is over, or it is not as its box signed it",
    "approval": "no supervisor approved this original",
    "request": "not signed by that person for this, not of now, or used before",
    "key": "the person's key does not open it, or what it opens is not what the record names",
}
#: Who it was, where nobody of that name was appointed.
UNKNOWN = "unknown"


@contextmanager
def refusals_logged(custody: Custody, *, who: str, asked: str, kind: str) -> Iterator[None]:
    """Write an entry where what is inside refuses, and let the refusal go on; never one inside another.

    Parameters
    ----------
    custody : Custody
        Whose log it is.
    who : str
        What was given as the person; only the name of somebody who was appointed is logged.
    asked : str
        What was asked for: "consultation", "disclosure" or "approval".
    kind : str
        One of ``KINDS``; of a wrong use it is always "reason".

    Raises
    ------
    InputOutputError
        The log cannot be written; the refusal is its cause.
    """
    try:
        yield
    except (UsageError, PermissionRefusedError, MissingInputError, InputError) as error:
        kind = "reason" if isinstance(error, UsageError) else kind
        names = (name for name in (who, error.where or "") if _is_appointed(custody, name))
        note(
            custody.log(),
            custody,
            who=next(names, UNKNOWN),
            target=f"refused {asked}",
            why=KINDS[kind],
            action=ACTION,
            details={"refused": True, "kind": kind, "asked": asked},
        )
        raise


def _is_appointed(custody: Custody, name: str) -> bool:
    return NAME.fullmatch(name) is not None and (custody.people / name / "person.json").is_file()

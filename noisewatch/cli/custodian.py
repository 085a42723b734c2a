"""Commands of the custodian: make a custody folder, appoint, revoke and equip people and boxes, end days."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli.output import JsonOption, emit, say, table
from noisewatch.errors import InputError, UsageError

if TYPE_CHECKING:
    from noisewatch.evidence.custody import Custody
    from noisewatch.evidence.lifecycle import Change

CustodyOption = Annotated[
    Path, typer.Option("--custody", envvar="NOISEWATCH_CUSTODY", help="The custody folder.")
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File (mode 0600) with the passphrase of custody's authority."),
]


def read_passphrase(path: Path | None, *, is_new: bool = False) -> str:
    """Return the passphrase from a file that only this user can read, else ask for it; never an argument."""
    from noisewatch.evidence.durable import read_secret

    if path is None:
        answer: str = typer.prompt(
            "Passphrase of custody's authority", hide_input=True, confirmation_prompt=is_new
        )
        return answer
    try:
        return read_secret(path).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", where=path) from error


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
    trial: Annotated[
        bool, typer.Option("--trial", help="Throw-away keys, with the people officer and supervisor.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Name in certificates and reports; otherwise the folder's.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a custody folder: authority, keyring, people, trust folder, log.

    \b
    Example: noisewatch custody init custody --trial
    """
    from noisewatch.evidence import custody

    passphrase = None if trial else read_passphrase(passphrase_file, is_new=True)
    made = custody.init(folder, trial=trial, passphrase=passphrase, name=name)
    say("a trial: throw it away" if trial else "people come next: noisewatch custody add NAME …")
    human = f"made the custody {made.name} in {made.folder}\ngive verifiers: {made.trust}"
    emit(_summary(made), as_json=as_json, human=human)


def add(
    name: Annotated[str, typer.Argument(help="Lower-case name, as logs and signatures say it.")],
    role: Annotated[str, typer.Option(help="officer or supervisor")],
    ssh_public: Annotated[Path, typer.Option(help="File with the person's public SSH key.")],
    age_recipient: Annotated[str, typer.Option(help="The person's age recipient, age1…")],
    appointed_by: Annotated[str, typer.Option(help="Who appointed the person.")],
    custody_folder: CustodyOption = Path(),
    valid_from: Annotated[
        str | None, typer.Option("--from", help="First moment in ISO 8601 with a zone; otherwise now.")
    ] = None,
    valid_until: Annotated[
        str | None, typer.Option("--until", help="End in ISO 8601 with a zone; otherwise open.")
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option("--as", help="A person of the same role (NAME or KEYFILE) who shares existing days."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Appoint a person: an SSH key that signs, an age identity that opens, one role.

    \b
    Example: noisewatch custody add jan --role officer --ssh-public jan.pub \\
               --age-recipient age1… --appointed-by "mayor, decision 12 of 2026"
    """
    from noisewatch.evidence import custody
    from noisewatch.evidence.durable import read_bounded
    from noisewatch.evidence.jsonform import utc_moment
    from noisewatch.evidence.people import Person

    opened = custody.open_custody(custody_folder)
    if not 3 <= len(appointed_by.strip()) <= 200 or not appointed_by.isprintable():
        raise UsageError("--appointed-by does not say who appointed the person")
    key = read_bounded(ssh_public, max_bytes=16 * 1024).decode("utf-8", "replace").split()
    person = Person(
        name=name,
        role=role,
        ssh_public=" ".join(key[:2]),
        age_recipient=age_recipient.strip(),
        appointed_by=appointed_by.strip(),
        valid_from=datetime.now(UTC).replace(microsecond=0) if valid_from is None else utc_moment(valid_from),
        valid_until=None if valid_until is None else utc_moment(valid_until),
        is_trial=opened.is_trial,
    )
    sharer = None if as_ is None else custody.find_person(opened, as_)
    days = custody.add_person(opened, person, sharer=sharer)
    if sharer is None:
        say(f"{name} opens days whose keys are made from now on; --as shares the others")
    human = f"appointed {name} as {role}; opens {days} existing days"
    emit({"name": name, "role": role, "days_shared": days}, as_json=as_json, human=human)


def show(custody_folder: CustodyOption = Path(), as_json: JsonOption = False) -> None:
    """Show the custody: name, trial or not, days with keys, people, log.

    \b
    Example: noisewatch custody show --custody custody
    """
    from noisewatch.evidence import custody

    opened = custody.open_custody(custody_folder)
    document = _summary(opened)
    people = [[one["name"], one["role"], one["from"], one["until"] or "open"] for one in document["people"]]
    human = "\n".join(
        [
            f"custody {opened.name}" + (" (trial)" if opened.is_trial else ""),
            f"day keys: {document['days']} from {document['first_day']} to {document['last_day']}",
            table(["name", "role", "from", "until"], people) if people else "no people yet",
            *(f"ALARM {one['at'][:16]}Z {one['target']}: {one['what']}" for one in document["alarms"]),
        ]
    )
    emit(document, as_json=as_json, human=human)


def revoke(
    name: Annotated[str, typer.Argument(help="The person, or with --node the box.")],
    reason: Annotated[str, typer.Option(help="Why, as the log will say it.")],
    by: Annotated[str, typer.Option(help="Who decided.")] = "custodian",
    node: Annotated[
        Path | None, typer.Option(help="Certificate of a box (node.pem) that is revoked, not a person.")
    ] = None,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Nothing that the key ever signed counts any more.")
    ] = False,
    custody_folder: CustodyOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """End an appointment, or distrust a box, from now on; days to come get new keys.

    \b
    Example: noisewatch custody revoke jan --reason "left the service on 1 May" --custody custody
    """
    from noisewatch.evidence import custody, lifecycle
    from noisewatch.evidence.durable import read_bounded
    from noisewatch.evidence.request import check_reason

    opened = custody.open_custody(custody_folder)
    why = check_reason(reason)
    if node is not None:
        pem = read_bounded(node, max_bytes=64 * 1024)
        lifecycle.revoke_node(opened, pem, name=name, why=why, now=datetime.now(UTC))
        human = f"box {name} is revoked from today on; give verifiers the new {opened.trust}"
        emit({"name": name, "node": True}, as_json=as_json, human=human)
        return
    done = lifecycle.revoke_person(opened, name, why=why, by=by, is_compromised=compromised)
    say("boxes need the new bundle: noisewatch custody bundle --out FILE")
    human = (
        f"{name} opens nothing any more: {done.days_closed} days closed, {done.days_renewed} with new keys\n"
        f"give verifiers the new {opened.trust}"
    )
    emit(_changed(done), as_json=as_json, human=human)


def rotate(
    name: Annotated[str, typer.Argument(help="The person who gets new keys.")],
    ssh_public: Annotated[Path, typer.Option(help="File with the new public SSH key.")],
    age_recipient: Annotated[str, typer.Option(help="The new age recipient, age1…")],
    reason: Annotated[str, typer.Option(help="Why, as the log will say it.")],
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Nothing that the old key ever signed counts any more.")
    ] = False,
    as_: Annotated[
        str | None,
        typer.Option("--as", help="Who opens existing days to the new keys: a colleague, or the old keys."),
    ] = None,
    custody_folder: CustodyOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Give a person new keys: a new laptop, a new token, a lost one.

    \b
    Example: noisewatch custody rotate jan --ssh-public new.pub --age-recipient age1… \\
               --reason "laptop stolen on 3 May" --compromised --as els
    """
    from noisewatch.evidence import custody, lifecycle
    from noisewatch.evidence.durable import read_bounded
    from noisewatch.evidence.request import check_reason

    opened = custody.open_custody(custody_folder)
    key = read_bounded(ssh_public, max_bytes=16 * 1024).decode("utf-8", "replace").split()
    done = lifecycle.rotate_person(
        opened,
        name,
        ssh_public=" ".join(key[:2]),
        age_recipient=age_recipient.strip(),
        why=check_reason(reason),
        sharer=None if as_ is None else custody.find_person(opened, as_),
        is_compromised=compromised,
    )
    if done.days_renewed:
        say("boxes need the new bundle: noisewatch custody bundle --out FILE")
    human = (
        f"{name} has new keys; they open {done.days_shared} existing days, "
        f"{done.days_renewed} days to come have new keys"
    )
    emit(_changed(done), as_json=as_json, human=human)


def expire(
    day: Annotated[
        list[str] | None, typer.Option(help="Also end this UTC day before its time, as 2026-11-22.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why a day ends before its time.")] = None,
    merge: Annotated[
        Path | None, typer.Option(help="Another copy of the keyring, whose living days are taken in.")
    ] = None,
    custody_folder: CustodyOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """End the days whose clips may not be read any more: their keys go, so their clips end on every disk.

    \b
    Example: noisewatch custody expire --custody custody
    """
    from datetime import UTC, date, datetime

    from noisewatch.evidence import custody, filed, keyring
    from noisewatch.evidence.request import check_reason

    opened = custody.open_custody(custody_folder)
    try:
        early = [date.fromisoformat(text) for text in day or ()]
    except ValueError as error:
        raise UsageError("is not a day such as 2026-11-22", where="--day") from error
    why = check_reason(reason) if early else None
    taken, refused = ([], []) if merge is None else keyring.merge(opened.keyring, merge)
    ended = custody.expire(opened, also=early, why=why)
    filed.end(opened, now=datetime.now(UTC))
    document = {
        "ended": [one.isoformat() for one in ended],
        "taken": [one.isoformat() for one in taken],
        "refused": [one.isoformat() for one in refused],
        "days": len(keyring.days(opened.keyring)),
    }
    lines = [f"{len(ended)} days ended; {document['days']} days have keys"]
    if merge is not None:
        lines.append(f"took {len(taken)} days from {merge}, refused {len(refused)} that have ended")
    emit(document, as_json=as_json, human="\n".join(lines))


def bundle(
    out: Annotated[Path, typer.Option(help="The file that goes to the box.")],
    request: Annotated[
        Path | None, typer.Option(help="A new box's node.csr; its certificate goes into the bundle.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=1000, help="Days of keys, from today on.")] = None,
    custody_folder: CustodyOption = Path(),
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make what a box needs: the signed public day keys and, from its request, its certificate.

    \b
    Example:
      noisewatch custody bundle --request node/keys/node.csr --out genk-1.bundle --custody custody
      noisewatch init node --bundle genk-1.bundle
    """
    from noisewatch.evidence import custody, kit, lifecycle

    opened = custody.open_custody(custody_folder)
    passphrase = None if opened.is_trial else read_passphrase(passphrase_file)
    made, name = lifecycle.make_kit(opened, request=request, days=days, passphrase=passphrase)
    kit.write_kit(out, made)
    found = kit.fingerprint(made.ca_pem)
    say("read this fingerprint out to the installer; nothing in the file is secret")
    human = f"bundle for {name or 'any box of this custody'}: {out}\nauthority: {found}"
    emit({"bundle": str(out), "node": name, "authority_sha256": found}, as_json=as_json, human=human)


def register(app: typer.Typer) -> None:
    """Add this person's commands."""
    group = typer.Typer(no_args_is_help=True, help="Custodian: the authority, the day keys and the people.")
    for command in (init, add, revoke, rotate, expire, show, bundle):
        group.command(command.__name__)(command)
    app.add_typer(group, name="custody")


def _changed(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "days_closed": change.days_closed,
        "days_renewed": change.days_renewed,
        "days_shared": change.days_shared,
    }


def _summary(opened: Custody) -> dict[str, Any]:
    from noisewatch.evidence import keyring, people, quota
    from noisewatch.evidence.jsonform import utc_text

    days = keyring.days(opened.keyring)
    return {
        "custody": str(opened.folder),
        "name": opened.name,
        "trial": opened.is_trial,
        "created_at": utc_text(opened.created_at),
        "days": len(days),
        "first_day": days[0].isoformat() if days else None,
        "last_day": days[-1].isoformat() if days else None,
        "trust": str(opened.trust),
        "exports_per_day": opened.exports_per_day,
        "alarms": [
            {"at": one.at, "target": one.target, "what": one.what}
            for one in quota.alarms(opened, now=datetime.now(UTC))
        ],
        "people": [
            {
                "name": person.name,
                "role": person.role,
                "appointed_by": person.appointed_by,
                "from": utc_text(person.valid_from),
                "until": None if person.valid_until is None else utc_text(person.valid_until),
                "trial": person.is_trial,
            }
            for person in people.read_all(opened.people)
        ],
    }

"""The key for records: made with the day, given to the box, renewed, merged and ended with the day."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyrage
import pytest
from evidence_parts import Bench

from noisewatch.errors import ConfigurationError, MissingInputError
from noisewatch.evidence import (
    authority,
    custody,
    jsonform,
    keyring,
    kit,
    lifecycle,
    people,
    recordkeys,
    seal,
)

NOW = datetime.now(UTC)
TODAY = NOW.date()


def forget_record_keys(bench: Bench) -> None:
    """Leave the keyring and the box's bundle as an older noisewatch made them."""
    for day in keyring.days(bench.custody.keyring):
        document = dict(keyring.read(bench.custody.keyring, day))
        del document["records"]
        keyring.path_of(bench.custody.keyring, day).write_bytes(jsonform.document_to_bytes(document))
    path = bench.node / "keys" / "bundle.json"
    bundle = jsonform.bytes_to_document(path.read_bytes())
    bundle["schema"] = "noisewatch-bundle-1"
    for keys in bundle["days"].values():
        del keys["records"]
    path.write_bytes(jsonform.document_to_bytes(bundle))
    signature = authority.sign(bench.custody.authority, path.read_bytes(), passphrase=None)
    path.with_name("bundle.json.p7s").write_bytes(signature)


def opened(bench: Bench, ciphertext: bytes) -> bytes:
    document = keyring.read(bench.custody.keyring, TODAY)
    clear: bytes = pyrage.decrypt(ciphertext, recordkeys.identities_of(document))
    return clear


def test_what_is_sealed_for_the_desk_opens_with_the_days_record_key_and_no_other(bench: Bench) -> None:
    sealed = seal.seal_for_desk(b"a level", bench.keys.for_day(TODAY))
    assert opened(bench, sealed) == b"a level"
    tomorrow = keyring.read(bench.custody.keyring, TODAY + timedelta(days=1))
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, recordkeys.identities_of(tomorrow))
    officer = bench.custody.find_person("officer").identity()
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [officer])


def test_the_record_keys_private_half_lies_in_the_keyring_for_its_user_alone(bench: Bench) -> None:
    path = keyring.path_of(bench.custody.keyring, TODAY)
    secret = keyring.read(bench.custody.keyring, TODAY)["records"]["secret"]
    assert secret.startswith("AGE-SECRET-KEY-")
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret.encode() not in b"".join(one.read_bytes() for one in bench.node.rglob("*") if one.is_file())


def test_a_bundle_of_an_older_noisewatch_is_refused_with_a_remedy(bench: Bench) -> None:
    forget_record_keys(bench)
    with pytest.raises(ConfigurationError, match=r"names no keys for records.*ask the custodian for a new"):
        seal.DayKeys.load_bundle(bench.node / "keys" / "bundle.json", bench.custody.authority_pem())


def test_a_day_of_an_older_noisewatch_names_the_command_that_helps(bench: Bench) -> None:
    forget_record_keys(bench)
    with pytest.raises(ConfigurationError, match="holds no key for records; run: noisewatch custody bundle"):
        keyring.public(bench.custody.keyring, TODAY)


def test_a_new_bundle_brings_an_older_custody_and_its_box_up_to_date(bench: Bench) -> None:
    forget_record_keys(bench)
    officer = keyring.read(bench.custody.keyring, TODAY)["officer"]
    made, _ = lifecycle.make_kit(bench.custody)
    done = kit.install(made, bench.node / "keys", today=TODAY)
    assert done.keys.for_day(TODAY).records == keyring.public(bench.custody.keyring, TODAY).records
    assert keyring.read(bench.custody.keyring, TODAY)["officer"] == officer, "clips of before still open"
    assert opened(bench, seal.seal_for_desk(b"x", done.keys.for_day(TODAY))) == b"x"


def test_whoever_leaves_opens_no_record_of_the_days_to_come(bench: Bench) -> None:
    officers = [replace(one, name="jan") for one in people.read_all(bench.custody.people)]
    tomorrow = TODAY + timedelta(days=1)
    before = {day: keyring.public(bench.custody.keyring, day).records for day in (TODAY, tomorrow)}
    sealed = seal.encrypt(b"of the old bundle", before[tomorrow])
    keyring.drop(bench.custody.keyring, "officer", role="officer", people=officers, renew_from=tomorrow)
    assert keyring.public(bench.custody.keyring, TODAY).records == before[TODAY]
    document = keyring.read(bench.custody.keyring, tomorrow)
    assert document["records"]["recipient"] != before[tomorrow]
    # a box may seal to the former key until it has its new bundle
    assert pyrage.decrypt(sealed, recordkeys.identities_of(document)) == b"of the old bundle"


def test_a_record_key_ends_with_its_day_and_no_old_keyring_brings_it_back(bench: Bench) -> None:
    copy = bench.node.parent / "copy"
    shutil.copytree(bench.custody.keyring, copy)
    custody.expire(bench.custody, also=[TODAY])
    assert keyring.merge(bench.custody.keyring, copy) == ([], [TODAY])
    with pytest.raises(MissingInputError, match="the day has ended"):
        keyring.read(bench.custody.keyring, TODAY)


def test_two_copies_that_each_made_a_record_key_are_joined(bench: Bench) -> None:
    forget_record_keys(bench)
    copy = bench.node.parent / "copy"
    shutil.copytree(bench.custody.keyring, copy)
    custody.make_bundle(bench.custody)
    officers = people.read_all(bench.custody.people)
    theirs = keyring.make_days(copy, officers, first=TODAY, count=1)[TODAY].records
    keyring.merge(bench.custody.keyring, copy)
    assert opened(bench, seal.encrypt(b"theirs", theirs)) == b"theirs"
    assert (
        opened(bench, seal.encrypt(b"ours", keyring.public(bench.custody.keyring, TODAY).records)) == b"ours"
    )
    assert recordkeys.joined(keyring.read(bench.custody.keyring, TODAY), keyring.read(copy, TODAY)) is None


@pytest.mark.parametrize(
    "part",
    [{"recipient": "age1x", "secret": "x"}, {"recipient": "age1x"}, "x", {"recipient": 1, "secret": 1}],
)
def test_a_damaged_record_key_is_named_without_being_quoted(bench: Bench, part: object) -> None:
    path = keyring.path_of(bench.custody.keyring, TODAY)
    document = {**keyring.read(bench.custody.keyring, TODAY), "records": part}
    path.write_bytes(jsonform.document_to_bytes(document))
    with pytest.raises(ConfigurationError, match="does not hold the keys of its day") as refused:
        keyring.read(bench.custody.keyring, TODAY)
    assert "AGE-SECRET" not in refused.value.line()


def test_a_recipient_that_is_not_the_secrets_is_refused(bench: Bench) -> None:
    path = keyring.path_of(bench.custody.keyring, TODAY)
    document = dict(keyring.read(bench.custody.keyring, TODAY))
    document["records"] = {**document["records"], "recipient": recordkeys.new_part()["recipient"]}
    path.write_bytes(jsonform.document_to_bytes(document))
    with pytest.raises(ConfigurationError, match="does not hold the keys of its day"):
        keyring.read(bench.custody.keyring, TODAY)

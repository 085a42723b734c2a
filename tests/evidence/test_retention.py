"""Nothing outlives its month; what the clock does changes that for the shorter only."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from evidence_parts import Bench, make_record, make_stored
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.errors import UsageError
from noisewatch.evidence import log, retention, seal
from noisewatch.evidence.retention import ClockFloor
from noisewatch.evidence.store import Store

days = st.dates(min_value=date(2024, 1, 1), max_value=date(2099, 12, 31))
moments = st.builds(
    lambda day, second: midnight(day) + timedelta(seconds=second), days, st.integers(0, 86399)
)
limits = st.integers(min_value=1, max_value=30)


def calendar_month_after(day: date) -> date:
    """One calendar month later, by another way than the package's: the highest day that exists."""
    year, month = day.year + day.month // 12, day.month % 12 + 1
    for number in range(day.day, 0, -1):
        try:
            return date(year, month, number)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


@given(day=days, offset_s=st.integers(0, 86399), maximum_days=limits, is_trial=st.booleans())
def test_nothing_outlives_the_earlier_of_30_days_and_one_calendar_month(
    day: date, offset_s: int, maximum_days: int, is_trial: bool
) -> None:
    sealed_at = midnight(day) + timedelta(seconds=offset_s)
    end = retention.expires_at(day, is_trial=is_trial, sealed_at=sealed_at, maximum_days=maximum_days)
    assert end <= midnight(day) + timedelta(days=30)
    assert end <= midnight(calendar_month_after(day))
    assert end <= midnight(day) + timedelta(days=maximum_days)
    if is_trial:
        assert end <= sealed_at + timedelta(hours=24)
    if not is_trial and maximum_days == 30:
        assert end == min(midnight(day) + timedelta(days=30), midnight(calendar_month_after(day)))


@given(day=days, offset_s=st.integers(0, 86399), shorter=limits, longer=limits)
def test_configuration_can_shorten_only(day: date, offset_s: int, shorter: int, longer: int) -> None:
    sealed_at = midnight(day) + timedelta(seconds=offset_s)
    full = retention.expires_at(day, is_trial=False, sealed_at=sealed_at)
    ends = [
        retention.expires_at(day, is_trial=False, sealed_at=sealed_at, maximum_days=n)
        for n in sorted((shorter, longer))
    ]
    assert ends[0] <= ends[1] <= full


@pytest.mark.parametrize("maximum_days", [0, -1, 31, 10_000])
def test_configuration_outside_1_to_30_days_is_refused(maximum_days: int) -> None:
    with pytest.raises(UsageError, match="1 to 30 days"):
        retention.expires_at(
            date(2026, 1, 1), is_trial=False, sealed_at=midnight(date(2026, 1, 1)), maximum_days=maximum_days
        )


@given(
    day=days,
    offset_s=st.integers(0, 86399),
    wait_s=st.integers(0, 40 * 86400),
    is_trial=st.booleans(),
    maximum_days=limits,
)
def test_the_plan_erases_exactly_what_has_ended(
    day: date, offset_s: int, wait_s: int, is_trial: bool, maximum_days: int
) -> None:
    sealed_at = midnight(day) + timedelta(seconds=offset_s)
    event = make_stored(sealed_at=sealed_at, is_trial=is_trial)
    now = sealed_at + timedelta(seconds=wait_s)
    decision = retention.plan([event], now, maximum_days=maximum_days)[0]
    end = retention.expires_at(day, is_trial=is_trial, sealed_at=sealed_at, maximum_days=maximum_days)
    assert decision.ends_at == end
    assert decision.erase == (now >= end)
    assert decision.why.startswith("ended at" if decision.erase else "ends at")


@given(sealed_at=moments, claimed_day=days, promised=moments, is_trial=st.booleans())
def test_a_wrong_day_or_promise_in_a_record_lengthens_nothing(
    sealed_at: datetime, claimed_day: date, promised: datetime, is_trial: bool
) -> None:
    event = make_stored(sealed_at=sealed_at, day=claimed_day, expires_at=promised, is_trial=is_trial)
    decision = retention.plan([event], sealed_at)[0]
    honest = retention.expires_at(sealed_at.date(), is_trial=is_trial, sealed_at=sealed_at)
    assert decision.ends_at <= min(promised, honest)


@pytest.mark.parametrize(
    ("sealed_at", "is_trial", "promise", "why"),
    [
        ("2026-02-10T12:00Z", False, None, "one calendar month after its day began"),
        ("2026-03-10T12:00Z", False, None, "30 days after its day began"),
        ("2026-03-10T12:00Z", True, None, "24 hours after sealing, as it is a trial"),
        ("2026-03-10T12:00Z", False, "2026-03-11T00:00Z", "its record promises it"),
    ],
)
def test_each_decision_says_which_rule_ends_it(
    sealed_at: str, is_trial: bool, promise: str | None, why: str
) -> None:
    moment = datetime.fromisoformat(sealed_at)
    expires = None if promise is None else datetime.fromisoformat(promise)
    event = make_stored(sealed_at=moment, is_trial=is_trial, expires_at=expires)
    assert retention.plan([event], moment)[0].why.endswith(why)


steps = st.lists(
    st.tuples(
        st.sampled_from(["run", "jump", "boot"]),
        st.integers(min_value=0, max_value=20 * 86400),
        st.integers(min_value=-40 * 86400, max_value=40 * 86400),
    ),
    max_size=12,
)


@given(steps=steps)
def test_no_jump_of_an_unsynchronised_clock_makes_retention_slower_than_the_uptime(
    steps: list[tuple[str, int, int]],
) -> None:
    wall, boottime_s, boot = datetime(2026, 6, 1, tzinfo=UTC), 100.0, 0
    floor, now = retention.advance(None, wall=wall, boot_id="0", boottime_s=boottime_s, synchronised=False)
    lived, before = timedelta(), now
    for kind, seconds, jump in steps:
        if kind == "run":
            wall, boottime_s, lived = (
                wall + timedelta(seconds=seconds),
                boottime_s + seconds,
                lived + timedelta(seconds=seconds),
            )
        elif kind == "jump":
            wall += timedelta(seconds=jump)
        else:
            boot, boottime_s, wall = boot + 1, 1.0, wall + timedelta(seconds=jump)
        floor, now = retention.advance(
            floor, wall=wall, boot_id=str(boot), boottime_s=boottime_s, synchronised=False
        )
        assert now >= datetime(2026, 6, 1, tzinfo=UTC) + lived
        if kind == "boot":
            assert now >= wall, "nothing else tells how long the box was off"
        if kind == "jump":
            assert now == before, "a jump is no time that has passed"
        before = now
        assert floor.utc <= datetime(2026, 6, 1, tzinfo=UTC) + lived, "an untrusted clock lifted the floor"


def test_a_clock_set_back_40_days_within_a_boot_gains_nothing() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    floor = ClockFloor(start, "boot", 0.0, start)
    back = start - timedelta(days=40)
    _, now = retention.advance(floor, wall=back, boot_id="boot", boottime_s=86400.0, synchronised=False)
    assert now == start + timedelta(days=1)


def test_a_clock_set_ahead_40_days_within_a_boot_destroys_nothing_until_it_is_kept() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    ahead = start + timedelta(days=40)
    floor = ClockFloor(start, "boot", 0.0, start)
    floor, now = retention.advance(floor, wall=ahead, boot_id="boot", boottime_s=3600.0, synchronised=False)
    assert now == start + timedelta(hours=1)
    _, now = retention.advance(floor, wall=ahead, boot_id="boot", boottime_s=7200.0, synchronised=True)
    assert now == ahead


def test_a_box_that_was_off_for_31_days_ends_what_is_over_though_nothing_keeps_its_clock() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    later = start + timedelta(days=31)
    floor = ClockFloor(start, "old", 5.0, start)
    floor, now = retention.advance(floor, wall=later, boot_id="new", boottime_s=1.0, synchronised=False)
    assert now == later
    # and an hour later it is an hour later, whatever the clock says
    _, now = retention.advance(floor, wall=start, boot_id="new", boottime_s=3601.0, synchronised=False)
    assert now == later + timedelta(hours=1)


def test_a_clock_that_starts_in_1970_gains_nothing() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    dead = datetime(1970, 1, 1, tzinfo=UTC)
    _, now = retention.advance(
        ClockFloor(start, "old", 5.0, start), wall=dead, boot_id="new", boottime_s=1.0, synchronised=False
    )
    assert now == start


def test_a_synchronised_clock_lifts_the_floor() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    later = start + timedelta(days=31)
    floor, now = retention.advance(
        ClockFloor(start, "old", 5.0, start), wall=later, boot_id="new", boottime_s=1.0, synchronised=True
    )
    assert floor.utc == now == later


def enforce(
    bench: Bench, store: Store, now: datetime, *, boottime_s: float = 1000.0, synchronised: bool = True
) -> retention.Enforcement:
    return retention.enforce(store, bench.log(), now, boottime_s=boottime_s, synchronised=synchronised)


def test_an_ended_event_is_erased_with_intent_and_proof_and_leaves_no_byte(bench: Bench) -> None:
    with bench.store() as store:
        record = bench.seal_event(store)
        folder = store.get(record.event.id).folder
        enforce(bench, store, datetime.now(UTC))
        assert store.get(record.event.id).state == "sealed"
        done = enforce(bench, store, record.expires_at)
        assert done.erased == (record.event.id,)
        assert done.unproven == ()
        assert store.list() == ()
        assert not folder.exists()
        assert not folder.parent.exists()
        for path in (bench.node / "store").glob("events.db*"):
            assert record.event.id.encode() not in path.read_bytes()
    rows = [row.entry for row in bench.log().entries() if row.entry.action == "erasure"]
    assert [row.details["phase"] for row in rows] == ["intent", "proof"]
    assert "24 hours after sealing" in rows[0].why
    pem = bench.custody.authority_pem()
    assert log.verify(bench.log_path, authority_pem=pem, role=seal.ROLE_NODE).valid


def test_a_shorter_configuration_ends_what_is_stored_already(bench: Bench) -> None:
    with bench.store() as store:
        record = make_record("20260101-000000-long", is_trial=False)
        bench.begin(store, record)
        later = datetime.now(UTC) + timedelta(days=3)
        assert enforce(bench, store, later).erased == ()
        done = retention.enforce(
            store, bench.log(), later, maximum_days=2, boottime_s=1000.0, synchronised=True
        )
        assert done.erased == (record.event.id,)


def test_while_somebody_reads_the_database_the_proof_waits_and_comes_later(bench: Bench) -> None:
    with bench.store() as store:
        record = bench.seal_event(store)
        with Store.open(bench.node / "store", writable=False) as reader:
            connection = reader._db.conn
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM events").fetchone()
            done = enforce(bench, store, record.expires_at)
            assert done.erased == ()
            assert done.unproven == (record.event.id,)
            connection.execute("COMMIT")
        assert enforce(bench, store, record.expires_at).erased == (record.event.id,)


def test_an_event_sealed_under_a_clock_that_was_ahead_ends_as_if_sealed_when_that_was_seen(
    bench: Bench,
) -> None:
    real = datetime.now(UTC)
    ahead = real + timedelta(days=35)
    with bench.store() as store:
        enforce(bench, store, real)
        record = make_record("20270101-000000-ahead", sealed_at=ahead, is_trial=False)
        store.begin(record, bench.sealed(record), sealed_at=ahead)
        enforce(bench, store, real)
        assert store.get(record.event.id).sealed_at == real
        enforce(bench, store, real + timedelta(hours=5), boottime_s=1000.0 + 5 * 3600)
        assert store.get(record.event.id).sealed_at == real
        month = seal.start_of_day(real.date()) + timedelta(days=31)
        assert enforce(bench, store, month, boottime_s=1000.0).erased == (record.event.id,)


def test_a_clock_that_was_set_back_does_not_keep_an_event(bench: Bench) -> None:
    with bench.store() as store:
        record = bench.seal_event(store)
        real = datetime.now(UTC)
        enforce(bench, store, real, boottime_s=1000.0)
        ahead = real + timedelta(days=40)
        assert enforce(bench, store, ahead, boottime_s=1000.0 + 1800, synchronised=False).erased == ()
        back = real - timedelta(days=40)
        assert enforce(bench, store, back, boottime_s=1000.0 + 3600).erased == ()
        assert enforce(bench, store, back, boottime_s=1000.0 + 25 * 3600).erased == (record.event.id,)

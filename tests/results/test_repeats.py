"""What is remembered of callbacks, and for how long."""

from datetime import UTC, datetime, timedelta

from bot.results.repeats import DELIVERIES, JOBS, MESSAGES, REMEMBERED_FOR, Repeats

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_a_delivery_is_known_by_its_address_signature_and_body_together() -> None:
    repeats = Repeats()
    repeats.of("one", now=NOON).keep("signed", b"body", [NOON], "digest")
    assert repeats.find("another", now=NOON) is None
    known = repeats.find("one", now=NOON)
    assert known is not None
    assert known.signed_at("signed", b"body") == (NOON,)
    assert known.holds("digest")
    for signature, body in (("signedb", b"ody"), ("", b"signedbody"), ("signed", b"other"), ("digest", b"")):
        assert known.signed_at(signature, body) == ()
    assert not known.holds("signed")


def test_a_job_is_forgotten_in_time_when_others_come_and_when_the_clock_was_set_back() -> None:
    repeats = Repeats()
    repeats.of("one", now=NOON).keep("signed", b"body", [NOON], "digest")
    assert repeats.find("one", now=NOON + REMEMBERED_FOR) is not None
    assert repeats.find("one", now=NOON + REMEMBERED_FOR + timedelta(seconds=1)) is None
    assert repeats.find("one", now=NOON - timedelta(seconds=1)) is None
    # A callback that comes later begins anew.
    later = NOON + 2 * REMEMBERED_FOR
    assert not repeats.of("one", now=later).holds("digest")

    for number in range(JOBS):
        repeats.of(str(number), now=later)
    assert repeats.find("one", now=later) is None
    assert repeats.find("0", now=later) is not None


def test_of_one_job_only_so_much_is_remembered() -> None:
    known = Repeats().of("one", now=NOON)
    for number in range(MESSAGES + 1):
        known.keep("signed", b"%d" % number, [NOON], str(number))
    assert [number for number in range(MESSAGES + 1) if known.holds(str(number))] == [*range(1, MESSAGES + 1)]
    assert sum(known.signed_at("signed", b"%d" % number) != () for number in range(MESSAGES + 1)) == DELIVERIES

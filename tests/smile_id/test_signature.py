"""Signatures: the worked vectors, and that nothing else passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.smile_id.signature import matches, sign, stamp

KEY = "test-api-key-0000"

# made with the official Python SDK 3.0.1
VECTORS = [
    ("0421", "2026-11-22T12:00:00.000Z", "+k3d9HLcl64vGTrLpy/BRqUj80OxdFtsoh2j0pPPLwA="),
    ("421", "2026-11-22T12:00:00.000Z", "PFHQt5H8dXTgbRDDRVmBNoRhEZPcQU0mwC0hbkLBaOU="),
    ("421", "2026-11-22T12:00:00+00:00", "gf3O5C5axCoKQ7lj3cVV14pmFNJwDOcE38oCy4v8uok="),
    ("0421", "1763812800000", "oL/hMp8Ez85vdhS9goBF7APkAxa5OQ8i0gq5sGbRLeo="),
]


@pytest.mark.parametrize(("partner_id", "timestamp", "signature"), VECTORS)
def test_the_worked_vectors_come_out_and_check_out(partner_id: str, timestamp: str, signature: str) -> None:
    assert sign(partner_id=partner_id, api_key=KEY, timestamp=timestamp) == signature
    assert matches(partner_id=partner_id, api_key=KEY, timestamp=timestamp, signature=signature)


@given(st.text(), st.text(), st.text(min_size=1))
def test_we_sign_what_the_official_sdk_signs(partner_id: str, timestamp: str, key: str) -> None:
    from smile_id_core.Signature import Signature

    theirs = Signature(partner_id or "0", key).generate_signature(timestamp)["signature"]
    assert sign(partner_id=partner_id or "0", api_key=key, timestamp=timestamp) == theirs


anything = st.text(st.characters(exclude_categories=()))


@given(anything, anything)
def test_a_strange_pair_never_matches_and_never_raises(timestamp: str, signature: str) -> None:
    assert not matches(partner_id="0421", api_key=KEY, timestamp=timestamp, signature=signature)


def test_one_wrong_character_anywhere_is_refused() -> None:
    partner_id, timestamp, signature = VECTORS[0]
    for index, letter in enumerate(signature):
        forged = signature[:index] + ("A" if letter != "A" else "B") + signature[index + 1 :]
        assert not matches(partner_id=partner_id, api_key=KEY, timestamp=timestamp, signature=forged)


def test_the_stamp_is_utc_with_milliseconds_and_z() -> None:
    assert stamp(datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) == "2026-11-22T12:00:00.000Z"
    lagos = timezone(timedelta(hours=1))
    assert stamp(datetime(2026, 11, 22, 13, 0, 0, 123_999, tzinfo=lagos)) == "2026-11-22T12:00:00.123Z"


def test_a_stamp_of_no_known_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        stamp(datetime(2026, 11, 22, 12, 0))  # noqa: DTZ001 - the naive one is the point

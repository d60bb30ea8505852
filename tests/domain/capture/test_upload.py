"""The body of an upload: what is packed comes out again, and nothing else is taken for one."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.capture.upload import FRAMES, MAGIC, MAX_BODY_BYTES, MAX_PHOTO_BYTES, CapturedPhotos, pack, unpack
from bot.errors import UploadFault, UploadMalformed

NINE = st.lists(st.binary(min_size=1, max_size=200), min_size=FRAMES + 1, max_size=FRAMES + 1)
SAMPLE = CapturedPhotos(liveness=tuple(bytes([number]) * (number + 1) for number in range(FRAMES)), selfie=b"selfie")


def photo(length: int, *, told: int | None = None) -> bytes:
    return (length if told is None else told).to_bytes(4, "big") + b"x" * length


def fault(body: bytes) -> UploadFault:
    with pytest.raises(UploadMalformed) as raised:
        unpack(body)
    return raised.value.code


@given(NINE)
def test_what_is_packed_comes_out_again(photos: list[bytes]) -> None:
    taken = CapturedPhotos(liveness=tuple(photos[:-1]), selfie=photos[-1])

    assert unpack(pack(taken)) == taken


def test_the_selfie_is_the_last_of_nine() -> None:
    assert pack(SAMPLE).startswith(b"KYC1\0\0\0\x01\x00\0\0\0\x02\x01\x01")
    assert pack(SAMPLE).endswith(b"\0\0\0\x06selfie")


@given(st.binary(max_size=400) | st.binary(max_size=400).map(MAGIC.__add__))
def test_any_bytes_are_photos_or_malformed(body: bytes) -> None:
    with suppress(UploadMalformed):
        assert pack(unpack(body)) == body


@given(NINE, st.integers(min_value=0), st.binary(min_size=1, max_size=4))
def test_one_damaged_place_never_raises_anything_else(photos: list[bytes], place: int, bytes_there: bytes) -> None:
    body = bytearray(pack(CapturedPhotos(liveness=tuple(photos[:-1]), selfie=photos[-1])))
    at = place % len(body)
    body[at : at + len(bytes_there)] = bytes_there
    with suppress(UploadMalformed):
        assert pack(unpack(bytes(body))) == bytes(body)


def test_a_body_cut_short_anywhere_is_refused() -> None:
    body = pack(SAMPLE)

    cut = [fault(body[:length]) for length in range(len(body))]

    assert set(cut[: len(MAGIC)]) == {UploadFault.NOT_OURS}
    assert set(cut[len(MAGIC) :]) == {UploadFault.TRUNCATED}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", UploadFault.NOT_OURS),
        (b"KYC2" + pack(SAMPLE)[4:], UploadFault.NOT_OURS),
        (b"\xff\xd8\xff\xe0 a JPEG by itself", UploadFault.NOT_OURS),
        (MAGIC + photo(10) * 8, UploadFault.TRUNCATED),
        (MAGIC + photo(10) * 8 + photo(10, told=11), UploadFault.TRUNCATED),
        (MAGIC + photo(10) * 10, UploadFault.TRAILING),
        (pack(SAMPLE) + b"\n", UploadFault.TRAILING),
        (MAGIC + photo(0) + photo(10) * 8, UploadFault.EMPTY_PHOTO),
        (MAGIC + photo(10) * 8 + photo(0), UploadFault.EMPTY_PHOTO),
        (MAGIC + photo(10, told=2**32 - 1), UploadFault.PHOTO_TOO_LARGE),
    ],
    ids=["empty", "another-version", "one-jpeg", "eight", "longer-than-told", "ten", "a-line-end", "no-first",
         "no-last", "claims-4-gigabytes"],
)  # fmt: skip
def test_what_is_not_nine_photos_is_refused(body: bytes, code: UploadFault) -> None:
    assert fault(body) is code


def test_each_photo_and_the_whole_have_a_bound() -> None:
    largest = MAGIC + photo(MAX_PHOTO_BYTES) * 3 + photo(400_000) * 6
    assert len(largest) < MAX_BODY_BYTES
    assert len(unpack(largest).liveness[0]) == MAX_PHOTO_BYTES
    assert fault(MAGIC + photo(MAX_PHOTO_BYTES + 1) + photo(10) * 8) is UploadFault.PHOTO_TOO_LARGE
    assert fault(MAGIC + photo(MAX_PHOTO_BYTES) * 4 + photo(10) * 5) is UploadFault.TOO_LARGE


def test_no_photo_is_shown_by_its_repr() -> None:
    assert repr(SAMPLE) == "CapturedPhotos()"


def test_what_would_not_be_taken_is_not_packed() -> None:
    with pytest.raises(UploadMalformed):
        pack(CapturedPhotos(liveness=SAMPLE.liveness[1:], selfie=SAMPLE.selfie))

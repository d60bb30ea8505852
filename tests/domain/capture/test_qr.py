"""The QR code of a link: a picture that a phone can scan from a dark screen."""

import io

from PIL import Image

from bot.domain.capture import qr

LINK = "https://kyc.example.com/c#" + "a-_B" * 10 + "a4w"
QUIET = 4 * 8


def test_it_is_black_on_white_with_the_margin_that_scanners_need() -> None:
    with Image.open(io.BytesIO(qr.png(LINK))) as picture:
        shown = picture.convert("L")
    assert picture.format == "PNG"
    assert shown.width == shown.height
    assert {colour for _count, colour in shown.getcolors() or ()} == {0, 255}
    side = shown.width
    inner = shown.crop((QUIET, QUIET, side - QUIET, side - QUIET))
    margins = shown.copy()
    margins.paste(255, (QUIET, QUIET, side - QUIET, side - QUIET))
    assert margins.getextrema() == (255, 255)
    # The squares in three of its corners, by which it is found.
    assert [inner.getpixel(corner) for corner in ((0, 0), (inner.width - 1, 0), (0, inner.width - 1))] == [0, 0, 0]
    assert inner.getpixel((inner.width - 1, inner.width - 1)) in (0, 255)


def test_it_is_small_whatever_the_address() -> None:
    longest = "https://" + "kyc." * 40 + "example.com/c#" + "w" * 43
    for link in (LINK, longest):
        assert len(qr.png(link)) < 10_000


def test_other_links_are_other_codes_and_the_same_is_the_same() -> None:
    assert qr.png(LINK) == qr.png(LINK)
    assert qr.png(LINK) != qr.png(LINK[:-1] + "8")

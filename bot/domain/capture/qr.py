"""The QR code of a link, which a customer who stands beside the requester scans from the screen."""

import io

_MODULE_PIXELS = 8
_QUIET_MODULES = 4
"""The margin that a scanner needs (ISO/IEC 18004)."""


def png(url: str) -> bytes:
    """Black on white, so that it can be scanned in dark mode too; a few hundred pixels wide."""
    import segno  # noqa: PLC0415 - a bot that makes no links never draws one

    picture = io.BytesIO()
    # Error correction M, 15 per cent: a screen has no dirt, and a smaller code is scanned from farther away.
    segno.make_qr(url, error="m", boost_error=False).save(
        picture, kind="png", scale=_MODULE_PIXELS, border=_QUIET_MODULES
    )
    return picture.getvalue()

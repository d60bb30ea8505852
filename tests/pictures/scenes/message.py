"""Answers to a message to the bot: what was understood of it."""

from collections.abc import Sequence
from datetime import date

from bot.blocks import ids, message
from bot.blocks.message import Pointer
from bot.blocks.private import says
from bot.domain.mentions.incoming import Dropped, are_clear, proposed
from bot.domain.mentions.parser import understand
from bot.domain.request import FileInfo, Form, parse
from tests.blocks.samples import ID_TYPES
from tests.pictures.people import AMINA, REQUESTS
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.held import seen_before

_TODAY = date(2026, 11, 22)


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="messages",
            title="Answers to a message",
            line="Who writes to the bot what a check needs is shown what was understood, and sends it with one click.",
            scenes=[
                _answer("Everything was said", "NG BVN 22212340000 Ada Obi 1990-01-02 ref: C-17", ["ada.jpg"]),
                _answer(
                    "Changed since it was shown",
                    "NG BVN 22212340000 Ada Obi",
                    ["selfie.jpg", *(f"liveness-{n}.jpg" for n in range(8))],
                    above=message.CHANGED,
                ),
                _answer(
                    "Something is missing, wrong and unclear",
                    "Ghana card GHA-1 born 31/31/1990 for the Lagos branch, urgent <https://example.com|please>",
                    ["one.jpg", "two.jpg", "card.pdf"],
                    left_out=message.left_out(3, thread_is_cut=True),
                ),
                _answer("Two photos, none of them named", "NG BVN 22212340000", ["IMG_0001.jpg", "IMG_0002.jpg"]),
                Scene(
                    caption="This person was checked before",
                    shows=message.seen(Pointer(channel=REQUESTS, ts="1", thread_ts=None), seen_before()),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="Sent",
                    shows=says(f"{message.SENT.format(ref='K-7F3K2Q')} {message.HINT}"),
                    place=Place.PRIVATE,
                ),
                Scene(caption="Said nothing of a check", shows=says(message.HELP), place=Place.PRIVATE),
                Scene(caption="While a message is read", shows=message.one_moment()),
            ],
        )
    ]


def _answer(caption: str, text: str, names: Sequence[str], *, above: str = "", left_out: str | None = None) -> Scene:
    """As `bot.messages` and `handlers.messages` go about it."""
    files = [FileInfo(id=f"F{name}", name=name, mimetype="", size=90_000) for name in names]
    dropped = Dropped(channel=REQUESTS, ts="1", thread_ts=None, user=AMINA, team="T0EXAMPLE", text=text, files=files)
    understood = understand(text, ID_TYPES, today=_TODAY)
    photos = proposed(files)
    filled = Form(
        country=understood.country or "",
        id_type=understood.id_type or "",
        texts=understood.texts,
        customer_reference=understood.customer_reference,
        selfie=[photo.file for photo in photos if photo.kind is not None and photo.kind.value == ids.SELFIE],
        liveness=[photo.file for photo in photos if photo.kind is not None and photo.kind.value == ids.LIVENESS],
        consent=True,
    )
    parsed = parse(filled, ID_TYPES, today=_TODAY)
    if not parsed.faults and not understood.unclear and are_clear(photos) and parsed.id_type is not None:
        shown = message.whole(dropped, understood, parsed.id_type, photos, fingerprint="f", above=above)
    else:
        shown = message.lacking(dropped, understood, parsed.id_type, photos, faults=parsed.faults, left_out=left_out)
    return Scene(caption=caption, shows=shown, place=Place.PRIVATE)

"""Answers to a message to the bot, in a channel or directly: what was understood of it."""

from collections.abc import Sequence
from datetime import date

from bot.domain.check.check import PhotoKind
from bot.domain.check.request import FileInfo, Form, parse
from bot.domain.mentions.incoming import IncomingMessage, ProposedPhoto, are_clear, proposed
from bot.domain.mentions.parser import ParsedMessage, holds_number, understand, understand_in_channel
from bot.slack.blocks import message
from bot.slack.blocks.message import MessagePointer
from bot.slack.blocks.private import answer
from tests.pictures.people import AMINA, REQUESTS
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.held import seen_before
from tests.slack.blocks.samples import ID_TYPES

DIRECT = "D0AMINA00001"
_TODAY = date(2026, 11, 22)


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="mentions",
            title="Answers to a mention in a channel",
            line="In a channel the bot takes the country, the ID type and the photos; the form asks for the rest.",
            scenes=[
                _in_channel("Country, ID type and selfie", "NG BVN", ["selfie.jpg"]),
                _in_channel("With an ID number", "NG BVN 22212340000 Ada Obi 1990-01-02", ["ada.jpg"]),
                _in_channel(
                    "Something is missing and unclear",
                    "passport",
                    ["one.jpg", "two.jpg", "card.pdf"],
                    left_out=message.left_out(3, thread_is_cut=True),
                ),
                Scene(caption="Said nothing of a check", shows=answer(message.HELP_IN_CHANNEL), place=Place.PRIVATE),
            ],
        ),
        Sheet(
            name="messages",
            title="Answers to a direct message",
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
                    caption="A list in a form that is not read",
                    shows=message.unread_lists(_files(["customers.ods"])),
                    place=Place.DIRECT,
                ),
                Scene(
                    caption="This person was checked before",
                    shows=message.checked_before(MessagePointer(channel=DIRECT, ts="1", thread_ts=None), seen_before()),
                    place=Place.DIRECT,
                ),
                Scene(
                    caption="Sent",
                    shows=answer(f"{message.SENT.format(ref='K-7F3K2Q')} {message.HINT}"),
                    place=Place.DIRECT,
                ),
                Scene(caption="Said nothing of a check", shows=answer(message.HELP), place=Place.DIRECT),
                Scene(caption="While a message is read", shows=message.one_moment()),
            ],
        ),
    ]


def _in_channel(caption: str, text: str, names: Sequence[str], *, left_out: str | None = None) -> Scene:
    files = _files(names)
    dropped = _dropped(REQUESTS, text, files)
    understood = understand_in_channel(text, ID_TYPES)
    photos = proposed(files)
    parsed = parse(_form(understood, photos), ID_TYPES, today=_TODAY)
    shown = message.in_channel(dropped, understood, parsed.id_type, photos, faults=parsed.faults, left_out=left_out)
    if holds_number(text):
        shown = message.delete_your_message(shown)
    return Scene(caption=caption, shows=shown, place=Place.PRIVATE)


def _answer(caption: str, text: str, names: Sequence[str], *, above: str = "", left_out: str | None = None) -> Scene:
    """As `bot.intake.messages` and `handlers.messages` go about it."""
    files = _files(names)
    dropped = _dropped(DIRECT, text, files)
    understood = understand(text, ID_TYPES, today=_TODAY)
    photos = proposed(files)
    parsed = parse(_form(understood, photos), ID_TYPES, today=_TODAY)
    if not parsed.faults and not understood.unclear and are_clear(photos) and parsed.id_type is not None:
        shown = message.complete(dropped, understood, parsed.id_type, photos, fingerprint="f", above=above)
    else:
        shown = message.incomplete(dropped, understood, parsed.id_type, photos, faults=parsed.faults, left_out=left_out)
    return Scene(caption=caption, shows=shown, place=Place.DIRECT)


def _files(names: Sequence[str]) -> list[FileInfo]:
    return [FileInfo(id=f"F{name}", name=name, mimetype="", size=90_000) for name in names]


def _dropped(channel: str, text: str, files: Sequence[FileInfo]) -> IncomingMessage:
    return IncomingMessage(
        channel=channel, ts="1", thread_ts=None, user=AMINA, team="T0EXAMPLE", text=text, files=files
    )


def _form(understood: ParsedMessage, photos: Sequence[ProposedPhoto]) -> Form:
    return Form(
        country=understood.country or "",
        id_type=understood.id_type or "",
        texts=understood.texts,
        customer_reference=understood.customer_reference,
        selfie=[photo.file for photo in photos if photo.kind is PhotoKind.SELFIE],
        liveness=[photo.file for photo in photos if photo.kind is PhotoKind.LIVENESS],
        consent=True,
    )

"""Links with which customers take the photos themselves."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from bot.domain.capture import qr
from bot.domain.capture.customer_words import LinkMessages
from bot.domain.capture.links import LinkEnding, LinkStep
from bot.domain.check.check import Check, PhotosBy
from bot.domain.check.states import State
from bot.domain.outbox import Message, PostKind
from bot.outbox.builders import File
from bot.slack.blocks import capture, thread
from tests.pictures.people import AMINA
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import CAPTURE_LINK, CHECK_BVN, ENTRY
from tests.slack.blocks.samples import DATA, a_link

_WAITS = replace(CHECK_BVN, state=State.AWAITING_PHOTOS, photos_checked_at=None, sent_at=None, photos_by=PhotosBy.LINK)
_CANCELLED = replace(_WAITS, state=State.CANCELLED)
_UNTIL = CHECK_BVN.asked_at + timedelta(hours=24)
_WORDS = LinkMessages.parse((DATA / "link-messages.csv").read_text("utf-8"))


def sheets() -> list[Sheet]:
    ready = _WORDS.words(company="Example Bank", hours=24, link=CAPTURE_LINK)
    return [
        Sheet(
            name="link",
            title="A link for the customer",
            line="The customer takes the photos: the link goes to who asked for the check, by direct message alone.",
            scenes=[
                _direct(
                    "The link",
                    capture.link_message(_WAITS, ENTRY, link=CAPTURE_LINK, until=_UNTIL, words=ready),
                    PostKind.LINK,
                ),
                Scene(
                    caption="Below it, for a customer who stands beside you",
                    shows=File(
                        channel="D0KYC",
                        thread_ts=None,
                        name="link-K-7F3K2Q.png",
                        data=qr.png(CAPTURE_LINK),
                        comment=capture.qr_comment(_WAITS),
                        alt_text=capture.qr_alt_text(_WAITS),
                    ),
                    kinds=[PostKind.LINK_QR],
                    place=Place.DIRECT,
                ),
                Scene(caption="Where the check was asked for", shows=capture.aside(_WAITS.ref), place=Place.PRIVATE),
                _direct(
                    "Half of its time is over",
                    capture.reminder(_WAITS, ENTRY, step=LinkStep.MADE, until=_UNTIL),
                    PostKind.LINK_REMINDER,
                ),
                Scene(
                    caption="Slack has not taken the link",
                    shows=capture.not_delivered(_WAITS),
                    kinds=[PostKind.LINK_LOST],
                    place=Place.THREAD,
                ),
                Scene(
                    caption="Links were turned off before it came",
                    shows=capture.not_delivered(_WAITS, are_offered=False),
                    kinds=[PostKind.LINK_LOST],
                    place=Place.THREAD,
                ),
            ],
        ),
        Sheet(
            name="link-progress",
            title="A check by link",
            line="The message of the request follows the customer; the thread says how a link ended without photos.",
            scenes=[*_requests(), *_endings()],
        ),
        Sheet(
            name="link-ended",
            title="A link that has ended",
            line="The message with the link, once it works no more: the link is taken out of it.",
            scenes=[
                _ended("The photos are taken", CHECK_BVN, LinkEnding.USED),
                _ended("There is a newer one", _WAITS, LinkEnding.REPLACED),
                *(_ended(end.why, _CANCELLED, ending) for ending, end in capture.ENDED.items()),
            ],
        ),
    ]


def _requests() -> Iterator[Scene]:
    sending = replace(_WAITS, state=State.SUBMITTING)
    at = ((_WAITS, LinkStep.MADE), (_WAITS, LinkStep.OPENED), (_WAITS, LinkStep.AGREED), (sending, LinkStep.TAKEN))
    for check, step in (*at, (replace(CHECK_BVN, photos_by=PhotosBy.LINK), LinkStep.TAKEN)):
        said = thread.request_message(check, ENTRY, link=a_link(step))
        caption = "Sent to Smile ID" if check.sent_at is not None else f"Step: {step.value}"
        yield Scene(caption=caption, shows=said, kinds=[PostKind.PROGRESS])


def _endings() -> Iterator[Scene]:
    for ending in capture.ENDED:
        check = replace(_CANCELLED, failure=f"link_{ending.value}")
        said = thread.cancelled(check, by=AMINA, ending=ending)
        yield Scene(caption=f"Ended: {ending.value}", shows=said, kinds=[PostKind.CANCELLED], place=Place.THREAD)


def _ended(caption: str, check: Check, ending: LinkEnding) -> Scene:
    shown = capture.ended(check, ENTRY, ending=ending)
    return _direct(caption[:1].upper() + caption[1:], shown, PostKind.LINK_ENDED)


def _direct(caption: str, shows: Message, kind: PostKind) -> Scene:
    return Scene(caption=caption, shows=shows, kinds=[kind], place=Place.DIRECT)

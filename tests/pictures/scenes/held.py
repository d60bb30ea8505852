"""Questions before a check is paid for."""

from dataclasses import replace
from datetime import timedelta

from bot.domain.check.check import Check, HoldReason, PhotoKind
from bot.domain.check.photo_quality import Flaw
from bot.domain.check.states import State
from bot.domain.outbox import PostKind
from bot.domain.results.codes import ResultStory
from bot.slack.blocks import held, other_photos
from tests.pictures.people import AMINA, REMI
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import CHECK_BVN, LINK, ended, reading
from tests.slack.blocks.samples import bvn

_WAITS = replace(CHECK_BVN, state=State.REQUESTED, photos_checked_at=None, sent_at=None)
_EARLIER = replace(
    ended(State.REJECTED, reading(ResultStory.FACES_DIFFER)),
    ref="K-3C9T4M",
    requester=REMI,
    asked_at=CHECK_BVN.asked_at - timedelta(days=20),
)


def sheets() -> list[Sheet]:
    one_flaw = _photos([PhotoKind.SELFIE, 0, Flaw.DARK])
    return [
        Sheet(
            name="held",
            title="Questions before it costs",
            line="A check waits in its thread when photos look unusable or the selfie was seen before.",
            scenes=[
                _question("A photo that looks unusable", one_flaw),
                _question(
                    "Many such photos",
                    _photos(*([PhotoKind.LIVENESS, n, flaw] for n, flaw in enumerate(Flaw))),
                ),
                _question("Reminded after a day", one_flaw, is_reminder=True),
                _question("The selfie of an earlier check", _seen(others=1), [_EARLIER]),
                _question(
                    "The selfie of several checks, with another ID number",
                    _seen(others=5, other_number=True),
                    [_EARLIER, replace(_EARLIER, ref="K-8W2H7P", requester=AMINA)],
                ),
                _question("The selfie of a check elsewhere", _seen(others=1)),
                *(
                    Scene(
                        caption=f"Answered: {how.replace('_', ' ')}",
                        shows=held.answered(_WAITS, by=AMINA, how=how, held=why),
                        kinds=[PostKind.HELD_ANSWERED],
                        place=Place.THREAD,
                    )
                    for how, why in (
                        ("let_pass", HoldReason.PHOTOS),
                        ("other_photos", HoldReason.PHOTOS),
                        ("cancelled", HoldReason.SELFIE_SEEN),
                    )
                ),
                Scene(
                    caption="Other photos for a check that waits",
                    shows=other_photos.of_held(one_flaw, bvn(), liveness_required=False),
                    typed={"selfie": ["ada-in-daylight.jpg"]},
                ),
                Scene(
                    caption="Other photos after a result, with liveness images that stay",
                    shows=other_photos.of_ended(
                        replace(ended(State.REJECTED, reading(ResultStory.NO_FACE)), liveness_images=8),
                        bvn(),
                        liveness_required=False,
                    ),
                ),
            ],
        )
    ]


def seen_before() -> str:
    """What the form says of a person who was checked before."""
    others = [(replace(_EARLIER, ref=f"K-{n}C9T4M"), None) for n in range(5, 9)]
    return held.earlier_checks([(_EARLIER, LINK), *others], by_number=True)


def _photos(*flaws: list[object]) -> Check:
    return replace(_WAITS, held=HoldReason.PHOTOS, held_note={"flaws": flaws})


def _seen(**note: object) -> Check:
    return replace(_WAITS, held=HoldReason.SELFIE_SEEN, held_note=note)


def _question(caption: str, check: Check, earlier: list[Check] | None = None, *, is_reminder: bool = False) -> Scene:
    return Scene(
        caption=caption,
        shows=held.question(check, earlier or [], is_reminder=is_reminder),
        kinds=[PostKind.HELD],
        place=Place.THREAD,
    )

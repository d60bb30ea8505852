"""What stands where something about a customer stood, and what people are asked to delete themselves."""

from bot.domain.outbox import PostKind
from bot.slack.blocks import erased
from bot.slack.blocks.erased import ToDelete
from tests.pictures.people import NOW
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import CHECK_BVN, LINK

_FILE = "https://acme-compliance.slack.com/files/U0AMINA0001/F0{}"


def sheets() -> list[Sheet]:
    photo, others = _FILE.format("SELFIE001"), [_FILE.format(f"LIVE0000{number}") for number in range(8)]
    two = [
        ToDelete(ref=CHECK_BVN.ref, files=[photo, *others]),
        ToDelete(ref="K-2M9D4W", files=[photo], messages=[LINK]),
    ]
    return [
        Sheet(
            name="erased",
            title="Erased",
            line="When the time of a customer's data is over, or they are forgotten.",
            scenes=[
                Scene(
                    caption="In place of each message about the check, while its record is kept",
                    shows=erased.message(CHECK_BVN.ref, at=NOW, is_record_kept=True),
                ),
                Scene(
                    caption="And once nothing is kept",
                    shows=erased.message(CHECK_BVN.ref, at=NOW, is_record_kept=False),
                    place=Place.THREAD,
                ),
                Scene(
                    caption="Who put photos there is asked to delete them, where the bot may not",
                    shows=erased.deletion_asked([ToDelete(ref=CHECK_BVN.ref, files=[photo])]),
                    kinds=[PostKind.DELETION_ASKED],
                    place=Place.DIRECT,
                ),
                Scene(
                    caption="The same for two checks, one of them asked for by a message",
                    shows=erased.deletion_asked(two),
                    kinds=[PostKind.DELETION_ASKED],
                    place=Place.DIRECT,
                ),
            ],
        )
    ]

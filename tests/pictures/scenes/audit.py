"""Where the audit trail ended, for a channel of auditors."""

from datetime import date

from bot.domain.outbox import PostKind
from bot.slack.blocks import audit
from tests.pictures.scene import Place, Scene, Sheet

_HEAD = "48210:" + "3b9f0c7d5a21e864" * 4


def sheets() -> list[Sheet]:
    said = audit.head(_HEAD, date(2026, 11, 21))
    scene = Scene(caption="Once a day", shows=said, kinds=[PostKind.AUDIT_HEAD], place=Place.CHANNEL)
    return [
        Sheet(
            name="audit",
            title="The audit trail",
            line="In `KYC_AUDIT_HEAD_CHANNEL`: where the trail ended, for whoever verifies it later.",
            scenes=[scene],
        )
    ]

"""What Slack is told of the audit trail: where it ended, for whoever verifies it later."""

from datetime import date

from bot.domain.outbox import Message
from bot.slack.blocks import kit


def head(at: str, day: date) -> Message:
    """`at` is number and hash of the last line, as `kyc-bot audit verify --head` takes them."""
    said = (
        f"*Audit trail on {day:%A} {day.day} {day:%B %Y}: line {at.partition(':')[0]}.*\n"
        "No action needed. To check later that no line before this one was changed, run on the bot's machine:\n"
        f"`kyc-bot audit verify --head {at}`"
    )
    return kit.text_message(said)

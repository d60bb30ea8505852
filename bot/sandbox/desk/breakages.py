"""The table of what can go wrong in the demo, in the words of the panel and of docs/sandbox.md.

Everything ends by itself: after some seconds, after it has struck once, or at once. `breaking` knows what each does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

WAITS_FOR = timedelta(minutes=10)
"""So long something waits for the request that it is to strike."""


class Part(StrEnum):
    """Whom it happens to."""

    BOT = "kyc-bot"
    SLACK = "Slack"
    SMILE_ID = "Smile ID"
    CALLBACKS = "Smile ID's callbacks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One thing that can go wrong."""

    title: str
    shows: str
    """What people should see, in one line."""
    part: Part
    lasts: timedelta | None = None
    """Until it ends by itself; None: it happens once."""
    strikes_once: bool = False
    """Ends with the request that it strikes."""

    @property
    def bound(self) -> str:
        """How it ends, in words."""
        if self.strikes_once:
            return "strikes once"
        return "happens at once" if self.lasts is None else f"ends after {self.lasts.seconds} s"


BREAKAGES: Mapping[str, Breakage] = {
    "kill": Breakage(
        title="Kill the bot now",
        shows="Clicks fail as Slack would say it, the bot comes back within seconds, and every check goes on.",
        part=Part.BOT,
    ),
    "kill-in-upload": Breakage(
        title="Kill the bot in the middle of an upload",
        shows="Ask for a check: the bot dies with the photos on their way, comes back, and posts one result.",
        part=Part.BOT,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "slack-slow": Breakage(
        title="Slack is slow",
        shows="Every answer takes Slack two seconds: messages come late, and none comes twice.",
        part=Part.SLACK,
        lasts=timedelta(seconds=60),
    ),
    "slack-fails": Breakage(
        title="Slack fails",
        shows="Error 500 to everything: forms do not open; what the bot has to say waits, and then comes once.",
        part=Part.SLACK,
        lasts=timedelta(seconds=45),
    ),
    "slack-rate-limits": Breakage(
        title="Slack limits the rate",
        shows="Posts are refused for five seconds each: threads stand still, and then catch up in order.",
        part=Part.SLACK,
        lasts=timedelta(seconds=30),
    ),
    "slack-away": Breakage(
        title="Slack cannot be reached",
        shows="No connection in either direction: clicks fail, results wait, and everything comes when it is back.",
        part=Part.SLACK,
        lasts=timedelta(seconds=60),
    ),
    "slack-answer-lost": Breakage(
        title="An answer of Slack is lost",
        shows="Slack posts the next message, and the line breaks before it says so: it stands there once all the same.",
        part=Part.SLACK,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "slack-hides-files": Breakage(
        title="Slack shows no pictures of files",
        shows="“Show photos” has links instead, and the summary's picture stays in its thread.",
        part=Part.SLACK,
        lasts=timedelta(seconds=120),
    ),
    "socket-cut": Breakage(
        title="Cut Socket Mode",
        shows="The bot's connection to Slack breaks without a word; a click in that second fails, the next one works.",
        part=Part.SLACK,
    ),
    "smile-id-slow": Breakage(
        title="Smile ID is slow",
        shows="Every answer takes five seconds: checks stay longer at “Sending to Smile ID”, and end as always.",
        part=Part.SMILE_ID,
        lasts=timedelta(seconds=90),
    ),
    "smile-id-fails": Breakage(
        title="Smile ID fails",
        shows="Error 503 to everything: checks say “It takes longer than usual”, and are sent after it.",
        part=Part.SMILE_ID,
        lasts=timedelta(seconds=45),
    ),
    "smile-id-rate-limits": Breakage(
        title="Smile ID limits the rate",
        shows="Everything is refused for five seconds: checks are sent a little later, each once.",
        part=Part.SMILE_ID,
        lasts=timedelta(seconds=30),
    ),
    "upload-lost": Breakage(
        title="An upload does not arrive",
        shows="The line breaks before Smile ID has the photos: the bot asks first, then sends them again.",
        part=Part.SMILE_ID,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "upload-unanswered": Breakage(
        title="An upload arrives, its answer does not",
        shows="Smile ID has the photos, and the bot cannot know: it asks, sends nothing twice, and posts one result.",
        part=Part.SMILE_ID,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "callback-doubled": Breakage(
        title="Send the last callback again",
        shows="The bot says thank you, and posts nothing.",
        part=Part.CALLBACKS,
    ),
    "callback-forged": Breakage(
        title="Forge a callback",
        shows="An approval with a wrong signature: the bot refuses it with 401, and no result changes.",
        part=Part.CALLBACKS,
    ),
    "callback-stale": Breakage(
        title="Send a stale callback",
        shows="Signed by Smile ID, but yesterday: the bot refuses it with 401, and no result changes.",
        part=Part.CALLBACKS,
    ),
}

"""Who works in the demo's workspace, where, and which roles the bot's settings give them; all of them invented."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import time
from zoneinfo import ZoneInfo

from bot.domain.check.masking import tail
from bot.sandbox.slack import SlackSandbox

AMINA, TUNDE = "U0AMINA0001", "U0TUNDE0001"
"""Analysts, who ask for checks."""
REMI, ZOLA = "U0REMI00001", "U0ZOLA00001"
"""Reviewers."""
NIA = "U0NIA000001"
"""Manager."""
BISI = "U0BISI00001"
"""Support, who sees where checks stand and nothing personal."""
MUSA = "U0MUSA00001"
"""Admin."""
GIFT = "U0GIFT00001"
"""A guest of the workspace, who may ask for nothing."""

REQUESTS, REVIEWS, SUMMARIES = "C0KYCREQ001", "C0KYCREV001", "C0KYCSUM001"

ROLES = {
    AMINA: "analyst",
    TUNDE: "analyst",
    REMI: "reviewer",
    ZOLA: "reviewer",
    NIA: "manager",
    BISI: "support",
    MUSA: "admin",
    GIFT: "guest",
}
"""What each of them is, in a word."""

ZONE = ZoneInfo("Africa/Lagos")
SUMMARY_TIME = time(0, 0)
"""Whenever the demo is opened, yesterday's summary has been posted."""

COMPANY = "Acme Microfinance"
"""Who asks customers for their photos."""

SETTINGS = {
    "KYC_REQUESTERS": f"{AMINA},{TUNDE}",
    "KYC_REVIEWERS": f"{REMI},{ZOLA}",
    "KYC_MANAGERS": NIA,
    "KYC_VIEWERS": BISI,
    "KYC_ADMINS": MUSA,
    "KYC_REVIEW_CHANNEL": REVIEWS,
    "KYC_SUMMARY_CHANNEL": SUMMARIES,
    "KYC_SUMMARY_TIME": SUMMARY_TIME.isoformat("minutes"),
    "KYC_TIMEZONE": ZONE.key,
    # Slack itself takes one a second; who looks on need not wait for that.
    "KYC_SLACK_POSTS_PER_SECOND": "100",
}


def move_in(slack: SlackSandbox) -> None:
    """Add to the stand-in's people and channels those that only the demo has."""
    for user_id, name in ((TUNDE, "tunde"), (ZOLA, "zola"), (NIA, "nia"), (BISI, "bisi")):
        slack.add_user(user_id, name)
    slack.add_user(GIFT, "gift", guest=True)
    slack.channels[REQUESTS].members.update({TUNDE, REMI, ZOLA, NIA, GIFT})
    slack.channels[REVIEWS].members.add(ZOLA)
    slack.add_channel(SUMMARIES, "kyc-summary", private=True, members=(NIA, MUSA, ZOLA))


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Somebody whose identity is checked."""

    first_name: str
    last_name: str
    country: str
    id_type: str
    id_number: str = field(repr=False)
    dob: str
    """ISO date."""

    @property
    def ending(self) -> str:
        """What the bot shows of the number."""
        return tail(self.id_number)


_FIRST_NAMES = (
    "Ada", "Bola", "Chidi", "Dede", "Esi", "Femi", "Goro", "Hawa", "Ife", "Juma", "Kofi", "Lindiwe", "Makena", "Nandi",
    "Oba", "Pumla", "Quame", "Rudo", "Sipho", "Temi", "Uche", "Vusi", "Wanjiku", "Xola", "Yemi", "Zuri",
)  # fmt: skip
_LAST_NAMES = ("Example", "Sample", "Specimen", "Invented", "Placeholder", "Madeup", "Nobody", "Fiction")
_NUMBERS = {
    ("NG", "BVN"): "0000000{:04d}",
    ("NG", "NIN_V2"): "0000000{:04d}",
    ("KE", "NATIONAL_ID"): "0000{:04d}",
    ("ZA", "NATIONAL_ID"): "000000000{:04d}",
    ("GH", "NEW_VOTER_ID"): "000000{:04d}",
}
"""By country and ID type: numbers that nobody holds, each with another ending."""


def applicants(seed: int) -> Iterator[Applicant]:
    """People without end, the same ones for the same seed; no two have ID numbers with the same ending."""
    rng = random.Random(seed)  # noqa: S311 - names of nobody
    kinds = tuple(_NUMBERS)
    for number in range(101, 1000):
        country, id_type = rng.choices(kinds, weights=(5, 2, 2, 1, 1))[0]
        yield Applicant(
            first_name=rng.choice(_FIRST_NAMES),
            last_name=rng.choice(_LAST_NAMES),
            country=country,
            id_type=id_type,
            id_number=_NUMBERS[country, id_type].format(number),
            dob=f"{rng.randint(1960, 2004)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        )

"""Requests that are in the database before the bot starts: for loads, where the forms are not what is looked at."""

from collections.abc import Mapping
from datetime import UTC, datetime

from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.check.references import reference
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import TEAM_ID, SlackSandbox
from bot.settings import Settings
from bot.submission import lifecycle
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.journeys.world import SELFIE


async def ask_for(slack: SlackSandbox, environment: Mapping[str, str], count: int) -> list[str]:
    """So many accepted requests of one analyst, in the database of a bot that does not run yet."""
    selfie = await slack.person(ANALYST).upload(SELFIE, "selfie.jpg", channel_id=CHANNEL)
    refs = [reference(number * 100_003) for number in range(count)]
    now = datetime.now(UTC)

    def accept(tx: Transaction) -> None:
        for number, ref in enumerate(refs):
            request = Request(
                requester=ANALYST,
                team=TEAM_ID,
                channel=CHANNEL,
                thread_ts=None,
                view_id=f"V{number}",
                country="NG",
                id_type="BVN",
                id_info={"id_number": f"{number:010d}0"},
                customer_reference="",
                photos=(PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id=selfie.id),),
                consent_at=now,
            )
            lifecycle.accept(tx, request, ref=ref, now=now, budget=None)

    sealer = Sealer.from_text([environment["KYC_ENCRYPTION_KEYS"]])
    database = await Database.open(Settings.load(environment).database, sealer=sealer, migrate=migrate)
    try:
        await database.write(accept)
    finally:
        await database.close()
    return refs

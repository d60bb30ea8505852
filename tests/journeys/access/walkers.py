"""Viewers and managers of the journeys, and a customer whose every datum is a canary."""

from typing import Any

from bot.sandbox.demo import ANALYST
from tests.journeys.world import ADMIN, REVIEWER, Journey

VIEWER, MANAGER = "U0VERA00001", "U0NIA000001"
STAFF: dict[str, Any] = {
    "KYC_REQUESTERS": ANALYST,
    "KYC_REVIEWERS": REVIEWER,
    "KYC_VIEWERS": VIEWER,
    "KYC_MANAGERS": MANAGER,
    "KYC_ADMINS": ADMIN,
}
FIRST, LAST, NUMBER, REFERENCE, DOB, PHONE = (
    "Canaryfirst",
    "Canarylast",
    "22255589417",
    "CUST-CANARY",
    "1987-04-23",
    "+2348055500617",
)
CANARIES = (FIRST, LAST, NUMBER, "ending", REFERENCE, DOB, PHONE)
"""What must not be shown: all of it, and the words that stand before the last characters of a number."""


async def a_check(world: Journey) -> str:
    """A request of that customer, by the analyst."""
    world.slack.add_user(VIEWER, "vera")
    world.slack.add_user(MANAGER, "nia")
    await world.bot.access.refresh()
    return await world.ask(
        first_name=FIRST, last_name=LAST, id_number=NUMBER, customer_reference=REFERENCE, dob=DOB, phone_number=PHONE
    )

"""Erasing in Slack: the token that deletes other people's files, and what still stands there of erased checks."""

import asyncio
from collections.abc import Iterator

import aiohttp

from bot.access.workspace import fault_of
from bot.domain.installation import Installation
from bot.errors import SlackError, SlackRefused
from bot.network import Outbound
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, listed, note, ok
from bot.runtime.doctor.slack import slack_trouble
from bot.settings import Settings
from bot.slack import manifest
from bot.slack.client import Answer, SlackClient
from storage.engine import inspect

_SUBJECT = "slack user token (KYC_SLACK_USER_TOKEN)"
_COPY_IT = (
    "As an admin of the workspace, install the app again, and copy the User OAuth Token (xoxp-…) from its page OAuth & "
    "Permissions; or unset it, and people are asked to delete their photos themselves."
)


async def probe(
    settings: Settings, outbound: Outbound, known: Installation | None, limits: DoctorTimeouts
) -> list[Finding]:
    """`known` is the workspace that the database belongs to, if it has learned of one."""
    left = await asyncio.to_thread(inspect.left_in_slack, settings.database)
    found = list(_left(left))
    if settings.slack_user_token is None:
        return found
    timeout = aiohttp.ClientTimeout(total=limits.call, connect=limits.connect)
    async with outbound.session(timeout=timeout) as session:
        as_person = SlackClient(
            token=settings.slack_user_token.get_secret_value(),
            base_url=settings.slack_api_url,
            session=session,
            proxy_for=outbound.proxy_for,
        )
        try:
            me = await as_person.whoami()
        except SlackRefused as no:
            return [*found, fail(_SUBJECT, f"Slack does not take it ({no.code}). {_COPY_IT}")]
        except SlackError as fault:
            return [*found, fail(_SUBJECT, slack_trouble(fault, settings, outbound))]
    return [*found, _fits(me, known)]


def _fits(me: Answer, known: Installation | None) -> Finding:
    if me.get("bot_id"):
        return fail(_SUBJECT, f"it belongs to a bot, not to a person. {_COPY_IT}")
    if fault_of(me, known):
        return fail(_SUBJECT, f"it is of another workspace than the database. {_COPY_IT}")
    granted = {scope.strip() for scope in str(me.get("scopes", "")).split(",")}
    if "scopes" in me and (missing := sorted(set(manifest.USER_SCOPES) - granted)):
        return fail(_SUBJECT, f"{listed(missing)} is missing. {_COPY_IT}")
    return ok(_SUBJECT, f"as @{me.get('user')}, whom Slack lets delete photos; those of forms only their senders can")


def _left(left: int) -> Iterator[Finding]:
    if left:
        what = "1 message or file" if left == 1 else f"{left} messages and files"
        yield note(
            "erasing in Slack",
            f"{what} of erased checks still stand there, since Slack refuses to erase them. See docs/operations.md.",
        )

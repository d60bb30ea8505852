"""Slack's side: the bot token and its scopes, how requests come in, and the channels and people of the settings."""

import asyncio
from itertools import chain
from urllib.parse import urlsplit

import aiohttp

from bot.access.permissions import EVERYBODY
from bot.access.rights import Right, Role, roles_with
from bot.access.workspace import fault_of
from bot.domain.installation import (
    Installation,
    gives_roles,
    installation_of,
    is_full_member,
    is_shared_outside,
    person_of,
)
from bot.errors import SlackError, SlackNotSent, SlackRateLimited, SlackRefused
from bot.network import Outbound
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, listed, note, ok, within
from bot.runtime.doctor.ways import no_connection
from bot.settings import Settings, SlackSettings
from bot.slack import manifest
from bot.slack.client import Answer, SlackClient

_COPY_IT = "Copy the Bot User OAuth Token (xoxb-…) from the app's page OAuth & Permissions into SLACK_BOT_TOKEN."
_REINSTALL = "Install the app to the workspace again, then copy the new Bot User OAuth Token into SLACK_BOT_TOKEN."
_ADVICE = {
    "account_inactive": _REINSTALL,
    "token_revoked": _REINSTALL,
    "token_expired": "The app rotates its tokens, which kyc-bot does not follow. Create the app from the manifest.",
}
_FITTING = (
    "Nobody has a role until it fits. Put back the token of the app in that workspace, or give this one a database of "
    "its own (KYC_DATABASE)."
)
FROM_MANIFEST = (
    "Reinstall the app from the manifest (kyc-bot manifest prints it; App Manifest on the app's page, "
    "then Install App)."
)
_SOCKET_ADVICE = (
    "SLACK_APP_TOKEN is an app-level token (xapp-…) with the scope connections:write: Basic Information, "
    "App-Level Tokens. Socket Mode must be turned on in the app."
)
CALLS_AT_ONCE = 4
_NO_PERSON = "there is no such person. Copy the member id from the profile in Slack (⋮, Copy member ID)."
_SAID_IN = {
    "KYC_CHANNELS": "who was checked, when and how it ended",
    "KYC_REVIEW_CHANNEL": "what reviewers are told and write",
    "KYC_SUMMARY_CHANNEL": "the figures",
    "KYC_AUDIT_HEAD_CHANNEL": "where the audit trail ended",
}
_NOT_FOUND = {
    "channel_not_found": "the bot cannot see it. If the id is right, the channel is private: type {invite} there.",
    "user_not_found": _NO_PERSON,
    "user_not_visible": _NO_PERSON,
    "no_such_subteam": "there is no such user group. Copy the id from the group's page in Slack.",
    "plan_upgrade_required": "user groups need a paid plan of Slack. Name people, or a private channel.",
}
"""By Slack's code."""


async def probe(
    settings: Settings, outbound: Outbound, known: Installation | None, limits: DoctorTimeouts
) -> list[Finding]:
    """`known` is the workspace that the database belongs to, if it has learned of one."""
    timeout = aiohttp.ClientTimeout(total=limits.call, connect=limits.connect)
    async with outbound.session(timeout=timeout) as session:
        slack = SlackClient(
            token=settings.slack_bot_token.get_secret_value(),
            base_url=settings.slack_api_url,
            session=session,
            proxy_for=outbound.proxy_for,
        )
        (found, me), connection = await asyncio.gather(
            try_bot_token(slack, settings, outbound, known), _connection(slack, settings, outbound, limits)
        )
        found.append(connection)
        if me is None:
            return [*found, note("channels and roles", "not looked at while Slack does not answer to the bot token")]
        return found + await _Workspace(slack, settings, outbound, me, limits).probe()


async def try_bot_token(
    slack: SlackClient, settings: SlackSettings, outbound: Outbound, known: Installation | None
) -> tuple[list[Finding], Answer | None]:
    """What Slack says of the token and its scopes; and the answer of `auth.test`, None where Slack does not take it."""
    subject = "slack token"
    try:
        me = await slack.whoami()
    except SlackRefused as no:
        advice = _ADVICE.get(no.code, _COPY_IT)
        return [fail(subject, f"Slack does not take it ({no.code}). {advice}")], None
    except SlackError as fault:
        return [fail(subject, slack_trouble(fault, settings, outbound))], None
    if not me.get("bot_id"):
        return [fail(subject, f"it belongs to a person, not to a bot. {_COPY_IT}")], None
    if misfit := fault_of(me, known):
        return [fail(subject, f"{misfit}. {_FITTING}"), _scopes(me)], me
    return [ok(subject, f"@{me.get('user')} in {me.get('team')}"), _scopes(me)], me


def _scopes(me: Answer) -> Finding:
    subject = "slack scopes"
    if "scopes" not in me:
        return note(subject, "Slack did not say which scopes the token has")
    missing = manifest.missing_scopes(me)
    if missing:
        return fail(subject, f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} missing. {FROM_MANIFEST}")
    return ok(subject, f"all {len(manifest.SCOPES)} that the manifest asks for")


async def _connection(slack: SlackClient, settings: Settings, outbound: Outbound, limits: DoctorTimeouts) -> Finding:
    """How Slack's requests come in: the app token can be tried, a signing secret cannot."""
    if settings.slack_app_token is None:
        base = settings.public_url or "https://…"
        return note(
            "slack signing secret",
            f"only a request of Slack's can prove it: start the bot, then save {base}/slack/events as request URL in "
            "the app (or create it from kyc-bot manifest --url); Slack says there whether the bot answered.",
        )
    return await try_app_token(slack, settings, outbound, limits)


async def try_app_token(
    slack: SlackClient, settings: SlackSettings, outbound: Outbound, limits: DoctorTimeouts
) -> Finding:
    """Whether Slack opens Socket Mode with `SLACK_APP_TOKEN`, which must be set."""
    assert settings.slack_app_token is not None
    subject = "slack app token"
    try:
        address = await slack.open_socket(settings.slack_app_token.get_secret_value())
    except SlackRefused as no:
        return fail(subject, f"Slack does not take it ({no.code}). {_SOCKET_ADVICE}")
    except SlackError as fault:
        return fail(subject, slack_trouble(fault, settings, outbound))
    return await _socket_way(slack, address, outbound, limits)


async def _socket_way(slack: SlackClient, address: str, outbound: Outbound, limits: DoctorTimeouts) -> Finding:
    """Whether the host of Socket Mode can be reached, by a request that opens nothing.

    The address itself is left alone: Slack would send some of a running bot's events to a second connection.
    """
    subject, host = "slack app token", urlsplit(address).hostname
    front = urlsplit(address)._replace(scheme="https" if address.startswith("wss") else "http", path="/", query="")
    try:
        async with asyncio.timeout(limits.call):
            await slack.touch(front.geturl())
    except SlackError as fault:
        return fail("slack socket", no_connection(address, fault, outbound))
    except TimeoutError:
        return fail("slack socket", f"no answer from {host} within {limits.call:g} s. See firewall and proxy.")
    return ok(subject, f"Slack opens Socket Mode with it, at {host} {outbound.way_to(address)}")


class _Workspace:
    def __init__(
        self, slack: SlackClient, settings: Settings, outbound: Outbound, me: Answer, limits: DoctorTimeouts
    ) -> None:
        self._slack = slack
        self._settings = settings
        self._outbound = outbound
        self._part_seconds = limits.part
        self._bot = str(me.get("user_id"))
        self._ours = installation_of(me)
        self._invite = f"/invite @{me.get('user')}"
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._named: dict[Role, set[str]] = {}
        """Who has a role by name or group; a role that could not be looked up whole is not in it."""

    async def probe(self) -> list[Finding]:
        uses: dict[str, list[str]] = {}
        for setting, ids in (
            ("KYC_CHANNELS", self._settings.channels),
            ("KYC_REVIEW_CHANNEL", (self._settings.review_channel,)),
            ("KYC_SUMMARY_CHANNEL", (self._settings.summary_channel,)),
            ("KYC_AUDIT_HEAD_CHANNEL", (self._settings.audit_head_channel,)),
        ):
            for channel in filter(None, ids):
                uses.setdefault(channel, []).append(setting)
        roles = {
            Role.REQUESTER: self._settings.requesters,
            Role.REVIEWER: self._settings.reviewers,
            Role.MANAGER: self._settings.managers,
            Role.VIEWER: self._settings.viewers,
            Role.ADMIN: self._settings.admins,
        }
        parts = await asyncio.gather(
            *(
                within(self._part_seconds, f"channel {channel}", self._channel(channel, settings))
                for channel, settings in uses.items()
            ),
            *(within(self._part_seconds, _subject(role), self._role(role, entries)) for role, entries in roles.items()),
        )
        return [*chain.from_iterable(parts), *self._unset(), *self._approvers()]

    def _approvers(self) -> list[Finding]:
        """Whether a file above `KYC_BATCH_APPROVAL` could be sent at all: a click on it is too late to learn that."""
        most, roles = self._settings.batch_approval, roles_with(Right.APPROVE_FILE)
        if most is None or not self._named.keys() >= set(roles):
            return []
        subject = "approvers (KYC_BATCH_APPROVAL)"
        people = set().union(*(self._named[role] for role in roles))
        name_more = "Name people or groups in KYC_MANAGERS or KYC_ADMINS; * names nobody who could be asked."
        if not people:
            return [note(subject, f"nobody can approve files of more than {most} checks, so none is sent. {name_more}")]
        (one, *others) = people
        sends = self._named.get(Role.REQUESTER, set())
        if not others and (one in sends or EVERYBODY in self._settings.requesters):
            return [
                note(
                    subject, f"one person can approve files of more than {most} checks, but not their own. {name_more}"
                )
            ]
        return [ok(subject, f"{len(people)} {'person' if len(people) == 1 else 'people'}")]

    def _unset(self) -> list[Finding]:
        mine = self._settings
        effects = (
            (
                mine.channels,
                "channels (KYC_CHANNELS)",
                "checks may be asked wherever the bot is invited, public channels included",
            ),
            (
                mine.review_channel,
                "review channel (KYC_REVIEW_CHANNEL)",
                "no reviewer hears of checks that need review",
            ),
            (mine.reviewers, _subject(Role.REVIEWER), "nobody is mentioned when a check needs review"),
            (mine.admins, _subject(Role.ADMIN), "nobody is told when Smile ID or Slack refuses the bot"),
        )
        return [note(subject, f"not set: {effect}") for value, subject, effect in effects if not value]

    async def _channel(self, channel: str, settings: list[str]) -> list[Finding]:
        subject = f"channel {channel} ({', '.join(settings)})"
        try:
            async with self._calls:
                found = await self._slack.channel(channel)
        except SlackError as fault:
            return [fail(subject, self._unseen(fault))]
        name = "the direct conversation" if found.get("is_im") else f"#{found.get('name')}"
        if found.get("is_archived"):
            return [fail(subject, f"{name} is archived. Unarchive it, or name another channel.")]
        if is_shared_outside(found):
            return [fail(subject, f"{name} is shared with another company, where KYC has no place. Name another.")]
        if not (found.get("is_member") or found.get("is_im")):
            return [fail(subject, f"the bot is not in {name}. Type {self._invite} there.")]
        if not (found.get("is_private") or found.get("is_im")):
            whats = " and ".join(dict.fromkeys(_SAID_IN[setting] for setting in settings))
            return [
                note(
                    subject,
                    f"the bot is in {name}, which is public: every member of the workspace can join it and read "
                    f"{whats}. Make it private in Slack, or name a private channel.",
                )
            ]
        return [ok(subject, f"the bot is in {name}")]

    async def _role(self, role: Role, entries: tuple[str, ...]) -> list[Finding]:
        subject = _subject(role)
        people: set[str] = set()
        found: list[Finding] = []
        for entry, answer in zip(entries, await asyncio.gather(*(self._who(entry) for entry in entries)), strict=True):
            if isinstance(answer, str):
                found.append(fail(subject, f"{entry} {answer}"))
            else:
                people |= answer
        if not found:
            self._named[role] = people
        if "*" in entries and role is Role.VIEWER:
            found.append(note(subject, "* lets every full member of the workspace see where every check stands"))
        elif "*" in entries and role is not Role.REQUESTER:
            found.append(
                note(subject, "* makes every full member of the workspace one, and the bot can call none of them")
            )
        elif "*" in entries:
            found.append(ok(subject, "every full member of the workspace"))
        elif people:
            found.append(ok(subject, f"{len(people)} {'person' if len(people) == 1 else 'people'}"))
        return found

    async def _who(self, entry: str) -> set[str] | str:
        """Whom an entry of a role means; a text says why nobody, and what to do."""
        if entry == "*":
            return set()
        try:
            async with self._calls:
                if entry[0] in "UW":
                    return await self._person(entry)
                is_group = entry[0] == "S"
                people = set(await self._slack.group_members(entry)) if is_group else await self._members(entry)
        except SlackError as fault:
            return f"could not be looked up: {self._unseen(fault)}"
        if isinstance(people, str):
            return people
        return people - {self._bot} or "has no members. Add people to it, or name another."

    async def _person(self, user: str) -> set[str] | str:
        found = await self._slack.user(user)
        if found.get("deleted"):
            return "is deactivated in Slack. Take this id out of the setting."
        if found.get("is_bot") or found.get("is_workflow_bot"):
            return "is a bot. Name people."
        if found.get("is_restricted") or found.get("is_ultra_restricted"):
            return "is a guest, and only full members have a role. Take this id out of the setting."
        if found.get("is_invited_user"):
            return "was invited and has not joined yet: the role counts from then on."
        if not is_full_member(person_of(found), self._ours):
            return "belongs to another company or workspace. Name people of your workspace."
        return {user}

    async def _members(self, channel: str) -> set[str] | str:
        found = await self._slack.channel(channel)
        name = f"(#{found.get('name')})"
        if not found.get("is_private"):
            return (
                f"{name} is a public channel: anybody can join it, so it gives nobody the role. "
                "Name a private channel, a user group or people."
            )
        if is_shared_outside(found):
            return f"{name} is shared with another company, so it gives nobody the role. Name another."
        if not gives_roles(found):
            return f"{name} is shared with another workspace, so it gives nobody the role. Name another."
        return set(await self._slack.members(channel))

    def _unseen(self, fault: SlackError) -> str:
        if isinstance(fault, SlackRefused) and fault.code in _NOT_FOUND:
            return _NOT_FOUND[fault.code].format(invite=self._invite)
        return slack_trouble(fault, self._settings, self._outbound)


def _subject(role: Role) -> str:
    return f"{role.value}s (KYC_{role.name}S)"


def slack_trouble(fault: SlackError, settings: SlackSettings, outbound: Outbound) -> str:
    host = urlsplit(settings.slack_api_url).hostname
    match fault:
        case SlackNotSent():
            return no_connection(settings.slack_api_url, fault, outbound, setting="SLACK_API_URL")
        case SlackRateLimited():
            return f"Slack asks us to wait. Run the check again in {fault.retry_after:g} s."
        case SlackRefused(code="missing_scope"):
            return "the token lacks a scope for it: see the line of the scopes."
        case SlackRefused():
            return f"Slack refuses to tell ({fault.code})."
        case _:
            return f"no proper answer from {host}. Run the check again; see also Slack's status page."

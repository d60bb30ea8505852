"""The channels and people that the settings name, as Slack knows them."""

import asyncio
from itertools import chain
from urllib.parse import urlsplit

from bot.access.permissions import Role
from bot.domain.installation import gives_roles, installation_of, is_full_member, is_shared_outside, person_of
from bot.errors import SlackError, SlackNotSent, SlackRateLimited, SlackRefused
from bot.runtime.doctor.findings import (
    DoctorTimeouts,
    Finding,
    count,
    fail,
    note,
    ok,
    within,
)
from bot.settings import Settings
from bot.slack.client import Answer, SlackClient

CALLS_AT_ONCE = 4
_NO_PERSON = "there is no such person. Copy the member id from the profile in Slack (⋮, Copy member ID)."
_NOT_FOUND = {
    "channel_not_found": "the bot cannot see it. If the id is right, the channel is private: type {invite} there.",
    "user_not_found": _NO_PERSON,
    "user_not_visible": _NO_PERSON,
    "no_such_subteam": "there is no such user group. Copy the id from the group's page in Slack.",
    "plan_upgrade_required": "user groups need a paid plan of Slack. Name people, or a private channel.",
}
"""By Slack's code."""


class WorkspaceProbe:
    """Probes the channels and people that the settings name."""

    def __init__(self, slack: SlackClient, settings: Settings, me: Answer, limits: DoctorTimeouts) -> None:
        self._slack = slack
        self._settings = settings
        self._part_seconds = limits.part
        self._bot = str(me.get("user_id"))
        self._ours = installation_of(me)
        self._invite = f"/invite @{me.get('user')}"
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)

    async def probe(self) -> list[Finding]:
        uses: dict[str, list[str]] = {}
        for setting, ids in (
            ("KYC_CHANNELS", self._settings.channels),
            ("KYC_REVIEW_CHANNEL", (self._settings.review_channel,)),
            ("KYC_SUMMARY_CHANNEL", (self._settings.summary_channel,)),
        ):
            for channel in filter(None, ids):
                uses.setdefault(channel, []).append(setting)
        roles = {
            Role.REQUESTER: self._settings.requesters,
            Role.REVIEWER: self._settings.reviewers,
            Role.MANAGER: self._settings.managers,
            Role.ADMIN: self._settings.admins,
        }
        parts = await asyncio.gather(
            *(
                within(self._part_seconds, f"channel {channel}", self._channel(channel, settings))
                for channel, settings in uses.items()
            ),
            *(within(self._part_seconds, _subject(role), self._role(role, entries)) for role, entries in roles.items()),
        )
        return [*chain.from_iterable(parts), *self._unset()]

    def _unset(self) -> list[Finding]:
        mine = self._settings
        effects = (
            (mine.channels, "channels (KYC_CHANNELS)", "checks may be asked wherever the bot is invited"),
            (
                mine.review_channel,
                "review channel (KYC_REVIEW_CHANNEL)",
                "no reviewer hears of checks that need a person",
            ),
            (mine.reviewers, _subject(Role.REVIEWER), "nobody is mentioned when a check needs a person"),
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
        if "KYC_REVIEW_CHANNEL" in settings and not (found.get("is_private") or found.get("is_im")):
            return [note(subject, f"the bot is in {name}, which is public: everybody can read what reviewers are told")]
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
        if "*" in entries and role is not Role.REQUESTER:
            found.append(
                note(subject, "* makes every full member of the workspace one, and the bot can call none of them")
            )
        elif "*" in entries:
            found.append(ok(subject, "every full member of the workspace"))
        elif people:
            found.append(ok(subject, count(len(people), "person", "people")))
        return found

    async def _who(self, entry: str) -> set[str] | str:
        """Whom an entry of a role means; a text says why nobody, and what to do."""
        if entry == "*":
            return set()
        try:
            async with self._calls:
                if entry[0] in "UW":
                    return await self._person(entry)
                people = await (self._group(entry) if entry[0] == "S" else self._members(entry))
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

    async def _group(self, group: str) -> set[str] | str:
        return set(await self._slack.group_members(group))

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
        return slack_trouble(fault, self._settings)


def _subject(role: Role) -> str:
    return f"{role.value}s (KYC_{role.name}S)"


def slack_trouble(fault: SlackError, settings: Settings) -> str:
    host = urlsplit(settings.slack_api_url).hostname
    match fault:
        case SlackNotSent():
            return f"no connection to {host}. This machine must reach it by https: see DNS, firewall and SLACK_API_URL."
        case SlackRateLimited():
            return f"Slack asks us to wait. Run the check again in {fault.retry_after:g} s."
        case SlackRefused(code="missing_scope"):
            return "the token lacks a scope for it: see the line of the scopes."
        case SlackRefused():
            return f"Slack refuses to tell ({fault.code})."
        case _:
            return f"no proper answer from {host}. Run the check again; see also Slack's status page."

"""What may be chosen by number or name, and what somebody meant by what they typed."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.domain.installation import Installation, gives_roles, is_full_member, is_shared_outside, person_of
from bot.runtime.setup.terminal import printable
from bot.slack.client import Answer

EVERYBODY = "*"
_ID = re.compile(r"[UWSCGD][A-Z0-9]{7,}")
_NUMBERS = re.compile(r"\d+(?:\s+\d+)+")


class NotUnderstood(Exception):
    """Nothing of that name; the text says what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    id: str
    label: str
    """As it is listed: `#kyc-requests`, `KYC Analysts (@kyc-analysts)`."""
    names: frozenset[str] = field(default_factory=frozenset)
    """What somebody may type for it, casefolded, without # and @."""
    remark: str = ""

    @property
    def line(self) -> str:
        return f"{self.label} ({self.remark})" if self.remark else self.label


def channel_choice(channel: Answer) -> Choice | None:
    """A channel where the bot may speak; None for one that is shared with another company."""
    if is_shared_outside(channel) or channel.get("is_archived"):
        return None
    name = printable(str(channel.get("name") or ""))
    remarks = [
        "private" if channel.get("is_private") else "public",
        *([] if channel.get("is_member") else ["the bot is not in it yet"]),
    ]
    return Choice(id=str(channel["id"]), label=f"#{name}", names=_names(name), remark=", ".join(remarks))


def role_choice_of_channel(channel: Answer) -> Choice | None:
    """A private channel whose members may have a role; None for one that anybody can join."""
    if not gives_roles(channel) or channel.get("is_archived"):
        return None
    name = printable(str(channel.get("name") or ""))
    return Choice(id=str(channel["id"]), label=f"#{name}", names=_names(name), remark="members of the private channel")


def group_choice(group: Answer) -> Choice:
    name, handle = printable(str(group.get("name") or "")), printable(str(group.get("handle") or ""))
    count = group.get("user_count")
    remark = f"user group, {count} {'person' if str(count) == '1' else 'people'}" if count is not None else "user group"
    return Choice(id=str(group["id"]), label=f"{name} @{handle}", names=_names(name, handle), remark=remark)


def person_choice(user: Answer) -> Choice:
    profile = user.get("profile") or {}
    names = [user.get("name"), user.get("real_name"), *(profile.get(key) for key in ("display_name", "email"))]
    known = [printable(str(name)) for name in names if name]
    return Choice(id=str(user["id"]), label=f"@{known[0]}" if known else str(user["id"]), names=_names(*known))


def people_choices(users: Sequence[Answer], ours: Installation) -> list[Choice]:
    """Active full members of the workspace: nobody else has a role."""
    return [person_choice(user) for user in users if is_full_member(person_of(user), ours)]


def pick(
    text: str,
    listed: Sequence[Choice],
    *,
    others: Callable[[], Sequence[Choice]] = tuple,
    everybody: bool = False,
    many: bool = True,
) -> list[str]:
    """The ids of what was typed: numbers of the list, names, ids or `*`, separated by commas.

    `others` are not listed and have no number; they are fetched when a name needs them. Raises NotUnderstood.
    """
    parts = text.split() if _NUMBERS.fullmatch(text.strip()) else text.split(",")
    wanted = [part.strip() for part in parts if part.strip()]
    if len(wanted) > 1 and not many:
        raise NotUnderstood("Only one can be chosen here.")
    if EVERYBODY in wanted:
        if not everybody:
            raise NotUnderstood("* cannot be chosen here. Choose groups, private channels or people.")
        if len(wanted) > 1:
            raise NotUnderstood("* means all of them: choose it alone.")
        return [EVERYBODY]
    return list(dict.fromkeys(_one(each, listed, others) for each in wanted))


def _one(text: str, listed: Sequence[Choice], others: Callable[[], Sequence[Choice]]) -> str:
    if text.isdecimal():
        if not 1 <= int(text) <= len(listed):
            raise NotUnderstood(f"There is no number {text} in the list.")
        return listed[int(text) - 1].id
    if _ID.fullmatch(text):
        return text
    name = _bare(text)
    found = {each.id: each for each in listed if name in each.names}
    if not found:
        listed = [*listed, *others()]
        found = {each.id: each for each in listed if name in each.names}
    if len(found) == 1:
        return next(iter(found))
    if found:
        several = ", ".join(f"{each.label} {each.id}" for each in found.values())
        raise NotUnderstood(f"{text} may be any of these: {several}. Type the id.")
    near = difflib.get_close_matches(name, sorted({name for each in listed for name in each.names}), n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else " Type ? to see the list."
    raise NotUnderstood(f"There is no {text} to choose.{hint}")


def _bare(name: str) -> str:
    """As it is compared: what a list cannot show, as the joints of an emoji, is not asked of whoever types the name."""
    return printable(unicodedata.normalize("NFC", name)).lstrip("#@").casefold()


def _names(*names: str) -> frozenset[str]:
    return frozenset(filter(None, map(_bare, names)))

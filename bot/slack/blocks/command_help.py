"""The answer to `/kyc help`: what its reader can do, and what they do most stands first."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cache

from bot.domain.outbox import Message
from bot.slack.blocks import kit
from bot.slack.blocks.text import foreign, spoken


class HelpPart(StrEnum):
    """A task, which some roles have and others do not; in the order in which help shows them."""

    REVIEW = "Review checks"
    START = "Start checks"
    FIGURES = "Figures"
    LOOK_UP = "Find out about checks"
    """For everybody with a role."""
    NOTIFY = "Notifications"
    """For who starts or reviews checks."""


_HELP: Mapping[HelpPart, str] = {
    HelpPart.REVIEW: """\
*/kyc list review* shows reviewers what is waiting, with buttons to decide it
*/kyc review K-7F3K2Q* shows reviewers the card of a check, to decide it""",
    HelpPart.START: """\
*/kyc* or */kyc check* opens the form for a new Biometric KYC check
*Run Biometric KYC* in a message's menu opens the form with the photos of that message or its thread
*@kyc NG BVN* in a channel, with a selfie or in a thread with one, opens the form. Don't write ID numbers or names \
in a channel
*NG BVN 00000000000 Ada Obi 1987-03-24* in a direct message to me, with a selfie, starts a check
*A CSV, XLSX, JSON or zip file* of customers with their photos, in a channel or a direct message, starts many \
checks at once
*/kyc rerun K-7F3K2Q* runs a check again after a rejection, a cancellation or no result
*/kyc cancel K-7F3K2Q* cancels a check before it is sent""",
    HelpPart.FIGURES: """\
*/kyc summary* shows managers the figures of today. Add `yesterday`, `week`, `month` or `2026-11-01..2026-11-15`, \
then a country and an ID type, for others
*/kyc export xlsx month* sends managers a list of checks without personal data. Choose `csv`, `jsonl` or `xlsx`, and \
any days
*/kyc hold K-7F3K2Q* has managers keep a check beyond its time while the customer relationship runs. Add `legal` or \
`investigation` for these; */kyc unhold K-7F3K2Q* ends it
*/kyc forget K-7F3K2Q* has admins erase the customer of a check, and says what stays""",
    HelpPart.LOOK_UP: """\
*/kyc status K-7F3K2Q* shows the result of a check, why, and the next step
*/kyc list* shows the checks you have access to. Add `open`, `review`, `approved`, `rejected`, `failed` or \
`cancelled` to filter, and `all` before it for everybody's
*/kyc find* finds checks by reference, requester, date or outcome, and by ID number if you may see it""",
    HelpPart.NOTIFY: "*/kyc notify* chooses your direct messages",
}
_THIS = "*/kyc help* shows this"

HELP = "\n".join([*(_HELP[part] for part in HelpPart), _THIS])
"""A line for each thing that anybody can do."""


def message(parts: Collection[HelpPart], *, unknown: str | None = None) -> Message:
    """Help for somebody with these tasks; `unknown` is a typed word that is no command."""
    return _for_parts(frozenset(parts)) if not unknown else _built(parts, f"I don't know “{foreign(unknown)}”. ")


@cache
def _for_parts(parts: frozenset[HelpPart]) -> Message:
    """As there are few roles, there are few of these; making one costs as much as the rest of the answer."""
    return _built(parts)


def _built(parts: Collection[HelpPart], before: str = "") -> Message:
    head = f"{before}These are the commands:"
    shown = [f"*{part.value}*\n{_HELP[part]}" for part in HelpPart if part in parts]
    shown[-1] += f"\n{_THIS}"
    text = spoken("\n".join([head, *shown]))
    return Message(text=text, blocks=[kit.section(head), *map(kit.section, shown)])

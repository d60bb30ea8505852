"""What one person sees alone: the Details modal, answers to `/kyc status` and `/kyc list`, help, refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.blocks import ids, words
from bot.blocks.form import LABELS
from bot.blocks.text import Block, context, foreign, person, plain, plain_section, section, when
from bot.blocks.thread import Said, checklist, status_name, subject
from bot.domain.checks import Check
from bot.domain.id_types import IDType
from bot.domain.masking import tail
from bot.domain.outcomes import Reading
from bot.domain.rulings import Source

HELP = """\
*/kyc* or */kyc check* opens the form for a new Biometric KYC check
*/kyc status K-7F3K2Q* says where a check stands
*/kyc list* shows your newest checks
*/kyc help* shows this"""

NO_RIGHT = "You can't start checks here. Ask an operator of kyc-bot to add you to the requesters."
NO_RIGHT_ASK = "You can't start checks here. Ask {person} to add you to the requesters."
NOT_SURE = "Slack did not tell me in time whether you may do this. Try again in a moment."
SHARED = "Checks are never asked in a channel shared with another company. Use a channel of your own workspace."
ELSEWHERE = "Checks are not asked here. Use {channels}."
FAULT = (
    "Something went wrong on our side; nothing was sent to Smile ID and nothing was charged. "
    "Reference {code}. The operators can see it."
)
EXPIRED = "Slack closed the door before the form could open. Try again."
EXPIRED_DETAILS = "Slack closed the door before the Details could open. Click again."
NO_DETAILS = "Details are for the person who asked, reviewers and admins."
UNKNOWN_REF = "I know no check {ref} that you may see. `/kyc list` shows yours."


def cannot_post(name: str) -> str:
    """For the form, which shows plain text: why nothing can be asked for this channel."""
    where = f"#{name}" if name else "this conversation"
    return (
        f"I can't post in {where}, so the result would be lost. "
        "Type /invite @kyc there, or use a channel that I am in, and try again."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message of Smile ID, as the Details show it."""

    at: datetime
    source: Source
    reading: Reading
    authority: Mapping[str, str] = field(repr=False, default_factory=dict)
    suspects: Sequence[str] = ()


def details(
    check: Check, entry: IDType | None, messages: Sequence[Told], *, photo_links: Mapping[str, str] | None
) -> dict[str, Any]:
    """Everything we hold of a check. `photo_links` None: still being fetched; empty: none to be had."""
    last = tail(check.id_info.get("id_number", ""))
    lines = [f"{status_name(check)}", f"ID number ending {last}" if last else "ID number too short to show"]
    for name, label in LABELS.items():
        if name != "id_number" and check.id_info.get(name):
            lines.append(f"{label}: {check.id_info[name]}")
    if check.customer_reference:
        lines.append(f"Customer reference: {check.customer_reference}")
    blocks: list[Block] = [
        section(f"*{subject(check, entry)}*"),
        plain_section("\n".join(lines)),
        context(
            {
                "type": "mrkdwn",
                "text": f"Asked by {person(check.requester)} {when(check.asked_at)} · consent confirmed by "
                f"{person(check.consent_by)} {when(check.consent_at)} (notice {check.consent_notice})",
                "verbatim": True,
            }
        ),
        {"type": "divider"},
    ]
    for message in messages[-30:]:
        blocks += _message(message)
    if not messages:
        blocks.append(plain_section("Smile ID has not said anything yet."))
    if photo_links is None:
        blocks.append(context(plain("Fetching links to the photos from Smile ID …")))
    elif photo_links:
        links = " · ".join(f"<{url}|{foreign(name.replace('_', ' '))}>" for name, url in photo_links.items())
        blocks.append(context({"type": "mrkdwn", "text": f"Photos at Smile ID, for a short time: {links}"}))
    else:
        blocks.append(context(plain("Smile ID gives no links to the photos now.")))
    blocks.append(context(plain("That you opened this was recorded.")))
    return {
        "type": "modal",
        "callback_id": ids.DETAILS_VIEW,
        "private_metadata": check.ref,
        "title": plain(f"Check {check.ref}", 24),
        "close": plain("Close", 24),
        "blocks": blocks,
    }


def _message(message: Told) -> list[Block]:
    reading = message.reading
    title = words.STORIES[reading.why].title.replace("{code}", reading.code).replace(" of {id_type}", "")
    how = "by callback" if message.source is Source.CALLBACK else "from Smile ID's record"
    quoted = f"{reading.code} “{reading.text}”" if reading.text else reading.code
    if reading.confidence:
        quoted += f" · confidence {reading.confidence}"
    blocks = [section(f"*{title}*\n{when(message.at)}, {how}"), plain_section(quoted)]
    facts = [f"{name}: {value}" for name, value in message.authority.items()]
    facts += [f"Other account: {name}" for name in message.suspects]
    if lines := [*checklist(reading.actions), *facts]:
        blocks.append(plain_section("\n".join(lines)))
    return blocks


def status(check: Check, entry: IDType | None, *, link: str | None) -> Said:
    """The answer to `/kyc status`."""
    where = f" · <{link}|open the thread>" if link else ""
    line = f"*{check.ref}* · {subject(check, entry)} — {status_name(check)}\nAsked {when(check.asked_at)}{where}"
    return Said(text=line, blocks=[section(line), _details_button(check.ref)])


def listing(checks: Sequence[tuple[Check, IDType | None]]) -> Said:
    """The answer to `/kyc list`: newest first, without anything personal."""
    if not checks:
        text = "You have not asked for a check yet. `/kyc` opens the form."
        return Said(text=text, blocks=[section(text)])
    lines = []
    for check, entry in checks:
        country = foreign(entry.country_name if entry else check.country)
        name = foreign(entry.short if entry else check.id_type)
        lines.append(f"*{check.ref}* · {country} · {name} — {status_name(check)} · {when(check.asked_at)}")
    head = f"Your newest {len(lines)} checks" if len(lines) > 1 else "Your newest check"
    blocks = [section(f"*{head}*"), *(section("\n".join(lines[n : n + 10])) for n in range(0, len(lines), 10))]
    return Said(text=f"{head}\n" + "\n".join(lines), blocks=blocks)


def help_text(unknown: str | None = None) -> Said:
    """Help; `unknown` is a word that we do not know, shown back."""
    head = f"I don't know “{foreign(unknown)}”. " if unknown else ""
    text = f"{head}This is what I understand:\n{HELP}"
    return Said(text=text, blocks=[section(text)])


def says(text: str) -> Said:
    """One sentence of ours."""
    return Said(text=text, blocks=[section(text)])


def closed(text: str) -> dict[str, Any]:
    """A form that cannot be used, and why."""
    return {
        "type": "modal",
        "title": plain("Biometric KYC check", 24),
        "close": plain("Close", 24),
        "blocks": [plain_section(text)],
    }


def _details_button(ref: str) -> Block:
    return {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": ids.DETAILS, "text": plain("Details", 75), "value": ref},
        ],
    }

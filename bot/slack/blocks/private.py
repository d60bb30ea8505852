"""What only one person sees: the Details, answers to commands, and direct messages outside any thread."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.check.check import Check
from bot.domain.check.masking import tail
from bot.domain.dates import day_of
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.results.codes import ResultMeaning
from bot.domain.results.record_match import RecordMatch
from bot.domain.results.trust_rules import Source
from bot.slack.blocks import ids, kit, refusals, words
from bot.slack.blocks.form import LABELS
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.results import checklist, smile_id_quote
from bot.slack.blocks.status import status_name, subject
from bot.slack.blocks.text import foreign, person, quoted, sentence, when

_MESSAGES = 15
"""The newest messages; Slack takes 100 blocks and 250 kB in a view."""
_HELD = 300
_FIELD = 2_000
"""Slack takes less in a field of a section than in its text."""
_JOBS = 5
"""The newest; a check that was run again has one for each attempt."""
_JOB = 100
_PHOTOS = 12
"""A selfie, an ID card, eight liveness images, and some that we do not know of."""
_SAFE_LINK = re.compile(r"<https?://[^\s<>|]+\|[^<>|]+>")

FOREIGN = "Only members of this workspace can use this app."
FAULT = (
    "Something went wrong on our side; nothing was sent to Smile ID and nothing was charged. "
    "Reference {code}. The admins can see it."
)
FAULT_OF_A_CLICK = (
    "Something went wrong on our side; your click changed nothing. Reference {code}. The admins can see it."
)
BUSY = "There is more to do now than I can store; nothing was sent or changed. Try again in a moment."
EXPIRED = "The form timed out. Try again."
EXPIRED_DETAILS = "Details timed out. Try again."
CANCELLED = "{ref} is cancelled. Nothing was charged."
NO_REF_RERUN = "Add the reference of a check, for example `/kyc rerun K-7F3K2Q`. Type `/kyc list` to see yours."
NO_REF_CANCEL = "Add the reference of a check, for example `/kyc cancel K-7F3K2Q`. Type `/kyc list` to see yours."
EXPIRED_TEMPLATE = "Slack did not take the template. Try again in a moment."
NO_REF = "Add the reference of a check, for example `/kyc status K-7F3K2Q`. Type `/kyc list` to see yours."
OLD_BUTTON = "This button is out of date. Type `/kyc`."
OLD_FORM = "This form is out of date; nothing was stored or sent. Close it and type /kyc."


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetails:
    at: datetime
    source: Source
    reading: ResultMeaning
    authority: Mapping[str, str] = field(repr=False, default_factory=dict)
    suspects: Sequence[str] = ()
    liveness_images: int | None = None
    """Sent with the job that the message is about; None of an earlier round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobIds:
    """What a job is called here and at Smile ID, which names its jobs itself once it knows of them."""

    job_id: str
    smile_job_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedField:
    """What was entered and what the authority holds, both as written."""

    name: str
    entered: str = field(repr=False)
    recorded: Sequence[str] = field(repr=False)
    """Each way in which Smile ID's messages write it."""
    word: RecordMatch


def details(
    check: Check,
    entry: IDType | None,
    messages: Sequence[MessageDetails],
    *,
    photo_links: Mapping[str, str] | None,
    compared: Sequence[ComparedField] = (),
    reviewers: Sequence[Block] = (),
    jobs: Sequence[JobIds] = (),
    row: Sequence[Block] = (),
) -> View:
    """Everything we hold of a check. `photo_links` None: still being fetched; empty: none available.

    `row` is what its reader may press, at most 25 elements.
    """
    lines = [status_name(check), _number(check)]
    for name, label in LABELS.items():
        if name != "id_number" and (value := quoted(check.id_info.get(name, ""))):
            lines.append(f"{label}: {value}")
    if reference := quoted(check.customer_reference):
        lines.append(f"Customer reference: {reference}")
    blocks: list[Block] = [
        kit.section(f"*{subject(check, entry)}*"),
        kit.plain_section("\n".join(lines)),
        kit.small_mrkdwn(f"Asked by {person(check.requester)} {when(check.asked_at)} · {_consent(check)}"),
        *erased(check),
        *([kit.actions(*row)] if row else []),
        *_side_by_side(compared),
        *_jobs(jobs),
        kit.divider(),
    ]
    shown = messages[-_MESSAGES:]
    if len(shown) < len(messages):
        blocks.append(kit.plain_section(f"The newest {len(shown)} of {len(messages)} messages of Smile ID:"))
    for message in shown:
        blocks += _message(message)
    if not messages:
        blocks.append(kit.plain_section("No result from Smile ID yet."))
    blocks += reviewers
    blocks += _photo_links(photo_links, is_erased=check.erased_at is not None)
    blocks.append(kit.small("Opening this page is logged."))
    return kit.modal(f"Check {check.ref}", blocks, callback_id=ids.DETAILS_VIEW, close="Close", metadata=check.ref)


def _consent(check: Check) -> str:
    if not check.consent_by:
        return "the customer has not agreed yet"
    return f"consent confirmed by {person(check.consent_by)} {when(check.consent_at)} (notice {check.consent_notice})"


def erased(check: Check) -> list[Block]:
    """What is gone of a check, and since when."""
    gone = [
        ("The customer's data", "", check.personal_erased_at),
        ("The photos", " Nothing tells any more which these were.", check.photos_erased_at),
    ]
    said = [f"*{what}: erased on {day_of(at)}.*{more}" for what, more, at in gone if at is not None]
    return [kit.section(f"{' '.join(said)} The result stays.")] if said else []


def _side_by_side(compared: Sequence[ComparedField]) -> list[Block]:
    """Two columns in plain_text, which a screen reader reads row by row."""
    fields = []
    for one in compared:
        recorded = "; ".join(quoted(text, _HELD) for text in one.recorded) or "(not given)"
        fields += [
            kit.plain(f"{one.name} entered\n{quoted(one.entered, _HELD) or '(nothing)'}", _FIELD),
            kit.plain(f"{one.name} in the authority's record: {words.RECORD_MATCHES[one.word]}\n{recorded}", _FIELD),
        ]
    return [{"type": "section", "fields": fields}] if fields else []


def _jobs(jobs: Sequence[JobIds]) -> list[Block]:
    """In plain_text, to be copied into the search of Smile ID's portal."""
    lines = []
    for one in jobs[-_JOBS:]:
        theirs = quoted(one.smile_job_id, _JOB) if one.smile_job_id else "none yet"
        lines.append(f"Our job id: {quoted(one.job_id, _JOB)} · Smile ID's job id: {theirs}")
    return [kit.small("\n".join(lines))] if lines else []


def _number(check: Check) -> str:
    number = check.id_info.get("id_number", "")
    if not number:
        return "ID number no longer held"
    last = tail(number)
    return f"ID number ending {last}" if last else "ID number too short to show"


def _message(message: MessageDetails) -> list[Block]:
    reading = message.reading
    how = "by callback" if message.source is Source.CALLBACK else "from Smile ID's record"
    blocks = [
        kit.section(f"*{words.STORIES[reading.why].name}*\n{when(message.at)}, {how}"),
        kit.plain_section(smile_id_quote(reading)),
    ]
    facts = [f"{quoted(name, 75)}: {quoted(value)}" for name, value in message.authority.items()]
    facts += [f"Other account: {quoted(name)}" for name in message.suspects]
    if lines := [*checklist(reading, liveness_images=message.liveness_images), *facts]:
        blocks.append(kit.plain_section("\n".join(lines)))
    return blocks


def _photo_links(links: Mapping[str, str] | None, *, is_erased: bool) -> list[Block]:
    """Links, never pictures. A presigned link is long, so each gets a block of its own."""
    if is_erased:
        return []
    if links is None:
        return [kit.small("Fetching links to the photos from Smile ID …")]
    marks = [f"<{url.replace('&', '&amp;')}|{foreign(name.replace('_', ' '), 75)}>" for name, url in links.items()]
    fitting = [mark for mark in marks if _SAFE_LINK.fullmatch(mark) and len(mark) < 3000][:_PHOTOS]
    if not fitting:
        return [kit.small("No links to the photos from Smile ID now.")]
    return [kit.small("Photos at Smile ID, for a short time:"), *map(kit.small_mrkdwn, fitting)]


def answer(text: str) -> Message:
    return Message(text=text, blocks=[kit.section(text)])


def joined_faults(faults: Iterable[str]) -> str:
    """Faults of fields, where no form can show them."""
    return " ".join(foreign(words) for words in faults)


def try_again(value: str) -> Message:
    """The form could not open in time: a button to retry. `value` names the conversation."""
    opens = kit.button(ids.OPEN_FORM, "Open the form", value, label="Open the form for a new check")
    return Message(text=EXPIRED, blocks=[kit.section(EXPIRED), kit.actions(opens)])


def closed_form(text: str) -> View:
    """A form that cannot be used, and why."""
    return kit.modal("Biometric KYC check", [kit.plain_section(text)], close="Close")


def alert(fault: str, payload: Mapping[str, str]) -> Message:
    verdict, ref = "kyc-bot needs an admin", payload.get("ref") or ""
    why = foreign(refusals.stored_sentence(payload.get("words")) or fault).removesuffix(".")
    next_step = "For more, run kyc-bot check."
    more = ["You get this kind of alert at most once an hour"] if "once" not in payload else []
    if ref:
        more.insert(0, f"First seen with {ref}")
    blocks = [kit.section(f"*{verdict}:* {why}.")]
    if who := payload.get("who"):
        next_step = f"Ask {person(who)} why."
        blocks.append(kit.section(next_step))
    blocks += [kit.small(" ".join(map(sentence, [*more, *([] if who else [next_step])])))] if more or not who else []
    return kit.told(blocks, verdict=verdict, why=why, ref=ref, next_step=next_step, rest=more)


def unanswered(payload: Mapping[str, str]) -> Message:
    """A direct message to somebody whom the answer to their message or click never reached."""
    where = f" in <#{payload['channel']}>" if payload.get("channel", "D")[0] in "CG" else ""
    code = payload.get("code")
    why = f" Something went wrong on our side: reference {code}. The admins can see it." if code else ""
    line = (
        f"You got no answer to your last message or click{where}. Try again, or type `/kyc`.{why} "
        "If no message of a check has appeared, nothing was sent or changed."
    )
    return kit.text_message(line)


def directly(message: Message, check: Check) -> Message:
    """The same message, sent directly because its thread is gone."""
    line = f"Sent here because I can't post in the thread of {check.ref}."
    return Message(text=f"{message.text} {line}", blocks=[*message.blocks, kit.small(line)])

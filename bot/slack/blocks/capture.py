"""Links with which customers take their photos: the message with one, its progress and its end.

A link stands in the direct message to who asked for it and nowhere else; every other text here does without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.capture.customer_words import CustomerWords
from bot.domain.capture.links import LinkEnding, LinkStep
from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, Style
from bot.slack.blocks.status import label, subject
from bot.slack.blocks.text import person, when

STEPS = ("link made", "link opened", "customer agreed", "photos taken", "sent to Smile ID", "result")
"""What is told one by one, in the message of the request."""
SENT = 5
"""So many of them are done once Smile ID has the photos."""
_DONE: Mapping[LinkStep, int] = {LinkStep.MADE: 1, LinkStep.OPENED: 2, LinkStep.AGREED: 3, LinkStep.TAKEN: 4}
_NEXT: Mapping[LinkStep, str] = {
    LinkStep.MADE: "Send the link to the customer: it is in your direct messages with me.",
    LinkStep.OPENED: "Wait: the customer has opened the link.",
    LinkStep.AGREED: "Wait: the customer has agreed, and takes the photos.",
    LinkStep.TAKEN: "Wait: the photos are being sent to Smile ID.",
}
_NOT_YET: Mapping[LinkStep, str] = {
    LinkStep.MADE: "The customer has not opened the link yet",
    LinkStep.OPENED: "The customer has opened the link, but not agreed yet",
    LinkStep.AGREED: "The customer has agreed, but not taken the photos yet",
    LinkStep.TAKEN: "The customer has taken the photos, but Smile ID does not have them yet",
}

_DEAD = "This link does not work any more"
SEND = "Send the customer one of these messages, or let them scan the QR code below this message."
FOR_ONE_ALONE = "Whoever has the link can use it. Send it to the customer alone, and don't post it in a channel."
ASIDE = "The link for the customer is in your direct messages with me ({ref})."
ON_ITS_WAY = "The new link for {ref} comes to you by direct message. The earlier one does not work any more."
NOT_SENT = "Slack did not confirm my direct message with it, or you had no access then."
TURNED_OFF = "Links for customers are not set up any more."
WITHDRAWN = "{ref} is cancelled, and its link does not work any more. Nothing was charged."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a check ended without photos: a clause for the title, and sentences of what comes next."""

    why: str
    next_step: str


ENDED: Mapping[LinkEnding, Ended] = {
    LinkEnding.EXPIRED: Ended(
        why="the customer's link has expired", next_step="Nothing was charged. *Run again* makes a new link."
    ),
    LinkEnding.DECLINED: Ended(
        why="the customer does not agree",
        next_step="Nothing was charged. Talk to the customer. *Run again* makes a new link.",
    ),
    LinkEnding.NOT_ME: Ended(
        why="the customer says that this is not their ID",
        next_step="Nothing was charged. Check the ID number with the customer, then *Run again*.",
    ),
    LinkEnding.WITHDRAWN: Ended(
        why="the customer's link was withdrawn", next_step="Nothing was charged. *Run again* makes a new link."
    ),
}
"""Of a check; a link that was used or replaced ends none."""


def end_of(check: Check) -> Ended | None:
    """Of a check that was cancelled with its link; None for every other."""
    kind, _, ending = (check.failure or "").partition("_")
    if check.state is not State.CANCELLED or kind != "link" or ending not in set(LinkEnding):
        return None
    return ENDED.get(LinkEnding(ending))


def link_message(
    check: Check, entry: IDType | None, *, link: str, until: datetime, words: Sequence[CustomerWords]
) -> Message:
    """The one message with the link. Its first words, which a locked phone shows, do without."""
    verdict = "Link for the customer"
    about = f"Biometric KYC · {subject(check, entry)} · works until {when(until)}"
    # As code, so that a slip of the finger does not open it: the thread would say that the customer has.
    alone = kit.section(f"*The link alone*\n{_code(link)}")
    ready = [kit.section(f"*{one.language_name}*\n{_code(one.text)}") for one in words]
    drafts = [one.language_name for one in words if not one.is_read]
    unread = f"Drafts, to be read by a speaker before you use them: {', '.join(drafts)}." if drafts else ""
    blocks = [
        kit.section(f"*{verdict}* · {label(check)}\n*Next:* {SEND}"),
        kit.small_mrkdwn(about),
        *ready,
        alone,
        kit.small(" ".join(filter(None, [FOR_ONE_ALONE, unread]))),
        buttons(check),
    ]
    told = kit.told(blocks, verdict=verdict, ref=label(check), next_step=SEND, rest=[about, FOR_ONE_ALONE, unread])
    # Last, and as they are: where Slack takes no blocks, and for a screen reader, this text is all there is.
    copied = "\n".join([*(f"{one.language_name}: {_escaped(one.text)}" for one in words), f"The link alone: {link}"])
    return Message(text=f"{told.text}\n{copied}", blocks=told.blocks)


def buttons(check: Check) -> Block:
    return kit.actions(*buttons_of(check))


def buttons_of(check: Check) -> list[Block]:
    """What can be done with an open link; rights are checked on the click."""
    return [kit.check_button(ids.NEW_LINK, "New link", check.ref), withdraw_button(check)]


def withdraw_button(check: Check) -> Block:
    return kit.confirmed(
        kit.check_button(ids.WITHDRAW_LINK, "Withdraw", check.ref, style=Style.DANGER),
        title="Withdraw the link?",
        text="The customer cannot use it any more, and the check is cancelled. Nothing will be charged.",
        confirm="Withdraw",
        deny="Keep it",
    )


def qr_comment(check: Check) -> str:
    """Above the picture, in the thread of the link's message."""
    return f"The same link as a QR code ({label(check)}): the customer scans it with their phone's camera."


def qr_alt_text(check: Check) -> str:
    return f"QR code of the link for the customer, {label(check)}"


def aside(ref: str) -> Message:
    """To who asked alone, where they asked."""
    return kit.text_message(ASIDE.format(ref=ref))


def next_step(step: LinkStep, until: datetime) -> str:
    """In the message of the request, while the photos are waited for."""
    limit = "" if step is LinkStep.TAKEN else f" The link works until {when(until)}."
    return f"{_NEXT[step]}{limit}"


def progress(done: int) -> str:
    """*Step 2 of 6: link opened.*"""
    return f"step {done} of {len(STEPS)}: {STEPS[done - 1]}"


def done(step: LinkStep) -> int:
    """How many steps that is."""
    return _DONE[step]


def reminder(check: Check, entry: IDType | None, *, step: LinkStep, until: datetime) -> Message:
    """By direct message, once, when half of the link's time is over."""
    verdict, why = "No photos yet", _NOT_YET[step]
    next_step = f"Remind the customer: the link works until {when(until)}."
    lost = "If they have lost it, choose *New link*."
    about = f"Biometric KYC · {subject(check, entry)}"
    blocks = [
        kit.section(f"*{verdict}* · {label(check)}\n{why}.\n*Next:* {next_step} {lost}"),
        kit.small_mrkdwn(about),
        buttons(check),
    ]
    return kit.told(blocks, verdict=verdict, why=why, ref=label(check), next_step=f"{next_step} {lost}", rest=[about])


def not_delivered(check: Check, *, are_offered: bool = True) -> Message:
    """In the thread: Slack has not taken the message with the link, or nobody knows whether it has, or its reader had
    no role; or links were turned off before it came.
    """
    verdict, mention = "The customer's link did not reach you", person(check.requester)
    next_step, why = "Choose *New link*.", NOT_SENT
    if not are_offered:
        next_step, why = "Ask again with the photos, and withdraw this one.", TURNED_OFF
    blocks = [
        kit.section(f"{mention} *{verdict}* · {label(check)}"),
        kit.section(f"{why} {next_step}"),
        buttons(check) if are_offered else kit.actions(withdraw_button(check)),
    ]
    return kit.told(blocks, verdict=verdict, ref=label(check), next_step=next_step, mention=mention, rest=[why])


def ended(check: Check, entry: IDType | None, *, ending: LinkEnding) -> Message:
    """In place of the message with the link, once it works no more: without the link, and without its buttons."""
    why, has_cancelled = "", ending in ENDED and check.state is State.CANCELLED
    match ending:
        case LinkEnding.USED:
            verdict, next_step = "The customer has taken the photos", "Wait: the result comes in the thread."
        case LinkEnding.REPLACED:
            verdict, next_step = _DEAD, "Send the customer the newer one."
        case _ if has_cancelled:
            verdict, why, next_step = _DEAD, ENDED[ending].why, ENDED[ending].next_step
        case _:
            # The check has ended for another reason, and may have been charged; or it was run again since.
            verdict, next_step = _DEAD, "See in the thread of the check what comes next."
    about = f"Biometric KYC · {subject(check, entry)}"
    head = f"*{verdict}*{why and f' — {why}'} · {label(check)}"
    actions = [kit.details_button(check.ref)]
    if check.may_run_again and has_cancelled:
        actions.append(kit.check_button(ids.RUN_AGAIN, "Run again", check.ref))
    blocks = [kit.section(f"{head}\n*Next:* {next_step}"), kit.small_mrkdwn(about), kit.actions(*actions)]
    return kit.told(blocks, verdict=verdict, why=why, ref=label(check), next_step=next_step, rest=[about])


def _code(text: str) -> str:
    """To be copied as it stands: nothing in it is a link, a mention or formatting."""
    return f"```{_escaped(text)}```"


def _escaped(text: str) -> str:
    """As `foreign` does, but without signs that nobody sees: people copy this and send it on."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")

"""Questions before a check is charged: photos that look unusable, people who were checked before."""

from collections.abc import Mapping, Sequence

from bot.domain.check.check import EARLIER_NAMED, Check, HoldReason, PhotoKind
from bot.domain.check.photo_quality import Flaw
from bot.domain.outbox import Message
from bot.domain.review.requests import needs_reason
from bot.slack.blocks import ids, kit
from bot.slack.blocks.status import label, status_name
from bot.slack.blocks.text import foreign, link_to, person, when
from bot.slack.blocks.thread import cancel_button

_ANSWERS = {
    "let_pass": "Sent anyway",
    "other_photos": "Sent with other photos",
    "edited": "Sent after an edit",
    "cancelled": "Cancelled",
}
_THEN = {"cancelled": "Nothing was charged."}
_FLAWS: Mapping[Flaw, str] = {
    Flaw.SMALL: "is very small",
    Flaw.NARROW: "is unusually long and narrow",
    Flaw.DARK: "is very dark",
    Flaw.BRIGHT: "is overexposed",
    Flaw.BLURRED: "looks blurred",
    Flaw.SAME_PICTURE: "is the same picture as most of the others",
}


def question(check: Check, earlier: Sequence[Check], *, is_reminder: bool) -> Message:
    """Asks the requester in the thread. Of earlier checks it names only those given."""
    mention, verdict = person(check.requester), "Still not sent" if is_reminder else "Not sent yet"
    head = f"{mention} *{verdict}* · {label(check)}"
    text = _photos(check) if check.held is HoldReason.PHOTOS else _selfie(check, earlier)
    send = "Send anyway" if check.held is HoldReason.PHOTOS or needs_reason(check) else "Check again"
    next_step = f"Choose *{send}*, *Other photos* or *Cancel*."
    more = "Nothing has been charged."
    buttons = kit.actions(
        kit.check_button(ids.SEND_HELD, send, check.ref),
        kit.check_button(ids.OTHER_PHOTOS, "Other photos", check.ref),
        cancel_button(check),
    )
    blocks = [kit.section(head), kit.section(f"{text} {next_step} {more}"), buttons]
    return kit.told(blocks, verdict=verdict, ref=label(check), next_step=next_step, mention=mention, rest=[text, more])


def answered(check: Check, *, by: str, how: str, held: str) -> Message:
    """Replaces the question once it is answered: no buttons."""
    asked = (
        "The selfie was part of an earlier check" if held == HoldReason.SELFIE_SEEN else "The photos looked hard to use"
    )
    verdict = f"{_ANSWERS.get(how, 'Answered')} by {person(by)}"
    next_step = _THEN.get(how, "Nothing more to do here.")
    blocks = [kit.section(f"*{verdict}* · {label(check)}"), kit.small_mrkdwn(f"{asked}. {next_step}")]
    return kit.told(blocks, verdict=verdict, ref=label(check), next_step=next_step, rest=[asked])


def earlier_checks(earlier: Sequence[tuple[Check, str | None]], *, by_number: bool) -> str:
    """In our own mrkdwn. `earlier` are those that the reader may see, with links."""
    lines = [
        f"• {link_to(check.ref, link)}, asked by {person(check.requester)} {when(check.asked_at)}: {status_name(check)}"
        for check, link in earlier[:EARLIER_NAMED]
    ]
    if len(earlier) > EARLIER_NAMED:
        lines.append(f"• and {len(earlier) - EARLIER_NAMED} more: type `/kyc find` to see them")
    what = "ID number" if by_number else "customer reference"
    return f"*This {what} was checked before.*\n" + "\n".join(lines)


def _photos(check: Check) -> str:
    flaws = [_flaw(kind, position, flaw) for kind, position, flaw in check.held_note.get("flaws", ())]
    shown = "; ".join(flaws[:4]) + (f"; and {len(flaws) - 4} more" if len(flaws) > 4 else "")
    return f"{shown[:1].upper()}{shown[1:]}. Smile ID may not be able to use {'it' if len(flaws) == 1 else 'them'}."


def _flaw(kind: str, position: int, flaw: str) -> str:
    which = "the selfie" if kind == PhotoKind.SELFIE else f"liveness image {position + 1}"
    return f"{which} {_FLAWS.get(Flaw(flaw), foreign(flaw))}"


def _selfie(check: Check, earlier: Sequence[Check]) -> str:
    others = int(check.held_note.get("others", 0))
    named = [
        f"{e.ref}, {status_name(e)}, asked by {person(e.requester)} {when(e.asked_at)}" for e in earlier[:EARLIER_NAMED]
    ]
    where = "; ".join(named) if named else "an earlier check elsewhere"
    if check.held_note.get("other_number"):
        return (
            f"*Possible fraud*: this selfie was already used with a different ID number ({where}). "
            "The reviewers see this too. To send it anyway you must say why."
        )
    more = f" and {others - len(named)} more" if named and others > len(named) else ""
    return f"This selfie was already used: {where}{more}."

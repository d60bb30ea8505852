"""Asking for eyes: the form that asks why, and what reviewers read of it."""

from collections.abc import Sequence

from bot.domain.check.check import Check
from bot.domain.review.requests import REQUEST_REASONS, RequestKind, ReviewRequest
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.review_forms import MAX_WORDS, NEEDS_WORDS, needs_words
from bot.slack.blocks.status import status_name
from bot.slack.blocks.text import foreign, person, quoted, sentence, when

CHOOSE = "Choose a reason."
_ENTRIES = 6
"""The newest requests in the Details; Slack takes 100 blocks in a view."""
_ASKED = {
    RequestKind.REVIEW: "asked for a review",
    RequestKind.SEND_ANYWAY: "sends the check anyway",
}


def form(check: Check) -> View:
    """Why reviewers should look at this check."""
    intro = f"*{check.ref}* · {status_name(check)}\nA reviewer looks at the check and decides. You can't decide it."
    return _form(check.ref, RequestKind.REVIEW, "Request review", intro, callback_id=ids.REVIEW_REQUEST_FORM)


def send_anyway_form(check: Check) -> View:
    """Why a check is sent although its selfie was already used with another ID number."""
    intro = (
        f"*{check.ref}* · this selfie was already used with a different ID number.\n"
        "Reviewers see your reason, and decide before the customer can be onboarded. To wait, press *Cancel*."
    )
    return _form(check.ref, RequestKind.SEND_ANYWAY, "Send anyway", intro, callback_id=ids.SEND_ANYWAY_FORM)


def _form(ref: str, kind: RequestKind, title: str, intro: str, *, callback_id: str) -> View:
    reasons = [(text[:1].upper() + text[1:], key) for key, text in REQUEST_REASONS[kind].items()]
    blocks = [
        kit.section(intro),
        kit.input_field(ids.REASON, "Why", kit.radio(reasons)),
        kit.input_field(
            ids.WORDS,
            "In your own words",
            kit.text_input(MAX_WORDS, multiline=True),
            hint="Reviewers read this on their card. Don't write names, ID numbers or dates of birth.",
            optional=True,
        ),
    ]
    return kit.modal(title, blocks, callback_id=callback_id, submit=title, metadata=ref)


def faults(kind: RequestKind, reason: str, words: str) -> dict[str, str]:
    """What is missing in a submitted form, by field."""
    if reason not in REQUEST_REASONS[kind]:
        return {ids.REASON: CHOOSE}
    return {ids.WORDS: NEEDS_WORDS} if needs_words(reason, words) else {}


def lines(requests: Sequence[ReviewRequest], check: Check, *, seen: str = "") -> list[str]:
    """For the reviewers' card, in mrkdwn: which checks had the same selfie, who asked, and why.

    `seen` are references as a card's post holds them; without, those of the check's own last question.
    """
    refs = [ref for ref in seen.split(",") if ref] or list(check.held_note.get("differing", ()))
    found = [f"The selfie was used with another ID number in {', '.join(refs)}. {status_name(check)}."] if refs else []
    return found + [
        f"{person(one.person)} {_ASKED[one.kind]}: {sentence(foreign(_why(one), MAX_WORDS + 100))}" for one in requests
    ]


def in_details(requests: Sequence[ReviewRequest]) -> list[Block]:
    """For the Details: who asked, when, and the text as written."""
    blocks: list[Block] = []
    for one in requests[-_ENTRIES:]:
        blocks += [
            kit.small_mrkdwn(f"{person(one.person)} {_ASKED[one.kind]} {when(one.at)}"),
            kit.plain_section(quoted(_why(one), MAX_WORDS + 100)),
        ]
    return blocks


def _why(request: ReviewRequest) -> str:
    reason = REQUEST_REASONS[request.kind].get(request.reason, request.reason)
    own = quoted(request.words, MAX_WORDS)
    return f"{reason}: {own}" if own else reason

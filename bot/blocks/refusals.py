"""What people read when something cannot be done: one sentence for each code of `bot.errors`.

A fact that an error carries is named in its sentence by the same name; `_shown` says how it reads.
"""

import re
from collections.abc import Mapping

from bot.blocks.text import foreign, person, quoted, section
from bot.blocks.thread import status_name
from bot.domain.checks import Check
from bot.domain.outbox import Message
from bot.errors import Refusal, Refused

_AN_ADMIN = "an admin of kyc-bot"
_AN_OPERATOR = "an operator of kyc-bot"

SENTENCES: Mapping[Refusal, str] = {
    Refusal.NOT_SURE: "Slack did not tell me in time whether you may do this. Try again in a moment.",
    Refusal.NO_ACCESS: "You don't have access yet. Ask {admin} to add you.",
    Refusal.NO_RIGHT: "You can't start checks here. Ask {operator} to add you to the requesters.",
    Refusal.UNKNOWN_REF: "I know no check {ref} that you may see. `/kyc list` shows yours.",
    Refusal.NO_DETAILS: "Details are for the person who asked, reviewers and admins.",
    Refusal.ALL_IS_FOR_REVIEWERS: "Everybody's checks are for reviewers and admins. `/kyc list` shows yours.",
    Refusal.NO_CHANNEL: "Choose the channel for the results.",
    Refusal.NOT_IN_THIS_CHANNEL: "Checks are not asked in this channel.",
    Refusal.USE_OTHER_CHANNELS: "Checks are not asked here. Use {channels}.",
    Refusal.SHARED_CHANNEL: (
        "Checks are never asked in a channel shared with another company. Use a channel of your own workspace."
    ),
    Refusal.CANNOT_POST: (
        "I can't post in {channel}, so the result would be lost. "
        "Type /invite @kyc there, or use a channel that I am in, and try again."
    ),
    Refusal.RERUN_APPROVED: "{ref} cannot be run again: it is approved.",
    Refusal.RERUN_DECIDED: "{ref} cannot be run again: a reviewer approved it.",
    Refusal.RERUN_IN_REVIEW: "{ref} cannot be run again: a person is still looking at it.",
    Refusal.RERUN_UNDER_WAY: "{ref} cannot be run again: it is still under way.",
    Refusal.RERUN_MOVED_ON: (
        "{ref} has moved on meanwhile and cannot be run again now. Its message shows where it stands."
    ),
    Refusal.RERUN_TOO_FAR_AHEAD: "At most {days} days from now.",
    Refusal.CANCEL_TOO_LATE: "{ref} has been sent to Smile ID; it can no longer be cancelled.",
    Refusal.CANCEL_ENDED: "{ref} has ended; there is nothing to cancel.",
    Refusal.QUESTION_NOT_YOURS: "This question is for the person who asked for the check.",
    Refusal.QUESTION_ANSWERED: "{ref} no longer waits for an answer. Its message shows where it stands.",
    Refusal.BATCH_NOT_YOURS: "Only the person who sent the file decides about it.",
    Refusal.BATCH_MOVED_ON: "This file has moved on meanwhile; its message shows where it stands.",
    Refusal.NOT_A_REVIEWER: "Only reviewers and admins can do this.",
    Refusal.REVIEW_UNKNOWN_REF: "I know no check {ref} that you may review.",
    Refusal.FOUR_EYES: "You asked for {ref} yourself: somebody else must decide it.",
    Refusal.CLAIMED_BY: "{person} has claimed {ref}. They can hand it on to you or release it.",
    Refusal.NOT_CLAIMED: "Claim {ref} first, so that everybody sees that you are on it.",
    Refusal.CLAIM_NOT_YOURS: "{ref} is not yours to hand on: {person} has claimed it.",
    Refusal.NOBODY_CLAIMED: "Nobody has claimed {ref} any more.",
    Refusal.NOTHING_TO_DECIDE: "There is nothing to decide about {ref} now: {status}.",
    Refusal.REVIEW_CLOSED: "{ref} no longer waits for a decision: {status}.",
    Refusal.REVIEW_CHANGED: (
        "Something changed while this form was open. {ref} is now: {status}. Close the form and look again."
    ),
    Refusal.PROPOSED: "{person} has proposed a decision for {ref}; a second person must agree or disagree first.",
    Refusal.NO_PROPOSAL: "Nothing waits for a second person at {ref} any more.",
    Refusal.OTHER_PROPOSAL: "The proposal for {ref} has changed meanwhile. Its card shows what is proposed now.",
    Refusal.PROPOSER_LEFT: (
        "{person}, who proposed this, is no reviewer any more: the proposal is void, and {ref} waits again."
    ),
    Refusal.OWN_PROPOSAL: "You proposed this decision: somebody else must agree.",
    Refusal.HAND_TO_REQUESTER: "This person asked for the check and may not decide it.",
    Refusal.HAND_TO_NO_REVIEWER: "This person is no reviewer.",
    Refusal.NO_NOTICES: "You can't be told anything directly: you neither ask for checks nor review them.",
    Refusal.SUMMARY_NOT_A_MANAGER: (
        "The figures are for managers and admins. Ask an operator of kyc-bot to add you to the managers."
    ),
    Refusal.SUMMARY_NOT_HERE: (
        "I can't post in this conversation. Type /invite @kyc here and try again, or share it elsewhere."
    ),
    Refusal.SUMMARY_SHARED_CHANNEL: ("This channel is shared with another company, so I don't post figures here."),
    Refusal.SUMMARY_ONCE: "This summary was shared already.",
    Refusal.SUMMARY_NOT_UNDERSTOOD: (
        "I don't know “{typed}” here. Behind `/kyc summary` I understand `today`, `yesterday`, `week`, `month`, "
        "`last week`, `last month`, a day or a span such as `2026-11-01..2026-11-15`, then a country and an ID type, "
        "for example `/kyc summary week NG BVN`."
    ),
    Refusal.SPAN_NOT_A_DAY: ("“{typed}” is not a day. Write it as 2026-11-21, and a span as 2026-11-01..2026-11-15."),
    Refusal.SPAN_BACKWARDS: (
        "The span ends before it begins. Write the earlier day first, as in 2026-11-01..2026-11-15."
    ),
    Refusal.SPAN_TOO_LONG: "A summary covers {days} days at most.",
    Refusal.SPAN_TO_COME: "That day has not come yet.",
    Refusal.EXPORT_NOT_A_MANAGER: (
        "Exports are for managers and admins. Ask an operator of kyc-bot to add you to the managers."
    ),
    Refusal.EXPORT_NOT_UNDERSTOOD: (
        "I don't know “{typed}” here. Behind `/kyc export` I understand `csv`, `jsonl` or `xlsx`, then `today`, "
        "`yesterday`, `week`, `month`, `last week`, `last month`, a day or a span, for example "
        "`/kyc export xlsx 2026-11-01..2026-11-15`. Without days it is every check."
    ),
    Refusal.EXPORT_EMPTY: "Nobody asked for a check in these days, so there is nothing to export.",
    Refusal.EXPORT_TOO_MANY: (
        "That is {total:,} checks, more than the {most:,} that I put into one file for Slack. Name fewer days, for "
        "example `/kyc export month`, or have an operator run `kyc-bot export`."
    ),
    Refusal.EXPORT_UNDER_WAY: "I am preparing that file for you already; it comes by direct message.",
    Refusal.EXPORT_NO_SHEET: "A sheet holds a million checks at most: name fewer days, or use csv or jsonl.",
}


def said(refused: Refused) -> Message:
    """The whole answer to whoever is refused."""
    text = sentence(refused)
    return Message(text=text, blocks=[section(text)])


def sentence(refused: Refused) -> str:
    """For a message of Slack's, in mrkdwn."""
    return _filled(refused, mentions=True)


def plain_sentence(refused: Refused) -> str:
    """For a field of a form or a terminal, where a mention would stand as an id."""
    return _filled(refused, mentions=False)


def _filled(refused: Refused, *, mentions: bool) -> str:
    shown = {name: _shown(name, fact, mentions=mentions) for name, fact in refused.facts.items()}
    return SENTENCES[refused.code].format(**shown)


def _shown(name: str, fact: object, *, mentions: bool) -> object:
    match name:
        case "status" if isinstance(fact, Check):
            return status_name(fact)
        case "ref":
            return foreign(str(fact)) if mentions else quoted(str(fact))
        case "person":
            return person(str(fact)) if mentions else "somebody else"
        case "admin":
            return person(str(fact)) if fact and mentions else _AN_ADMIN
        case "operator":
            return person(str(fact)) if fact and mentions else _AN_OPERATOR
        case "channels" if isinstance(fact, list | tuple):
            return ", ".join(f"<#{channel}>" for channel in fact)
        case "channel":
            return f"#{quoted(str(fact), 80)}" if fact else "this conversation"
        case "typed":
            return re.sub(r"[^\w .:/-]", "", str(fact))[:60]
        case _:
            return fact

"""Erasing the customer of a check: what goes and what stays, before it is done and after."""

from collections.abc import Mapping

from bot.domain.backoff import ASKED_FOR, CLAIM_KEEPS
from bot.domain.privacy.erasures import CheckLeft, Standing
from bot.domain.privacy.holds import Stay
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.text import when

TITLE = "Erase a customer"
GOES = (
    "*Goes for good:* the photos, what was entered, Smile ID's record of the customer, what colleagues wrote about "
    "them, and the messages in Slack. Nobody can bring it back."
)
COPIES = "*Stays in backups* until newer ones have replaced them."
CERTIFICATE = (
    "*Certificate:* I send you a signed file that says what was erased and what stays, and another one once nothing is "
    "left that I can reach."
)
_ANEW = "`kyc-bot erase` on the machine gives the signed certificate."
_STAYS: Mapping[Stay, str] = {
    Stay.NOT_ENDED: "the check has no result yet, or waits for a decision. I erase it as soon as it has ended.",
    Stay.HELD: "the check is held. I erase it as soon as the hold is ended: type `/kyc unhold {ref}`.",
    Stay.UNDER_WAY: "a message about the check is still being posted. I erase it within ten minutes.",
    Stay.UNCONFIRMED: (
        "Smile ID's own record does not show the result yet. I erase the check once it does, at the latest "
        f"{CLAIM_KEEPS.days} days after the result came."
    ),
    Stay.ASKED: (
        "a reviewer ended the check, and I still ask Smile ID for a result. I erase the check once Smile ID has "
        f"answered, at the latest {ASKED_FOR.days} days after the end."
    ),
    Stay.ALTERED: "the record was altered beside me. An operator has to look into it first.",
}


def form(left: CheckLeft) -> View:
    """To confirm; without anything to press once it is erased."""
    if left.erased is not None:
        return done(left)
    blocks = [kit.section(f"*{left.ref}*\n{GOES}"), *_stays(left), kit.section(COPIES), kit.section(CERTIFICATE)]
    return kit.modal(TITLE, blocks, callback_id=ids.FORGET_FORM, submit="Erase for good", metadata=left.ref)


def done(left: CheckLeft, *, certified: bool = False) -> View:
    """Where it stands after that; `certified` for whom the certificate is on its way."""
    if left.erased is not None:
        first = f"*{left.ref}* was erased on {when(left.erased.at)}."
    else:
        first = f"*{left.ref}* is not erased yet."
    slack = [kit.section("*Still in Slack:* I'm erasing messages and files now, and ask their authors where I can't.")]
    last = CERTIFICATE if certified else _ANEW
    blocks = [kit.section(first), *_stays(left), *(slack if left.in_slack else [])]
    blocks += [kit.section(COPIES), kit.section(last)]
    return kit.modal(TITLE, blocks, close="Close", metadata=left.ref)


def certificate(standing: Standing) -> str:
    """Above the file with the certificate, in a direct message."""
    refs = [check.ref for check in standing.checks]
    whose = refs[0] if len(refs) == 1 else f"{len(refs)} checks"
    said = f"Certificate {standing.erasure.id}, signed: `kyc-bot proof verify` verifies it."
    if standing.is_whole:
        return f"{whose}: erased. Nothing of the customer is left that I can reach. {said}"
    return (
        f"{whose}: what was erased, and what stays until when. {said} "
        "I send another one once nothing is left that I can reach."
    )


def _stays(left: CheckLeft) -> list[Block]:
    found = []
    if left.stay is not None:
        why = f" ({', '.join(left.causes)})" if left.causes else ""
        found.append(f"*Stays for now:* {_STAYS[left.stay].format(ref=left.ref)}{why}")
    if left.record is not None and left.record.until is not None:
        found.append(f"*Stays until {when(left.record.until)}:* the result, without the customer ({left.record.rule}).")
    return [kit.section(text) for text in found]

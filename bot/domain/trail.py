"""Every act of the audit trail: what it is called, what kind of thing happened, and what its line says.

`docs/trail.md` is written from here. A line names people of the workspace and checks by their ids; `detail` is a code,
a state, an id or a number, never a text that a person wrote.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class ActKind(StrEnum):
    CHANGE = "change"
    """Something of a check, a review or a file is different afterwards, or has left."""
    LOOK = "look"
    """Somebody was shown something."""
    REFUSAL = "refusal"
    """Somebody was shown nothing, and nothing changed."""
    OPERATION = "operation"
    """Of the bot itself: its settings, keys, roles, database."""


class Act(NamedTuple):
    kind: ActKind
    meaning: str
    """In Markdown, on one line."""


_CHANGES = {
    "check.requested": "A check was asked for",
    "check.run_again": "It was run again, as a new round",
    "check.edited": "What it holds was changed before it was sent",
    "consent.confirmed": "Whoever asked confirmed that the customer has agreed; the version of the text",
    "check.moved": "It has another state: the state, and why a review is needed",
    "check.ended_unanswered": "A reviewer ended it, since Smile ID gave no result; after how many days",
    "job.made": "A job for Smile ID was begun; its id",
    "job.sent": "Smile ID has its photos; its id",
    "result.confirmed": "Smile ID's own record, which was asked, says the same: its code",
    "result.received": "A message of Smile ID's was kept: its code, and whether it called back or was asked",
    "link.made": "A capture link was made, behind which the customer takes the photos; which of the check's",
    "link.told": "Its message was delivered, or given up: from then on the bot itself does not know the link",
    "link.opened": "It was opened, on another device than before; which of the check's",
    "link.reminded": "Whoever made it was reminded that no photos have come; which of the check's",
    "consent.given": "The customer has agreed, behind the link; the version of the text, and its language",
    "link.taken": "The customer has taken the photos, which are about to be sent; which of the check's",
    "link.given_back": "Smile ID does not have them: the customer is to take them again; which of the check's",
    "link.ended": "It works no longer; why",
    "check.held": "It waits for an answer of whoever asked; the question",
    "check.let_pass": "*Send anyway*: it goes on; the question",
    "check.sent_anyway": "The reason that was chosen with it",
    "check.other_photos": "*Other photos* were attached in answer; the question",
    "batch.asked": "A file of customers was sent in; its reference",
    "batch.read": "The bot read it for its preview; how many rows",
    "batch.refused": "It cannot be used; the code of the fault",
    "batch.file_posted": "A file about its rows was posted: `batch_faults` or `batch_results`, `batch_links` directly",
    "batch.consent_confirmed": "Whoever sent it confirmed that every customer has agreed",
    "batch.links_chosen": "Whoever sent it chose that each customer takes the photos, by a link, and is asked to agree",
    "batch.links_renewed": "New links were made for those of its customers who have taken no photos; for how many",
    "batch.approval_asked": "A second person was asked about a long file",
    "batch.approved": "A second person let it be sent",
    "batch.rejected": "A second person refused it",
    "batch.approval_expired": "Nobody approved it in time",
    "batch.begun": "It is about to become checks; again after a restart",
    "batch.moved": "It has another state: the state",
    "review.requested": "*Request review*; the reason",
    "review.opened": "The check waits for a reviewer",
    "review.claimed": "Somebody took it, or opened a form to decide it",
    "review.released": "It was given back; who had it",
    "review.handed_on": "It was reassigned; to whom",
    "review.noted": "A note was written, by *Note* or in the card's thread",
    "review.proposed": "A decision waits for a second person; decision and reason",
    "review.disagreed": "The second person disagreed, or the first took it back",
    "review.decision": "A decision counts; decision and reason",
    "review.four_eyes_overridden": "An admin decided although they had a part in the check",
    "review.reminded": "A reminder was posted; which",
    "review.closed": "The review was closed of a check that was cancelled, or ended without a result",
    "review.decided": "The review is over with it",
    "review.settled": "Smile ID's final result left nothing to decide",
    "review.left": "The check was run again meanwhile",
    "photos.asked": "A reviewer asked for the photos in the thread",
    "summary.shared": "Figures were posted into a channel; period and channel",
    "notices.chosen": "Somebody chose of what they hear by direct message; what",
    "export.asked": "`/kyc export`; format and number of checks",
    "export.made": "A list without personal data was handed over; format and number of checks",
    "receipt.released": "An operator had Smile ID asked about a message that fits nowhere",
    "post.released": "An operator had a message delivered that was held back",
    "check.hold": "What is kept of the check stays beyond its time; why",
    "check.unhold": "It stays no longer; why it had",
    "erasure.asked": "Somebody asked for the customer of this check to be erased; the erasure's id",
    "certificate.made": "The signed certificate of an erasure was handed over; the erasure's id",
    "photos.erased": "Which photos the check had is no longer known",
    "personal.erased": "Nothing personal is left of the check",
    "record.erased": "Nothing is left of the check but this trail",
    "slack.erased": "All that was to be erased of it in Slack is gone",
    "slack.left": "Something of it still stands in Slack: message, upload, file or written, and Slack's word for why",
}
_LOOKS = {
    "details.opened": "*Details* were shown",
    "subject.reported": "`kyc-bot subject-report` wrote down all that is held on the customer of this check",
    "record.opened": "*Details* without personal data, for a manager or viewer",
    "edit.opened": "The form *Edit*, with what the check holds",
    "rerun.opened": "The form *Run again*, with what the check holds",
    "photos.opened": "*Show photos*",
    "status.shown": "`/kyc status`; `whole`, or `record` without personal data",
    "card.shown": "The card of a review: `/kyc review`, or `next` in *Review next*",
    "customer_text.shown": "*Message for the customer*",
    "queue.shown": "A reviewer's queue; how many checks were on it",
    "home.shown": "The Home tab was opened or turned, by somebody who sees more than their own checks there: what",
    "touched.listed": "`kyc-bot audit touched`; the days, and how many checks",
    "summary.shown": "`/kyc summary`; the period",
    "earlier.shown": "*Checked before*, to whoever filled in a form; how many checks",
    "check.listed": (
        "The check of somebody else stood with its masked number in a list: `list`, `find`, `queue`, `home` or "
        "`earlier`. Once an hour for each person and check"
    ),
    "checks.found": "A search, or a list of others' checks: by which fields, and how many; never by which values",
}
_REFUSALS = {
    "look_ups.refused": "Somebody has looked things up too often; of which kind. Once for each hour",
    "act.refused": "Somebody with a role was refused: the code of the refusal, and by what they asked",
    "requests.turned_away": "What came without valid signature, address, role or form; which kind, and how many",
}
_OPERATIONS = {
    "chain.begun": "Lines of an older version were chained; the digest of all of them",
    "check.recorded": "Something of its record changed without a line of its own; only the version counts",
    "bot.started": "A process began: its version, and what each setting says; of a secret, that there is one",
    "settings.changed": "Which of them differ from the start before",
    "bot.stopped": "A process was told to stop, and did; one that was killed leaves no such line",
    "role.gained": "Somebody has a role: role and person, or `*` for every member",
    "role.lost": "They have it no more",
    "check.altered": "The record of this check is not as the bot wrote it",
    "backup.asked": "An operator typed `kyc-bot backup`, which copies everything",
    "backup.taken": "A backup was written into `KYC_BACKUP_DIR`",
    "proof.made": "`kyc-bot proof` wrote a signed document about this check",
    "keys.renewed": "`kyc-bot rekey` has renewed everything; the id of the newest key",
    "erasure.done": "Nothing of the customer is left that the bot could reach; the erasure's id",
    "signing_key.used": "From now on this key signs certificates and proofs; its id and the public key",
    "keys.let_go": "The older keys were let go; the id of the newest key",
    "purge.done": "What was over its time is erased; of how many checks, by clock",
    "database.moved": "`kyc-bot migrate-database` has brought everything here from another place; the id of the move",
    "database.move_undone": "That was taken back: what was written elsewhere since is not here; the id of the move",
    "database.restored": "a backup was put in place (`restore`, `mark-restored`), or a server took over that may not "
    "have the last commits; until when it knows what happened",
}

ACTS: Mapping[str, Act] = MappingProxyType(
    {
        name: Act(kind, meaning)
        for kind, acts in (
            (ActKind.CHANGE, _CHANGES),
            (ActKind.LOOK, _LOOKS),
            (ActKind.REFUSAL, _REFUSALS),
            (ActKind.OPERATION, _OPERATIONS),
        )
        for name, meaning in acts.items()
    }
)
"""By name."""

"""Who may do what: the one table of roles and rights, which docs/access.md shows as it stands here.

Whoever asks whether somebody may do something names a right; which roles have it is said here alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    REQUESTER = "requester"
    REVIEWER = "reviewer"
    MANAGER = "manager"
    VIEWER = "viewer"
    """Sees the record of every check: states, reasons, times, people of the workspace; nothing personal."""
    ADMIN = "admin"


class Right(StrEnum):
    """What somebody may do with the bot. `RULES` says what each is, and who has it."""

    ENTER = "enter"
    START = "start"
    SEE_WHOLE = "see_whole"
    SEE_RECORD = "see_record"
    EDIT = "edit"
    ANSWER = "answer"
    LINK = "link"
    REVIEW = "review"
    SEE_PHOTOS = "see_photos"
    DECIDE = "decide"
    RELEASE = "release"
    APPROVE_FILE = "approve_file"
    FIGURES = "figures"
    EXPORT = "export"
    HOLD = "hold"
    FORGET = "forget"
    CHOOSE_NOTICES = "choose_notices"
    BE_REMINDED = "be_reminded"
    BE_ALERTED = "be_alerted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who has a right. Those without a line here do not."""

    means: str
    """For a cell of docs/access.md."""
    anybodys: Sequence[Role] = ()
    """Who has it, whoever asked for the check or sent the file."""
    own: Sequence[Role] = ()
    """Who has it for what they asked for themselves, and for nothing else."""
    others: Sequence[Role] = ()
    """Who has it for what others asked for, and not for their own: the second-person rule."""

    def roles(self, *, own: bool) -> tuple[Role, ...]:
        """Which roles give it; `own`: for a check or file that the person asked for or sent themselves."""
        return (*self.anybodys, *(self.own if own else self.others))


_REVIEWERS = (Role.REVIEWER, Role.ADMIN)
_MANAGERS = (Role.MANAGER, Role.ADMIN)

RULES: Mapping[Right, Rule] = {
    Right.ENTER: Rule(means="open the Home tab, `/kyc help`", anybodys=tuple(Role)),
    Right.START: Rule(
        means="start checks by form, message or file; run again and send other photos for checks that they see whole",
        anybodys=(Role.REQUESTER,),
    ),
    Right.SEE_WHOLE: Rule(
        means="see a check whole (*Details*, `/kyc status`, `list` and `find`); request its review, the message for "
        "the customer; cancel it before it is sent; pause, resume and cancel its file",
        anybodys=_REVIEWERS,
        own=(Role.REQUESTER,),
    ),
    Right.SEE_RECORD: Rule(
        means="see the record of everybody's checks, without personal data",
        anybodys=(Role.VIEWER, Role.MANAGER, *_REVIEWERS),
    ),
    Right.EDIT: Rule(
        means="edit a check before it is sent; whoever does becomes its requester, so admins need that role too",
        anybodys=(Role.ADMIN,),
        own=(Role.REQUESTER,),
    ),
    Right.ANSWER: Rule(
        means="answer what the bot asks before it sends a check: *Send anyway*, other photos",
        anybodys=(Role.ADMIN,),
        own=(Role.REQUESTER,),
    ),
    Right.LINK: Rule(
        means="make a new link for the customer, which comes to whoever makes it, and withdraw it",
        anybodys=(Role.ADMIN,),
        own=(Role.REQUESTER,),
    ),
    Right.REVIEW: Rule(
        means="open the card of a check (`/kyc review`, `/kyc list review`), write notes", anybodys=_REVIEWERS
    ),
    Right.SEE_PHOTOS: Rule(means="*Show photos*, and ask for them in the thread", others=_REVIEWERS),
    Right.DECIDE: Rule(
        means="claim, decide, agree and disagree, end what Smile ID never answers; what an admin does so to their own "
        "check is marked as such",
        anybodys=(Role.ADMIN,),
        others=(Role.REVIEWER,),
    ),
    Right.RELEASE: Rule(means="reassign or unclaim what somebody else claimed", anybodys=(Role.ADMIN,)),
    Right.APPROVE_FILE: Rule(
        means="approve or reject a file with more checks than `KYC_BATCH_APPROVAL`; their own is a file that they sent "
        "or uploaded a part of",
        others=_MANAGERS,
    ),
    Right.FIGURES: Rule(means="see figures (`/kyc summary`) and share them", anybodys=_MANAGERS),
    Right.EXPORT: Rule(means="get a list of checks without personal data (`/kyc export`)", anybodys=_MANAGERS),
    Right.HOLD: Rule(means="keep a check beyond its time, and end that (`/kyc hold`, `unhold`)", anybodys=_MANAGERS),
    Right.FORGET: Rule(means="erase the customer of a check for good (`/kyc forget`)", anybodys=(Role.ADMIN,)),
    Right.CHOOSE_NOTICES: Rule(means="choose direct messages (`/kyc notify`)", anybodys=(Role.REQUESTER, *_REVIEWERS)),
    Right.BE_REMINDED: Rule(
        means="hear of reviews that wait; managers once they wait for long", anybodys=(*_REVIEWERS, Role.MANAGER)
    ),
    Right.BE_ALERTED: Rule(means="hear of faults and of limits that somebody reached", anybodys=(Role.ADMIN,)),
}
"""Every right, in the order of the page. Guests, bots and outsiders have none, whatever names them."""


def roles_with(right: Right, *, own: bool = False) -> tuple[Role, ...]:
    return RULES[right].roles(own=own)

"""What a person reads who holds a check, or ends a hold."""

from collections.abc import Collection

from bot.domain.outbox import Message
from bot.domain.privacy.holds import CAUSES, HoldCause
from bot.slack.blocks import private

KEPT = "Nothing of it is erased until the hold is ended: type `/kyc unhold {ref}`."


def held(ref: str, cause: HoldCause, *, is_new: bool) -> Message:
    """The answer to `/kyc hold`."""
    already = "" if is_new else " already"
    return private.answer(f"{ref} is held{already}: {CAUSES[cause]}. {KEPT.format(ref=ref)}")


def ended(ref: str, still: Collection[HoldCause], *, is_new: bool) -> Message:
    """The answer to `/kyc unhold`; `still`: why it is held all the same."""
    if still:
        why = " and ".join(CAUSES[cause] for cause in still)
        return private.answer(f"{ref} is still held: {why}. {KEPT.format(ref=ref)}")
    first = f"{ref} is no longer held." if is_new else f"{ref} is not held."
    return private.answer(f"{first} What is over its time is erased in the night.")

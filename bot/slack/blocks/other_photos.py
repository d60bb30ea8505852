"""The form for other photos of a check, and nothing else: what it holds beside them stays as it was."""

from typing import Protocol

from bot.domain.check.check import Check, PhotoKind
from bot.domain.check.other_photos import keeps_liveness, to_replace
from bot.domain.check.request import LIVENESS_IMAGES
from bot.domain.id_types.id_types import IDType
from bot.slack.blocks import ids, kit
from bot.slack.blocks.form import CONSENT_NOTICE, liveness_input, selfie_input
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.status import subject

_KEPT_SELFIE = "Leave it empty to send the same selfie."
_KEPT_LIVENESS = f"Leave it empty to send the same {LIVENESS_IMAGES} liveness images."
_LEFT_OUT = "The liveness images of the last time are not sent again."


class PhotosForm(Protocol):
    """One of the two forms below."""

    def __call__(self, check: Check, entry: IDType | None, *, liveness_required: bool) -> View: ...


def of_held(check: Check, entry: IDType | None, *, liveness_required: bool) -> View:
    """For a check that waits for an answer. The customer's agreement to it stands: nothing has been sent yet."""
    inputs = _inputs(check, liveness_required=liveness_required)
    blocks = [_about(check, entry, "Nothing has been sent or charged yet."), *inputs]
    return kit.modal("Other photos", blocks, callback_id=ids.PHOTOS_FORM, submit="Send to Smile ID", metadata=check.ref)


def of_ended(check: Check, entry: IDType | None, *, liveness_required: bool) -> View:
    """For a check that is sent again: its submit confirms the customer's agreement, as in a direct message."""
    blocks = [
        _about(check, entry, "It is checked again with these photos, and charged again. Everything else stays."),
        *_inputs(check, liveness_required=liveness_required),
        kit.plain_section(f"By sending, you confirm: {CONSENT_NOTICE[:1].lower()}{CONSENT_NOTICE[1:]}"),
    ]
    return kit.modal(
        "Send other photos",
        blocks,
        callback_id=ids.NEW_PHOTOS_FORM,
        submit="Customer agreed: send",
        metadata=f"{check.ref}:{check.round}",
    )


def _about(check: Check, entry: IDType | None, what: str) -> Block:
    return kit.section(f"*{check.ref}* · {subject(check, entry)}\n{what}")


def _inputs(check: Check, *, liveness_required: bool) -> list[Block]:
    replaced, is_kept = to_replace(check), keeps_liveness(check)
    kept_selfie = "" if PhotoKind.SELFIE in replaced else _KEPT_SELFIE
    instead = _KEPT_LIVENESS if is_kept else _LEFT_OUT if check.liveness_images else ""
    return [
        selfie_input(optional=bool(kept_selfie), instead=kept_selfie),
        liveness_input(optional=is_kept or not liveness_required, instead=instead),
    ]

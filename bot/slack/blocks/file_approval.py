"""The message that asks a second person to approve a long file: what it costs, who asked, nothing of customers."""

from bot.domain.applicants.batch import Batch, BatchState
from bot.domain.outbox import Message
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, Style
from bot.slack.blocks.text import person, quoted, when

_KINDS = 12


def card(batch: Batch, *, before: int = 0) -> Message:
    """For one manager or admin, as of now: the buttons go when somebody has answered.

    `before`: checks of other files that count together with these.
    """
    verdict, next_step = _standing(batch)
    lines = [f"{batch.chosen} checks, each charged by Smile ID.", *_kinds(batch)]
    if before:
        lines.append(f"Sent by the same person within 24 hours, and approved by nobody: {before}.")
    asked = f"Asked by {person(batch.requester)} {when(batch.consent_at or batch.asked_at)} · {_where(batch)}"
    blocks = [
        kit.section(f"*{verdict}* · {batch.id}\n{next_step}"),
        kit.small_mrkdwn(asked),
        kit.plain_section("\n".join(lines)),
        *([kit.actions(*_buttons(batch))] if batch.state is BatchState.APPROVAL else []),
    ]
    return kit.told(blocks, verdict=verdict, ref=batch.id, next_step=next_step, rest=[*lines, asked])


def _standing(batch: Batch) -> tuple[str, str]:
    if batch.state is BatchState.APPROVAL:
        return "File waits for approval", "Approve it if so many checks are meant to be paid for; else reject it."
    if batch.approved_by is not None:
        return "File approved", f"By {person(batch.approved_by)}. Nothing more to do."
    return "File not approved", "Nothing was sent. Nothing more to do."


def _kinds(batch: Batch) -> list[str]:
    """How many rows of each country and ID type; a preview of an older version does not say."""
    kinds = batch.preview.get("kinds", ())
    lines = [f"{count} × {quoted(country, 2)} {quoted(id_type, 40)}" for country, id_type, count in kinds[:_KINDS]]
    more = len(kinds) - _KINDS
    return [*lines, f"and {more} more ID types"] if more > 0 else lines


def _where(batch: Batch) -> str:
    return f"in <#{batch.channel}>" if batch.channel[0] in "CG" else "in a direct message"


def _buttons(batch: Batch) -> list[Block]:
    approve = kit.button(
        ids.BATCH_APPROVE, "Approve file", batch.id, label=f"Approve file {batch.id}", style=Style.PRIMARY
    )
    return [
        kit.confirmed(
            approve,
            title="Approve this file?",
            text=f"{batch.chosen} checks go to Smile ID and are charged.",
            confirm="Approve file",
            deny="Not yet",
        ),
        kit.button(ids.BATCH_REJECT, "Reject file", batch.id, label=f"Reject file {batch.id}"),
    ]

"""The last requests in both directions: Slack to the bot and back, the bot to Smile ID and back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice

from bot.sandbox.desk.masking import Masker, personal_words
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox

LAST = 40
"""Requests that are shown."""
_JOBS = 60
"""Of so many jobs the personal words are known, newest first."""


class Direction(StrEnum):
    SLACK_TO_BOT = "Slack → bot"
    BOT_TO_SLACK = "bot → Slack"
    BOT_TO_SMILE_ID = "bot → Smile ID"
    SMILE_ID_TO_BOT = "Smile ID → bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer."""

    at: datetime
    direction: Direction
    method: str
    status: int | None
    """HTTP status; None where no answer came."""
    seconds: float | None
    """None while it is under way."""
    asked: object = field(repr=False)
    answered: object = field(repr=False)
    note: str = ""

    @property
    def outcome(self) -> str:
        """Status and time in few words."""
        if self.seconds is None:
            return "under way"
        status = self.note or str(self.status or "no answer")
        return f"{status} · {self.seconds * 1000:.0f} ms"

    @property
    def failed(self) -> bool:
        return self.seconds is not None and not (self.status is not None and 200 <= self.status < 300)


def last_exchanges(slack: SlackSandbox, smile_id: SmileIDSandbox, *, limit: int = LAST) -> list[Exchange]:
    """Newest first."""
    each = (
        islice(_to_bot(slack), limit),
        islice(_to_slack(slack), limit),
        islice(_to_smile_id(smile_id), limit),
        islice(_callbacks(smile_id), limit),
    )
    return sorted((one for them in each for one in them), key=lambda one: one.at, reverse=True)[:limit]


def masker_for(slack: SlackSandbox, smile_id: SmileIDSandbox) -> Masker:
    """Knows the names and numbers of the people whom the last jobs and forms are about."""
    jobs = list(islice(reversed(list(smile_id.jobs.values())), _JOBS))
    jobs_say = [job.info.get("id_info") for job in jobs if job.info] + [job.record for job in jobs]
    forms_say = [one.payload.get("view", {}).get("state") for one in slack.sent]
    return Masker(personal_words([*jobs_say, *forms_say]))


def _to_bot(slack: SlackSandbox) -> Iterator[Exchange]:
    for one in reversed(slack.sent):
        delivery = one.delivery
        kind = one.payload.get("type") or one.payload.get("command") or ""
        event = one.payload.get("event")
        kind = event.get("type", kind) if isinstance(event, dict) else kind
        yield Exchange(
            at=one.at,
            direction=Direction.SLACK_TO_BOT,
            method=f"{one.kind} {kind}".strip(),
            status=delivery.status if delivery else None,
            seconds=delivery.seconds if delivery else None,
            asked=one.payload,
            answered=delivery.body if delivery else None,
            note=delivery.failure.replace("_", " ") if delivery else "",
        )


def _to_slack(slack: SlackSandbox) -> Iterator[Exchange]:
    for call in reversed(slack.calls):
        error = str(call.response.get("error", ""))
        yield Exchange(
            at=call.at,
            direction=Direction.BOT_TO_SLACK,
            method=call.method,
            status=call.status,
            seconds=call.seconds,
            asked=call.arguments,
            answered=call.response,
            note=f"{call.status} {error}" if error and call.status else "",
        )


def _to_smile_id(smile_id: SmileIDSandbox) -> Iterator[Exchange]:
    methods = {"services": "GET /v1/services", "put": "PUT the zip"}
    for request in reversed(smile_id.requests):
        yield Exchange(
            at=request.at,
            direction=Direction.BOT_TO_SMILE_ID,
            method=methods.get(request.call, f"POST /v1/{request.call}"),
            status=request.status,
            seconds=request.seconds,
            asked=request.body,
            answered=request.answer,
        )


def _callbacks(smile_id: SmileIDSandbox) -> Iterator[Exchange]:
    for sent in reversed(smile_id.callbacks):
        yield Exchange(
            at=sent.at,
            direction=Direction.SMILE_ID_TO_BOT,
            method=f"POST callback {sent.body.get('ResultCode', '')}".strip(),
            status=sent.status,
            seconds=sent.seconds,
            asked=sent.body,
            answered=None,
        )

"""What becomes of a modal when the bot has answered its submission."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.view_methods import checked_view
from bot.sandbox.slack.views import OpenView, Views
from bot.sandbox.slack.world import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the person sees after pressing the submit button."""

    errors: dict[str, str] = field(default_factory=dict)
    closed: bool = False
    updated: JSON | None = None
    pushed: JSON | None = None
    timed_out: bool = False
    problem: str = ""
    """Why Slack says *We had some trouble connecting*: no answer, or one it cannot use."""


def take_answer(views: Views, view: OpenView, delivery: Delivery) -> Submission:
    if delivery.failure == "http_timeout":
        return Submission(timed_out=True, problem=delivery.failure)
    if delivery.failure:
        return Submission(problem=delivery.failure)
    if not delivery.body:
        views.close(view)
        return Submission(closed=True)
    if not isinstance(delivery.body, dict):
        return Submission(problem="the answer is not JSON")
    answer = _ANSWERS.get(str(delivery.body.get("response_action")))
    if answer is None:
        return Submission(problem="unknown response_action")
    try:
        return answer(views, view, delivery.body)
    except ApiError as error:
        return Submission(problem=f"{error.error} {error.extra}")


def _show_errors(_views: Views, view: OpenView, body: JSON) -> Submission:
    errors = body.get("errors")
    fields = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not set(errors) <= fields:
        return Submission(problem=f"errors must name input blocks, not {errors}")
    if not all(isinstance(text, str) and text for text in errors.values()):
        return Submission(problem="errors must be texts")
    return Submission(errors=errors)


def _update(views: Views, view: OpenView, body: JSON) -> Submission:
    views.update(view, checked_view(views.world, body.get("view") or {}, kind="modal"))
    return Submission(updated=views.as_json(view))


def _push(views: Views, view: OpenView, body: JSON) -> Submission:
    pushed = views.push(view.user_id, checked_view(views.world, body.get("view") or {}, kind="modal"))
    return Submission(pushed=views.as_json(pushed))


def _clear(views: Views, view: OpenView, _body: JSON) -> Submission:
    views.clear(view.user_id)
    return Submission(closed=True)


_ANSWERS: dict[str, Callable[[Views, OpenView, JSON], Submission]] = {
    "errors": _show_errors,
    "update": _update,
    "push": _push,
    "clear": _clear,
}

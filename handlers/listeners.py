"""The Bolt app: every listener in one visible list, and what happens when one of them fails."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult

from bot.domain.review.review import Decision
from bot.runtime.factory import Bot
from bot.slack.blocks import ids
from handlers import (
    admission,
    batches,
    check_form,
    commands,
    details,
    events,
    fallback,
    home,
    messages,
    preflight,
    rerun,
    review,
    search,
    summary,
)
from handlers.errors import failed
from handlers.repeats import id_of, is_for_inbox

log = structlog.get_logger(__name__)

ANY = re.compile(".*")


def bolt(bot: Bot) -> AsyncApp:
    """A Bolt app for either connection; the ack leaves when a listener returns, so each of them is quick."""
    secret = bot.settings.slack_signing_secret

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # A fixed answer: Bolt would call auth.test on the first request, and fail it while Slack is away.
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_token=bot.settings.slack_bot_token.get_secret_value(),
            bot_user_id="",
        )

    # Bolt quotes whole requests when it warns of them, and they hold personal data.
    quiet = logging.getLogger("kyc-bot.bolt")
    quiet.setLevel(logging.CRITICAL)
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    app = AsyncApp(
        logger=quiet,
        signing_secret=secret.get_secret_value() if secret else "socket mode",
        client=bot.slack.client,
        authorize=authorize,
        process_before_response=True,
        # `SlackSignature` has verified it, by Slack's own time; Bolt would verify by our clock, which may be off.
        request_verification_enabled=False,
        ignoring_self_events_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )

    @app.middleware
    async def attach(
        body: dict[str, Any],
        context: AsyncBoltContext,
        next: Callable[[], Awaitable[None]],  # noqa: A002 - Bolt's name
    ) -> BoltResponse | None:
        context["bot"] = bot
        context["began"] = asyncio.get_running_loop().time()
        refusal = await admission.refuse_foreign(bot, body)
        if refusal is not None:
            return refusal
        if body.get("type") == "app_rate_limited":
            # Neither an event nor an interaction for Bolt, so no listener would get it.
            log.warning("slack.limits_events")
            return BoltResponse(status=200, body="")
        await admission.require_role(bot, body)
        request_id = None if is_for_inbox(body) else id_of(body)
        if request_id is not None and not await bot.intake.is_first(request_id):
            log.info("slack.repeat", kind=body.get("type") or "command")
            return BoltResponse(status=200, body="")
        await next()
        return None

    _listen(app)
    app.error(failed)
    return app


def _listen(app: AsyncApp) -> None:
    """The list; the fallback comes last."""
    app.command(ids.COMMAND)(commands.kyc)
    app.global_shortcut(ids.SHORTCUT_CHECK)(check_form.shortcut)
    app.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE)(messages.shortcut)
    app.event("app_mention")(messages.mentioned)
    app.event("message")(messages.direct)
    app.action(ids.OPEN_FORM_OF_MESSAGE)(messages.open_form)
    app.action(ids.SEND_MESSAGE)(messages.send)
    app.event("app_home_opened")(home.opened)
    app.action(ids.HOME_START)(home.start)
    app.action(ids.OPEN_FORM)(check_form.open_again)
    app.action(re.compile(f"^({ids.PICK_COUNTRY}|{ids.PICK_CHANNEL}|{ids.PICK_ID_TYPE}:.*)$"))(check_form.chosen)
    app.view(ids.FORM)(check_form.submitted)
    app.action(ids.DETAILS)(details.opened)
    app.action(ids.FOUND_DETAILS)(details.pushed)
    app.action(ids.RUN_AGAIN)(rerun.run_again)
    app.action(ids.CANCEL)(rerun.cancel)
    app.action(ids.SEND_HELD)(preflight.let_pass)
    app.action(ids.OTHER_PHOTOS)(preflight.other_photos)
    app.view(ids.PHOTOS_FORM)(preflight.submitted)
    app.action(re.compile(f"^({ids.REVIEW_CLAIM}|{ids.REVIEW_REOPEN})$"))(review.claimed)
    app.action(ids.REVIEW_RELEASE)(review.released)
    app.action(re.compile(f"^({ids.REVIEW_AGREE}|{ids.REVIEW_DISAGREE})$"))(review.judged)
    app.action(re.compile(f"^{ids.REVIEW_DECIDE}:({'|'.join(Decision)})$"))(review.decide)
    app.action(ids.REVIEW_HAND_ON)(review.hand_on)
    app.action(ids.REVIEW_NOTE)(review.note)
    app.view(ids.DECIDE_FORM)(review.decided)
    app.view(ids.HAND_ON_FORM)(review.handed_on)
    app.view(ids.NOTE_FORM)(review.noted)
    app.view(ids.NOTIFY_FORM)(review.notified)
    app.action(ids.BATCH_TEMPLATE)(batches.template)
    app.action(re.compile("^kyc_batch_.*$"))(batches.decided)
    app.action(re.compile(f"^({ids.LIST_PAGE}:.*|{ids.LIST_FILTER})$"))(search.turned)
    app.action(re.compile(f"^{ids.FIND_PAGE}:.*$"))(search.next_page)
    app.view(ids.FIND)(search.submitted)
    app.action(ids.SHARE_SUMMARY)(summary.shared)
    for name, listener in events.LISTENERS.items():
        app.event(name)(listener)

    app.command(ANY)(fallback.command)
    app.action(ANY)(fallback.pressed)
    app.shortcut(ANY)(fallback.pressed)
    app.view(ANY)(fallback.submitted)
    app.view_closed(ANY)(fallback.nothing)
    app.options(ANY)(fallback.suggested)
    app.event(ANY)(fallback.nothing)

"""The Bolt app: every listener in one visible list, and what happens when one of them fails."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltRequest
from slack_bolt.middleware.async_middleware import AsyncMiddleware

from bot.domain.review.review import Decision
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, private
from handlers import (
    batches,
    check_form,
    checks,
    commands,
    corrections,
    customer,
    events,
    forget,
    home,
    links,
    messages,
    middleware,
    more,
    photos,
    review,
    review_requests,
    search,
    summary,
)
from handlers.listener_index import IndexedApp
from handlers.replies import reply
from handlers.requests import id_of, is_for_inbox, kind_of

log = structlog.get_logger(__name__)

ANY = re.compile(".*")


def bolt(bot: Bot) -> AsyncApp:
    """A Bolt app for either connection; the ack leaves when a listener returns, so each of them is quick."""
    secret = bot.settings.slack_signing_secret

    # Bolt quotes whole requests when it warns of them, and they hold personal data.
    quiet = logging.getLogger("kyc-bot.bolt")
    quiet.setLevel(logging.CRITICAL)
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    app = IndexedApp(
        # Without a name Bolt would look through the source of every module that is loaded, to find who calls.
        name="kyc-bot",
        logger=quiet,
        signing_secret=secret.get_secret_value() if secret else "socket mode",
        client=bot.slack.client,
        process_before_response=True,
        # `SlackSignature` has verified it, by Slack's own time; Bolt would verify by our clock, which may be off.
        request_verification_enabled=False,
        # Answered before Bolt is asked.
        ssl_check_enabled=False,
        ignoring_self_events_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )

    app.middleware(_Door(bot))
    _listen(app)
    app.error(middleware.failed)
    return app


class _Door(AsyncMiddleware):
    """Stands before every listener: what another workspace sent, who has no role, and repeats go no further.

    No function for `app.middleware`: Bolt would look up all that one may ask for, with every request.
    """

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - Bolt's name
    ) -> BoltResponse | None:
        bot, body = self._bot, req.body
        req.context["bot"] = bot
        req.context["began"] = asyncio.get_running_loop().time()
        refusal = await middleware.refuse_foreign(bot, body)
        if refusal is not None:
            return refusal
        if body.get("type") == "app_rate_limited":
            # Neither an event nor an interaction for Bolt, so no listener would get it.
            log.warning("slack.limits_events")
            return BoltResponse(status=200, body="")
        await middleware.require_role(bot, body)
        req.context["has_role"] = True
        request_id = None if is_for_inbox(body) or await _only_reads(bot, body) else id_of(body)
        if request_id is not None and not await bot.intake.is_first(request_id):
            log.info("slack.repeat", kind=kind_of(body))
            return BoltResponse(status=200, body="")
        return await next()


async def _only_reads(bot: Bot, body: Mapping[str, Any]) -> bool:
    return kind_of(body) == "command" and await commands.only_reads(bot, body)


def _listen(app: AsyncApp) -> None:
    """The list. Requests without a listener come last: each is answered, or Slack would show an error."""
    app.command(ids.COMMAND)(commands.kyc)
    app.global_shortcut(ids.SHORTCUT_CHECK)(check_form.start)
    app.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE)(messages.shortcut)
    app.event("app_mention")(messages.mentioned)
    app.event("message")(messages.direct)
    app.action(ids.OPEN_FORM_OF_MESSAGE)(messages.open_form)
    app.action(ids.SEND_MESSAGE)(messages.send)
    app.action(ids.HOME_START)(check_form.start)
    for action, of_home in home.LISTENERS.items():
        app.action(re.compile(f"^{action}$"))(of_home)
    app.action(ids.OPEN_FORM)(check_form.open_again)
    app.action(
        re.compile(
            f"^({ids.PICK_COUNTRY}|{ids.PICK_CHANNEL}|{ids.PICK_ID_TYPE}:.*|{ids.PICK_PHOTOS_BY}|{ids.MORE_FIELDS})$"
        )
    )(check_form.chosen)
    app.view(ids.FORM)(check_form.submitted)
    app.action(ids.DETAILS)(checks.open_details)
    app.action(ids.FOUND_DETAILS)(checks.push_details)
    app.action(ids.RUN_AGAIN)(checks.run_again)
    app.action(ids.EDIT)(corrections.edit)
    app.action(ids.CANCEL)(checks.cancel)
    app.action(ids.NEW_LINK)(links.renew)
    app.action(ids.WITHDRAW_LINK)(links.withdraw)
    app.action(ids.CHECK_MORE)(more.chosen)
    app.action(ids.CUSTOMER_MESSAGE)(customer.pressed)
    app.view(ids.CUSTOMER_FORM)(customer.done)
    _listen_to_reviewers(app)
    app.action(ids.SEND_HELD)(checks.let_pass)
    app.view(ids.SEND_ANYWAY_FORM)(checks.sent_anyway)
    app.action(ids.OTHER_PHOTOS)(corrections.ask_for_photos)
    app.view(ids.PHOTOS_FORM)(corrections.photos_replaced)
    app.action(ids.SEND_PHOTOS)(corrections.ask_for_new_photos)
    app.view(ids.NEW_PHOTOS_FORM)(corrections.new_photos_submitted)
    app.action(ids.PHOTOS_SHOW)(photos.show_photos)
    app.action(ids.PHOTOS_ASK)(photos.ask_for_photos)
    app.action(ids.BATCH_TEMPLATE)(batches.template)
    app.action(re.compile("^kyc_batch_.*$"))(batches.decided)
    app.action(re.compile(f"^({ids.LIST_PAGE}:.*|{ids.LIST_FILTER})$"))(search.turned)
    app.action(re.compile(f"^{ids.FIND_PAGE}:.*$"))(search.next_page)
    app.view(ids.FIND)(search.submitted)
    app.view(ids.FORGET_FORM)(forget.confirmed)
    app.action(ids.SHARE_SUMMARY)(summary.shared)
    for name, listener in events.LISTENERS.items():
        app.event(name)(listener)

    app.command(ANY)(old_command)
    app.action(ANY)(old_button)
    app.shortcut(ANY)(old_button)
    app.view(ANY)(old_form)
    app.view_closed(ANY)(nothing)
    app.options(ANY)(no_options)
    app.event(ANY)(nothing)


def _listen_to_reviewers(app: AsyncApp) -> None:
    app.action(ids.REQUEST_REVIEW)(review_requests.pressed)
    app.view(ids.REVIEW_REQUEST_FORM)(review_requests.requested)
    app.action(re.compile(f"^({ids.REVIEW_CLAIM}|{ids.REVIEW_REOPEN})$"))(review.claimed)
    app.action(ids.REVIEW_CLOSE)(review.closed)
    app.action(ids.REVIEW_END)(review.ended)
    app.action(ids.REVIEW_RELEASE)(review.released)
    app.action(ids.REVIEW_AGREE)(review.agreed)
    app.action(ids.REVIEW_DISAGREE)(review.disagree)
    app.action(re.compile(f"^{ids.REVIEW_DECIDE}:({'|'.join(Decision)})$"))(review.decide)
    app.action(ids.REVIEW_HAND_ON)(review.hand_on)
    app.action(ids.REVIEW_NOTE)(review.note)
    app.action(ids.REVIEW_MORE)(review.more)
    app.action(ids.REVIEW_SKIP)(review.skipped)
    app.view(ids.DECIDE_FORM)(review.decided)
    app.view_closed(ids.DECIDE_FORM)(review.given_up)
    app.view(ids.DISAGREE_FORM)(review.disagreed)
    app.view(ids.HAND_ON_FORM)(review.handed_on)
    app.view(ids.NOTE_FORM)(review.noted)
    app.view(ids.NOTIFY_FORM)(review.notified)


async def old_command(ack: AsyncAck, command: dict[str, Any], bot: Bot) -> None:
    """A command that the manifest does not name: an old installation, say."""
    await commands.answer(ack, await commands.help_for(bot, command, unknown=command.get("command")))


async def old_button(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    await ack()
    reply(bot, body, private.answer(private.OLD_BUTTON))


async def old_form(ack: AsyncAck) -> None:
    """A form whose fields nobody here can read: closing it would look like success."""
    await ack(response_action="update", view=private.closed_form(private.OLD_FORM))


async def no_options(ack: AsyncAck) -> None:
    """A menu that asks for options: there are none."""
    await ack(options=[])


async def nothing(ack: AsyncAck) -> None:
    """A closed view, an event of no use."""
    await ack()

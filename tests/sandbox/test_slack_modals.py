"""Modals in a person's hands, before a real Bolt app that is reached by signed HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import ClientRefuses, Modal, SlackSandbox
from tests.sandbox.slack_setup import (
    AMINA,
    CHANNEL,
    JSON,
    bolt_for,
    button,
    by_http,
    client_of,
    field,
    form,
    option,
    plain_text,
    running,
    section,
)

pytestmark = pytest.mark.anyio

JPEG = b"\xff\xd8\xff\xe0 not really"
TEXT_INPUT = {"type": "plain_text_input"}


class Bot:
    """A Bolt app that opens `view` on /kyc and answers a submission with `answer`."""

    def __init__(self, slack: SlackSandbox, view: JSON | None = None, answer: JSON | None = None) -> None:
        self.app: AsyncApp = bolt_for(slack)
        self.view = view or form()
        self.answer = answer or {}
        self.submitted: list[JSON] = []
        self.actions: list[JSON] = []
        self.closed: list[JSON] = []
        self.update_on_action: JSON | None = None
        self.delay_seconds = 0.0
        self.app.command("/kyc")(self.open)
        self.app.action({"type": "block_actions", "action_id": "v"})(self.act)
        self.app.action("deeper")(self.push)
        self.app.view("form")(self.submit)
        self.app.view_closed("form")(self.close)

    async def open(self, ack: Any, body: JSON, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=self.view)

    async def act(self, ack: Any, body: JSON, client: Any) -> None:
        self.actions.append(body)
        await ack()
        if self.update_on_action is not None:
            view = body["view"]
            await client.views_update(view_id=view["id"], hash=view["hash"], view=self.update_on_action)

    async def push(self, ack: Any, body: JSON, client: Any) -> None:
        await ack()
        await client.views_push(trigger_id=body["trigger_id"], view=self.view)

    async def submit(self, ack: Any, body: JSON) -> None:
        self.submitted.append(body)
        await asyncio.sleep(self.delay_seconds)
        await ack(**self.answer)

    async def close(self, ack: Any, body: JSON) -> None:
        self.closed.append(body)
        await ack()


async def opened(slack: SlackSandbox) -> Modal:
    amina = slack.person(AMINA)
    reply = await amina.command("check")
    assert reply.ok
    return await amina.modal()


async def test_a_form_is_opened_filled_and_submitted() -> None:
    async with running() as slack:
        bot = Bot(slack)
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.choose("country", "Nigeria")
            await modal.fill("id_number", "00000000000")
            selfie = await slack.person(AMINA).upload(JPEG, "me.jpg")
            await modal.attach("selfie", selfie)
            assert modal.values == {"country": "nigeria", "id_number": "00000000000", "selfie": [selfie.id]}
            assert "Country: Nigeria" in modal.text()
            submission = await modal.submit()
            assert submission.closed
            assert not modal.is_open
        (payload,) = bot.submitted
        values = payload["view"]["state"]["values"]
        assert values["country"]["v"]["selected_option"]["value"] == "nigeria"
        assert values["id_number"]["v"] == {"type": "plain_text_input", "value": "00000000000"}
        (file,) = values["selfie"]["v"]["files"]
        assert (file["id"], file["size"], file["mimetype"]) == (selfie.id, len(JPEG), "image/jpeg")
        assert payload["user"]["id"] == AMINA
        assert payload["response_urls"] == []


async def test_only_elements_that_dispatch_tell_the_bot() -> None:
    async with running() as slack:
        bot = Bot(slack)
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.fill("id_number", "1")
            await modal.choose("country", "ghana")
        (payload,) = bot.actions
        assert payload["actions"][0]["selected_option"]["value"] == "ghana"
        assert payload["container"] == {"type": "view", "view_id": modal.id}
        assert payload["view"]["state"]["values"]["id_number"]["v"]["value"] == "1"


async def test_values_survive_an_update_only_under_the_same_ids() -> None:
    async with running() as slack:
        country = form()["blocks"][0]
        bot = Bot(
            slack,
            form(country, field("kept", TEXT_INPUT), field("renamed", TEXT_INPUT), field("moved", TEXT_INPUT)),
        )
        bot.update_on_action = form(
            country,
            field("kept", {**TEXT_INPUT, "initial_value": "not this"}),
            field("renamed", {**TEXT_INPUT, "action_id": "w"}),
            field("moved_2", TEXT_INPUT),
        )
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            before = modal.hash
            for block_id in ("kept", "renamed", "moved"):
                await modal.fill(block_id, "typed")
            await modal.choose("country", "ghana")
            await modal.changed()
            assert modal.hash != before
            assert modal.values == {"country": "ghana", "kept": "typed", "renamed": None, "moved_2": None}


async def test_a_choice_that_is_offered_no_more_is_dropped() -> None:
    async with running() as slack:
        menu = {"type": "static_select", "options": [option("a"), option("b")]}
        bot = Bot(slack, form(form()["blocks"][0], field("pick", menu)))
        fewer = {**menu, "options": [option("a")]}
        bot.update_on_action = form(form()["blocks"][0], field("pick", fewer))
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.choose("pick", "b")
            await modal.choose("country", "ghana")
            await modal.changed()
            assert modal.values["pick"] is None


async def test_the_client_stops_what_slack_would_stop() -> None:
    async with running() as slack:
        bot = Bot(slack)
        async with by_http(slack, bot.app):
            amina = slack.person(AMINA)
            modal = await opened(slack)
            with pytest.raises(ClientRefuses) as caught:
                await modal.submit()
            assert caught.value.block_ids == ("country", "id_number", "selfie")
            with pytest.raises(ClientRefuses):
                await modal.choose("country", "atlantis")
            with pytest.raises(ClientRefuses):
                await modal.attach("selfie", await amina.upload(b"GIF89a", "me.gif"))
            two = [await amina.upload(JPEG, name) for name in ("a.jpg", "b.jpg")]
            with pytest.raises(ClientRefuses):
                await modal.attach("selfie", *two)
            await modal.choose("country", "ghana")
            await modal.fill("id_number", "123456789012")
            await modal.attach("selfie", *two, client_checks=False)
            with pytest.raises(ClientRefuses) as caught:
                await modal.submit()
            assert caught.value.block_ids == ("id_number",)
            assert bot.submitted == []
            await modal.submit(client_checks=False)
            assert len(bot.submitted) == 1


async def test_errors_stand_beside_their_fields_and_keep_the_form_open() -> None:
    async with running() as slack:
        bot = Bot(slack, form(field("a", TEXT_INPUT)))
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.fill("a", "x")
            bot.answer = {"response_action": "errors", "errors": {"a": "too short"}}
            assert (await modal.submit()).errors == {"a": "too short"}
            assert modal.is_open
            bot.answer = {"response_action": "errors", "errors": {"b": "no such field"}}
            assert "input blocks" in (await modal.submit()).problem
            assert modal.is_open
            assert modal.values == {"a": "x"}


async def test_a_submission_may_show_progress_that_a_worker_replaces() -> None:
    async with running() as slack:
        done = form(section("Done"), external_id="check-1", submit=None)
        del done["submit"]
        progress = {**done, "blocks": [section("Working")]}
        bot = Bot(slack, form(field("a", TEXT_INPUT)), {"response_action": "update", "view": progress})
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.fill("a", "x")
            submission = await modal.submit()
            assert submission.updated is not None
            assert "Working" in modal.text()
            await client_of(slack).views_update(external_id="check-1", view=done)
            await modal.changed()
            assert "Done" in modal.text()
            await modal.close()
            with pytest.raises(SlackApiError, match="not_found"):
                await client_of(slack).views_update(external_id="check-1", view=done)


async def test_a_submission_may_push_or_clear() -> None:
    async with running() as slack:
        bot = Bot(slack, form(field("a", TEXT_INPUT)))
        async with by_http(slack, bot.app):
            first = await opened(slack)
            await first.fill("a", "x")
            bot.answer = {"response_action": "push", "view": form(field("b", TEXT_INPUT))}
            assert (await first.submit()).pushed is not None
            second = await slack.person(AMINA).modal()
            assert second.view["previous_view_id"] == second.view["root_view_id"] == first.id
            await second.fill("b", "y")
            bot.answer = {"response_action": "clear"}
            assert (await second.submit()).closed
            assert not first.is_open
            assert not second.is_open


async def test_three_views_lie_on_each_other_and_no_more() -> None:
    async with running() as slack:
        bot = Bot(slack, form({"type": "actions", "elements": [button("deeper")]}))
        async with by_http(slack, bot.app):
            amina = slack.person(AMINA)
            await opened(slack)
            for _ in range(2):
                await (await amina.modal()).click("deeper")
            top = await amina.modal()
            await top.click("deeper")
            assert slack.calls[-1].response["error"] == "push_limit_reached"
            await top.close()
            assert (await amina.modal()).id == top.view["previous_view_id"]


async def test_a_view_is_pushed_only_from_inside_one_that_is_still_open() -> None:
    async with running() as slack:
        bot = Bot(slack, form({"type": "actions", "elements": [button("deeper")]}))
        async with by_http(slack, bot.app):
            below = await opened(slack)
            issue = slack.person(AMINA)._stage.triggers.issue
            outside, inside = issue(AMINA), issue(AMINA, view_id=below.id)
            await below.close()
            await opened(slack)
            for trigger_id in (outside, inside):
                with pytest.raises(SlackApiError, match="not_found"):
                    await client_of(slack).views_push(trigger_id=trigger_id, view=form())
            assert len(slack.person(AMINA).open_modals) == 1


async def test_closing_is_told_where_the_view_asks_for_it() -> None:
    async with running() as slack:
        bot = Bot(slack, form(notify_on_close=True))
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.close(all_views=True)
            bot.view = form()
            await (await opened(slack)).close()
        (payload,) = bot.closed
        assert payload["is_cleared"]
        assert payload["view"]["id"] == modal.id


async def test_a_trigger_opens_one_view_and_soon() -> None:
    # Bolt checks by the machine's clock when a request was signed.
    now = datetime.now(UTC)
    async with running(clock=lambda: now) as slack:
        triggers: list[str] = []
        app = bolt_for(slack)

        @app.shortcut("kyc_check")
        async def _take(ack: Any, body: JSON) -> None:
            triggers.append(body["trigger_id"])
            await ack()

        async with by_http(slack, app):
            for _ in range(2):
                await slack.person(AMINA).shortcut("kyc_check")
        client = client_of(slack)
        await client.views_open(trigger_id=triggers[0], view=form())
        for trigger, error, later_seconds in (
            (triggers[0], "exchanged_trigger_id", 0),
            (triggers[1], "expired_trigger_id", 4),
            ("made.up", "invalid_trigger_id", 0),
        ):
            now += timedelta(seconds=later_seconds)
            with pytest.raises(SlackApiError, match=error):
                await client.views_open(trigger_id=trigger, view=form())


async def test_a_stale_hash_changes_nothing() -> None:
    async with running() as slack:
        bot = Bot(slack)
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            stale = modal.hash
            client = client_of(slack)
            await client.views_update(view_id=modal.id, hash=stale, view=form(title=plain_text("Newer")))
            with pytest.raises(SlackApiError, match="hash_conflict"):
                await client.views_update(view_id=modal.id, hash=stale, view=form())
            assert modal.title == "Newer"


async def test_a_late_or_missing_answer_leaves_the_form_open() -> None:
    async with running() as slack:
        bot = Bot(slack, form(field("a", TEXT_INPUT)))
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.fill("a", "x")
            # Only now, since a busy machine may need longer to open the form.
            slack.answer_seconds, bot.delay_seconds = 0.1, 0.3
            assert (await modal.submit()).timed_out
            slack.events_url = None
            assert (await modal.submit()).problem == "connection_failed"
            assert modal.is_open
            assert modal.values == {"a": "x"}


async def test_every_kind_of_field_can_be_filled() -> None:
    async with running() as slack:
        choices = [option("a"), option("b")]
        bot = Bot(
            slack,
            form(
                field("boxes", {"type": "checkboxes", "options": choices}),
                field("radio", {"type": "radio_buttons", "options": choices}),
                field("dob", {"type": "datepicker"}),
                field("who", {"type": "users_select"}),
                field("count", {"type": "number_input", "is_decimal_allowed": False}),
                field("bank", {"type": "external_select", "min_query_length": 1}),
            ),
        )

        @bot.app.options("v")
        async def _banks(ack: Any, body: JSON) -> None:
            await ack(options=[option(body["value"]), option("other")])

        async with by_http(slack, bot.app):
            modal = await opened(slack)
            entered = {"boxes": ["a", "b"], "radio": "b", "dob": "2000-01-31", "who": AMINA, "count": "7"}
            for block_id, value in {**entered, "bank": "zenith"}.items():
                await modal.enter(block_id, value)
            assert modal.values == {**entered, "bank": "zenith"}
            assert "Who: amina" in modal.text()
            assert "Boxes: A, B" in modal.text()
            await modal.submit()
        values = bot.submitted[0]["view"]["state"]["values"]
        assert values["dob"]["v"] == {"type": "datepicker", "selected_date": "2000-01-31"}
        assert [chosen["value"] for chosen in values["boxes"]["v"]["selected_options"]] == ["a", "b"]


async def test_a_channel_chosen_in_the_form_gives_a_response_url() -> None:
    async with running() as slack:
        slack.add_channel("C0SHARED001", "shared", ext_shared=True)
        menu = {
            "type": "conversations_select",
            "default_to_current_conversation": True,
            "response_url_enabled": True,
            "filter": {"include": ["public"], "exclude_external_shared_channels": True},
        }
        bot = Bot(slack, form(field("where", menu)))
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            assert modal.values == {"where": CHANNEL}
            for refused in ("C0SHARED001", "C0KYCREV001"):
                with pytest.raises(ClientRefuses):
                    await modal.choose("where", refused)
            await modal.submit()
        (given,) = bot.submitted[0]["response_urls"]
        assert given["channel_id"] == CHANNEL
        assert given["response_url"].startswith("http://127.0.0.1:")

"""What each kind of field begins with, holds, keeps over an update, and refuses."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.sandbox.slack import ClientRefuses, Modal
from bot.sandbox.slack.block_rules import faults_in_view
from tests.sandbox.slack_setup import AMINA, CHANNEL, JSON, REMI, button, by_http, field, form, option, running, section
from tests.sandbox.test_slack_modals import JPEG, TEXT_INPUT, Bot, opened

pytestmark = pytest.mark.anyio

A, B = option("a"), option("b")
PHOTO: JSON = {"type": "file_input", "max_files": 3}


def held(bot: Bot, block_id: str, action_id: str = "v") -> JSON:
    """What the last submission says of this field."""
    values: JSON = bot.submitted[-1]["view"]["state"]["values"]
    found: JSON = values[block_id][action_id]
    return found


async def test_what_a_field_begins_with_is_in_the_state() -> None:
    shown = {"emoji": True}
    first, second = ({**choice, "text": {**choice["text"], **shown}} for choice in (A, B))
    fields: dict[str, tuple[JSON, JSON]] = {
        "menu": (
            {"type": "static_select", "options": [A, B], "initial_option": A},
            {"type": "static_select", "selected_option": first},
        ),
        "menus": (
            {"type": "multi_static_select", "options": [A, B], "initial_options": [A, B]},
            {"type": "multi_static_select", "selected_options": [first, second]},
        ),
        "radio": (
            {"type": "radio_buttons", "options": [A, B], "initial_option": B},
            {"type": "radio_buttons", "selected_option": second},
        ),
        "boxes": (
            {"type": "checkboxes", "options": [A, B], "initial_options": [A]},
            {"type": "checkboxes", "selected_options": [first]},
        ),
        "day": (
            {"type": "datepicker", "initial_date": "1990-01-02"},
            {"type": "datepicker", "selected_date": "1990-01-02"},
        ),
        "moment": (
            {"type": "datetimepicker", "initial_date_time": 1795375467},
            {"type": "datetimepicker", "selected_date_time": 1795375467},
        ),
        "who": ({"type": "users_select", "initial_user": AMINA}, {"type": "users_select", "selected_user": AMINA}),
        "bank": (
            {"type": "external_select", "initial_option": A},
            {"type": "external_select", "selected_option": A},
        ),
        "mail": (
            {"type": "email_text_input", "initial_value": "ada@example.com"},
            {"type": "email_text_input", "value": "ada@example.com"},
        ),
        "site": (
            {"type": "url_text_input", "initial_value": "https://example.com"},
            {"type": "url_text_input", "value": "https://example.com"},
        ),
        "count": (
            {"type": "number_input", "is_decimal_allowed": False, "initial_value": "7"},
            {"type": "number_input", "value": "7"},
        ),
        "name": ({**TEXT_INPUT, "initial_value": "Ada"}, {"type": "plain_text_input", "value": "Ada"}),
    }
    async with running() as slack:
        bot = Bot(slack, form(*(field(block_id, element) for block_id, (element, _) in fields.items())))
        async with by_http(slack, bot.app):
            assert (await (await opened(slack)).submit()).closed
        for block_id, (_, expected) in fields.items():
            said = held(bot, block_id)
            if block_id == "bank":
                said["selected_option"]["text"].pop("emoji", None)
            assert said == expected, block_id


async def test_an_empty_field_is_in_the_state_too() -> None:
    empty: dict[str, tuple[JSON, JSON]] = {
        "menu": ({"type": "static_select", "options": [A]}, {"selected_option": None}),
        "menus": ({"type": "multi_static_select", "options": [A]}, {"selected_options": []}),
        "boxes": ({"type": "checkboxes", "options": [A]}, {"selected_options": []}),
        "moment": ({"type": "datetimepicker"}, {"selected_date_time": None}),
        "who": ({"type": "users_select"}, {"selected_user": None}),
        "photo": (PHOTO, {"files": []}),
    }
    async with running() as slack:
        fields = [field(block_id, element, optional=True) for block_id, (element, _) in empty.items()]
        bot = Bot(slack, form(*fields))
        async with by_http(slack, bot.app):
            await (await opened(slack)).submit()
        for block_id, (element, expected) in empty.items():
            assert held(bot, block_id) == {"type": element["type"], **expected}


async def test_an_update_after_the_submission_keeps_what_was_entered() -> None:
    async with running() as slack:
        fields = [
            field("photo", PHOTO),
            field("radio", {"type": "radio_buttons", "options": [A, B], "initial_option": A}),
            field("name", TEXT_INPUT),
        ]
        again = form(*fields, field("more", TEXT_INPUT, optional=True), callback_id="form")
        bot = Bot(slack, form(*fields), {"response_action": "update", "view": again})
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            photos = [await slack.person(AMINA).upload(JPEG, name) for name in ("a.jpg", "b.jpg")]
            await modal.attach("photo", *photos)
            await modal.choose("radio", "b")
            await modal.fill("name", "Ada")
            assert (await modal.submit()).updated is not None
            entered = {"photo": [photo.id for photo in photos], "radio": "b", "name": "Ada"}
            assert modal.values == {**entered, "more": None}
            bot.answer = {}
            assert (await modal.submit()).closed
        assert [file["id"] for file in held(bot, "photo")["files"]] == entered["photo"]


async def test_a_view_pushed_by_a_button_leaves_the_one_below_as_it_was() -> None:
    async with running() as slack:
        bot = Bot(slack, form(field("name", TEXT_INPUT), {"type": "actions", "elements": [button("deeper")]}))
        async with by_http(slack, bot.app):
            first = await opened(slack)
            await first.fill("name", "Ada")
            await first.click("deeper")
            second = await slack.person(AMINA).modal()
            assert (second.values, second.view["previous_view_id"]) == ({"name": None}, first.id)
            await second.close()
            assert (await slack.person(AMINA).modal()).id == first.id
            assert first.values == {"name": "Ada"}


async def test_many_may_be_chosen_as_far_as_the_menu_allows() -> None:
    async with running() as slack:
        bot = Bot(
            slack,
            form(
                field("some", {"type": "multi_static_select", "options": [A, B], "max_selected_items": 1}),
                field("banks", {"type": "multi_external_select", "min_query_length": 0}),
                field("people", {"type": "multi_users_select"}),
                field("moment", {"type": "datetimepicker"}),
            ),
        )

        @bot.app.options("v")
        async def _banks(ack: Any, body: JSON) -> None:
            await ack(options=[option(body["value"])])

        async with by_http(slack, bot.app):
            modal = await opened(slack)
            with pytest.raises(ClientRefuses):
                await modal.choose("some", ["a", "b"])
            with pytest.raises(ClientRefuses):
                await modal.choose("people", [AMINA, "U0NOBODY001"])
            await modal.choose("some", ["b"])
            await modal.choose("banks", ["zenith", "access"])
            await modal.choose("people", [AMINA, REMI])
            await modal.choose("moment", datetime(2026, 11, 22, tzinfo=UTC))
            await modal.submit()
        assert [chosen["value"] for chosen in held(bot, "banks")["selected_options"]] == ["zenith", "access"]
        assert held(bot, "people")["selected_users"] == [AMINA, REMI]
        assert held(bot, "moment")["selected_date_time"] == 1795305600


@pytest.mark.parametrize(
    ("element", "good", "bad"),
    [
        ({"type": "email_text_input"}, "ada@example.com", "ada at example"),
        ({"type": "url_text_input"}, "https://example.com/x", "example"),
        ({"type": "number_input", "is_decimal_allowed": False}, "-7", "7.5"),
        ({"type": "number_input", "is_decimal_allowed": True, "max_value": "7.5"}, "7.5", "7.51"),
        ({"type": "number_input", "is_decimal_allowed": False, "min_value": "1"}, "1", "0"),
    ],
)
async def test_the_client_wants_a_text_of_the_right_kind(element: JSON, good: str, bad: str) -> None:
    async with running() as slack:
        bot = Bot(slack, form(field("a", element)))
        async with by_http(slack, bot.app):
            modal = await opened(slack)
            await modal.fill("a", bad)
            with pytest.raises(ClientRefuses) as caught:
                await modal.submit()
            assert caught.value.block_ids == ("a",)
            await modal.fill("a", good)
            assert (await modal.submit()).closed


async def test_menus_beside_text_tell_at_once_and_an_overflow_leaves_no_state() -> None:
    overflow = {"type": "overflow", "action_id": "v", "options": [option("clear")]}
    choice = {"type": "static_select", "action_id": "v", "options": [A, B], "initial_option": A}
    rows = [
        {**section("me.jpg"), "block_id": "photo_1", "accessory": choice},
        {**section("card.jpg"), "block_id": "photo_2", "accessory": choice},
        {**section("more"), "block_id": "more", "accessory": overflow},
    ]
    async with running() as slack:
        bot = Bot(slack, form(*rows))
        async with by_http(slack, bot.app):
            modal: Modal = await opened(slack)
            await modal.choose("photo_2", "b")
            await modal.click("v", value="clear")
            assert modal.values == {"photo_1": "a", "photo_2": "b"}
            await modal.submit()
        chosen, cleared = (body["actions"][0] for body in bot.actions)
        assert (chosen["block_id"], chosen["selected_option"]["value"]) == ("photo_2", "b")
        assert (cleared["block_id"], cleared["selected_option"]["value"]) == ("more", "clear")
        assert set(bot.submitted[0]["view"]["state"]["values"]) == {"photo_1", "photo_2"}


async def test_a_modal_opened_from_a_message_knows_its_conversation() -> None:
    menu = {"type": "conversations_select", "default_to_current_conversation": True}
    async with running() as slack:
        bot = Bot(slack, form(field("where", menu)))
        bot.app.shortcut("kyc_check_message")(bot.open)
        async with by_http(slack, bot.app):
            amina = slack.person(AMINA)
            message = await amina.say(CHANNEL, "photos")
            await amina.message_shortcut("kyc_check_message", CHANNEL, message.ts)
            assert (await amina.modal()).values == {"where": CHANNEL}


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ({"type": "datetimepicker", "initial_date_time": 12}, "between"),
        ({"type": "datetimepicker", "initial_date_time": "2026-11-22"}, "integer"),
        ({"type": "number_input", "is_decimal_allowed": False, "initial_value": 7}, "string"),
        ({"type": "number_input", "initial_value": "7"}, "is_decimal_allowed"),
        ({"type": "users_select", "initial_user": 7}, "string"),
        ({"type": "multi_users_select", "max_selected_items": 0}, "between"),
        ({"type": "overflow", "options": [A]}, "unsupported type"),
        ({"type": "radio_buttons", "options": [A], "initial_option": B}, "exactly match"),
    ],
)
def test_fields_that_slack_would_not_show_are_refused(element: JSON, fault: str) -> None:
    faults = faults_in_view(form(field("a", element)))
    assert [fault in text for text in faults] == [True]

"""What a person does on the page reaches the bot as Slack would send it, and shows what Slack's client shows."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.sandbox.page.acts import REQUIRED, TROUBLE
from bot.sandbox.slack.world import BOT_USER_ID
from tests.sandbox.page.world import AMINA, CHANNEL, JSON, REMI, Browser, Site, page_of
from tests.sandbox.slack_setup import (
    bolt_for,
    button,
    by_http,
    client_of,
    field,
    form,
    option,
    plain_text,
    section,
)

pytestmark = pytest.mark.anyio

CONFIRM = {name: plain_text(name.title()) for name in ("title", "text", "confirm", "deny")}
FIELDS = (
    field("country", {"type": "static_select", "options": [option("nigeria"), option("ghana")]}, dispatch_action=True),
    field("id_number", {"type": "plain_text_input", "max_length": 11}),
    field("selfie", {"type": "file_input", "filetypes": ["jpg", "png"], "max_files": 1}),
    field("liveness", {"type": "file_input", "max_files": 8}, optional=True),
    field("when", {"type": "datetimepicker"}, optional=True),
    field("dob", {"type": "datepicker"}, optional=True),
    field("consent", {"type": "checkboxes", "options": [option("agreed")]}, optional=True),
    field("who", {"type": "users_select"}, optional=True),
    field("found", {"type": "external_select", "min_query_length": 1}, optional=True),
)


class Bot:
    """Opens a form on /kyc and on shortcuts, and remembers every payload."""

    def __init__(self, site: Site) -> None:
        self.app = bolt_for(site.slack)
        self.heard: list[JSON] = []
        self.view = form(*FIELDS)
        self.answer: JSON = {}
        self.delay_seconds = 0.0
        self.app.command("/kyc")(self._open)
        self.app.shortcut(re.compile("kyc_check.*"))(self._open)
        self.app.action(re.compile(".*"))(self._take)
        self.app.event("app_mention")(self._take)
        self.app.event("message")(self._take)
        self.app.event("app_home_opened")(self._home)
        self.app.options("v")(self._offer)
        self.app.view("form")(self._submitted)
        self.app.view_closed("form")(self._take)

    @property
    def last(self) -> JSON:
        return self.heard[-1]

    async def _take(self, ack: Any, body: JSON) -> None:
        self.heard.append(body)
        await ack()

    async def _open(self, ack: Any, body: JSON, client: Any) -> None:
        self.heard.append(body)
        await asyncio.sleep(self.delay_seconds)
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=self.view)

    async def _home(self, event: JSON, client: Any) -> None:
        await client.views_publish(
            user_id=event["user"],
            view={"type": "home", "blocks": [{"type": "actions", "elements": [button("start", "Start", "now")]}]},
        )

    async def _offer(self, ack: Any, body: JSON) -> None:
        await ack(options=[option(f"{body['value']}-1")])

    async def _submitted(self, ack: Any, body: JSON) -> None:
        self.heard.append(body)
        await asyncio.sleep(self.delay_seconds)
        await ack(**self.answer)


@asynccontextmanager
async def played(**options: Any) -> AsyncIterator[tuple[Site, Browser, Bot]]:
    async with page_of(**options) as site:
        bot = Bot(site)
        async with by_http(site.slack, bot.app):
            yield site, site.browser(), bot


async def _opened(amina: Browser) -> str:
    await amina.say("/kyc")
    return await amina.form()


# Writing


async def test_a_mention_reaches_the_bot_and_stands_in_the_channel() -> None:
    async with played() as (site, amina, bot):
        answer = await amina.say("@kyc-bot check R&D <@U0REMI00001> https://example.com/a.", ada_jpg=b"\xff\xd8")
        shown = await amina.sees()
    assert answer["ok"]
    said = site.slack.messages(CHANNEL)[0]
    assert said.text == (f"<@{BOT_USER_ID}> check R&amp;D &lt;@U0REMI00001&gt; <https://example.com/a>."), (
        "only what the client marks is a mark"
    )
    assert bot.last["event"]["type"] == "app_mention"
    assert bot.last["event"]["files"][0]["name"] == "ada.jpg"
    assert '<span class="mention">@kyc-bot</span>' in shown


async def test_the_bot_is_mentioned_by_the_name_that_its_manifest_gives_too() -> None:
    async with played() as (site, amina, bot):
        await amina.say("@kyc NG BVN")
    assert site.slack.messages(CHANNEL)[0].text == f"<@{BOT_USER_ID}> NG BVN"
    assert bot.last["event"]["type"] == "app_mention"


async def test_more_files_than_one_message_takes_are_refused_in_words() -> None:
    async with played() as (site, amina, _bot):
        refused, taken = [
            await amina.say("@kyc-bot", channel=CHANNEL, thread="", **{f"{one}_csv": b"a,b" for one in range(count)})
            for count in (11, 10)
        ]
    assert refused == {"ok": False, "says": "Slack takes at most 10 files in one message, and these are 11."}
    assert taken["ok"]
    assert [len(message.files) for message in site.slack.messages(CHANNEL)] == [10]


async def test_a_reply_stands_in_its_thread_with_the_sample_photos() -> None:
    async with played() as (site, amina, _bot):
        await amina.say("root")
        root = site.slack.messages(CHANNEL)[0]
        response = await site.client.post(
            "/as/amina/say", data={"channel": CHANNEL, "thread": root.ts, "text": "photos", "samples": "1"}
        )
        channel, thread = await amina.panes(), await amina.panes(thread=root.ts)
    assert response.json()["ok"]
    reply = site.slack.thread(CHANNEL, root.ts)[1]
    assert [file.name for file in reply.files] == ["selfie.jpg", *(f"liveness_{number}.jpg" for number in range(8))]
    assert "1 reply" in channel["messages"]
    assert "photos" not in channel["messages"]
    assert "liveness_7.jpg" in thread["thread"]


async def test_a_direct_message_goes_to_the_bot_alone() -> None:
    async with played() as (site, amina, bot):
        await amina.say("hello", channel="D0AMINA0001")
        await site.slack.wait_for(lambda: bool(bot.heard))
    assert (bot.last["event"]["channel_type"], bot.last["event"]["text"]) == ("im", "hello")


async def test_one_takes_back_ones_own_message_and_no_other() -> None:
    async with played() as (site, amina, _bot):
        await amina.say("mine")
        await site.slack.person(REMI).say(CHANNEL, "remi's")
        mine, theirs = site.slack.messages(CHANNEL)
        done = await amina.post("delete", {"channel": CHANNEL, "ts": mine.ts})
        refused = await amina.post("delete", {"channel": CHANNEL, "ts": theirs.ts})
        shown = (await amina.panes())["messages"]
    assert (done["ok"], refused["ok"]) == (True, False)
    assert site.slack.messages(CHANNEL) == [theirs]
    assert shown.count('data-act="delete"') == 0


# Commands and shortcuts


async def test_a_command_brings_its_words_and_place() -> None:
    async with played() as (_site, amina, bot):
        await amina.say("/kyc list <all> & more")
        assert (bot.last["command"], bot.last["text"]) == ("/kyc", "list <all> & more")
        assert (bot.last["channel_id"], bot.last["user_id"]) == (CHANNEL, AMINA)


@pytest.mark.parametrize(("text", "in_thread"), [("/nope", False), ("/kyc", True)])
async def test_slack_itself_says_which_command_it_does_not_take(text: str, in_thread: bool) -> None:
    async with played() as (site, amina, bot):
        await amina.say("root")
        ts = site.slack.messages(CHANNEL)[0].ts
        bot.heard.clear()
        await amina.say(text, thread=ts if in_thread else "")
        own = await amina.sees(thread=ts)
        other = await site.browser("remi").sees(thread=ts)
        assert bot.heard == []
    assert "Slackbot" in own
    assert "Only visible to you" in own
    assert "Slackbot" not in other


async def test_a_command_that_is_not_answered_fails_in_words() -> None:
    async with played(answer_seconds=0.05) as (_site, amina, bot):
        bot.delay_seconds = 1
        await amina.say("/kyc")
        assert "/kyc failed with the error “operation_timeout”" in await amina.sees()


async def test_shortcuts_of_the_manifest_reach_the_bot() -> None:
    async with played() as (site, amina, bot):
        await amina.say("photos")
        message = site.slack.messages(CHANNEL)[0]
        shown = await amina.sees()
        await amina.post("shortcut", {"callback": "kyc_check"})
        assert bot.last["type"] == "shortcut"
        await amina.post("message-shortcut", {"callback": "kyc_check_message", "channel": CHANNEL, "ts": message.ts})
        assert (bot.last["type"], bot.last["message"]["ts"]) == ("message_action", message.ts)
    assert 'data-act="shortcut" data-callback="kyc_check"' in shown
    assert 'data-act="message-shortcut" data-callback="kyc_check_message"' in shown


# Buttons


async def _post_button(site: Site, **more: Any) -> str:
    client = client_of(site.slack)
    blocks = [section("*K-1*"), {"type": "actions", "block_id": "b", "elements": [button("go", "Go", "K-1") | more]}]
    posted = await client.chat_postMessage(channel=CHANNEL, text="K-1", blocks=blocks)
    return str(posted["ts"])


async def test_a_button_of_a_message_is_pressed_with_its_value() -> None:
    async with played() as (site, amina, bot):
        ts = await _post_button(site, confirm=CONFIRM)
        shown = await amina.sees()
        await amina.post("click", {"channel": CHANNEL, "ts": ts, "action": "go", "value": "K-1"})
        assert bot.last["type"] == "block_actions"
        assert bot.last["actions"][0]["value"] == "K-1"
        assert bot.last["message"]["ts"] == ts
    assert re.search(r'<button type="button" id="\S+" data-act="press" data-block="b" data-action="go"', shown)
    assert re.search(r'<dialog class="confirm" id="\S+" aria-labelledby="\S+">', shown)


async def test_of_two_buttons_that_are_alike_the_one_that_was_pressed_is_told() -> None:
    async with played() as (site, amina, bot):
        alike = [{"type": "actions", "block_id": name, "elements": [button("go", "Go", "K-1")]} for name in "ab"]
        posted = await client_of(site.slack).chat_postMessage(channel=CHANNEL, text="x", blocks=alike)
        where = {"channel": CHANNEL, "ts": posted["ts"], "action": "go", "value": "K-1"}
        for block in "ba":
            await amina.post("click", {**where, "block": block})
            assert bot.last["actions"][0]["block_id"] == block
        refused = await amina.post("click", {**where, "block": "c"})
    assert not refused["ok"]


@pytest.mark.parametrize(
    ("element", "value", "told"),
    [
        ({"type": "datepicker"}, "2026-11-27", {"selected_date": "2026-11-27"}),
        ({"type": "timepicker"}, "09:30", {"selected_time": "09:30"}),
        ({"type": "users_select"}, REMI, {"selected_user": REMI}),
        ({"type": "radio_buttons", "options": [option("a"), option("b")]}, "b", {"selected_option": "b"}),
        ({"type": "checkboxes", "options": [option("a"), option("b")]}, ["a", "b"], {"selected_options": ["a", "b"]}),
        ({"type": "checkboxes", "options": [option("a"), option("b")]}, [], {"selected_options": []}),
    ],
)
async def test_what_is_chosen_in_a_message_reaches_the_bot(element: JSON, value: object, told: JSON) -> None:
    async with played() as (site, amina, bot):
        blocks = [section("x") | {"block_id": "b", "accessory": {"action_id": "pick", **element}}]
        posted = await client_of(site.slack).chat_postMessage(channel=CHANNEL, text="x", blocks=blocks)
        await amina.post(
            "click", {"channel": CHANNEL, "ts": posted["ts"], "block": "b", "action": "pick", "value": value}
        )
        action = bot.last["actions"][0]
        state = bot.last["state"]["values"]["b"]["pick"]
        shown = (await amina.panes())["messages"]
    for said in (action, state):
        (name,) = told
        inner = said[name]
        plain = [one["value"] for one in inner] if isinstance(inner, list) else inner
        assert {name: plain["value"] if isinstance(plain, dict) else plain} == told
    assert "not drawn" not in shown


async def test_an_ephemeral_message_is_seen_and_pressed_by_one_person_alone() -> None:
    async with played() as (site, amina, bot):
        await client_of(site.slack).chat_postEphemeral(
            channel=CHANNEL,
            user=AMINA,
            text="psst",
            blocks=[{"type": "actions", "elements": [button("yes", "Yes, please")]}],
        )
        ts = site.slack.ephemerals(AMINA)[0].ts
        remi = site.browser("remi")
        own, other = await amina.sees(), await remi.sees()
        refused = await remi.post("click", {"channel": CHANNEL, "ts": ts, "action": "yes"})
        done = await amina.post("click", {"channel": CHANNEL, "ts": ts, "action": "yes"})
        assert bot.last["container"]["is_ephemeral"]
    assert "Yes, please" in own
    assert "Yes, please" not in other
    assert (refused["ok"], done["ok"]) == (False, True)


async def test_a_click_that_is_not_answered_says_so() -> None:
    async with page_of(answer_seconds=0.05) as site:
        ts = await _post_button(site)
        answer = await site.browser().post("click", {"channel": CHANNEL, "ts": ts, "action": "go"})
    assert not answer["ok"]
    assert "did not answer" in answer["says"]


async def test_the_home_tab_is_opened_and_its_buttons_are_pressed() -> None:
    async with played() as (site, amina, bot):
        empty = await amina.sees("home")
        await amina.post("home", {})
        await site.slack.wait_for(lambda: site.slack.person(AMINA).home is not None)
        shown = await amina.sees("home")
        await amina.post("click", {"home": True, "action": "start", "value": "now"})
        assert (bot.last["container"]["type"], bot.last["actions"][0]["value"]) == ("view", "now")
    assert "The Home tab is empty" in empty
    assert 'data-home="1"' in shown


# Forms


async def test_a_form_is_filled_in_and_sent() -> None:
    async with played() as (site, amina, bot):
        view = await _opened(amina)
        here = {"view": view, "action": "v"}
        await amina.post("choose", here | {"block": "country", "value": "ghana"})
        assert bot.last["actions"][0]["selected_option"]["value"] == "ghana"
        await amina.post("fill", here | {"block": "id_number", "text": "123"})
        await amina.post("choose", here | {"block": "dob", "value": "1990-01-02"})
        await amina.post("choose", here | {"block": "when", "value": "2026-11-22T15:30"})
        await amina.post("choose", here | {"block": "consent", "value": ["agreed"]})
        await amina.post("choose", here | {"block": "who", "value": REMI})
        await amina.post("choose", here | {"block": "found", "value": "x-1", "typed": "x"})
        for block in ("selfie", "liveness"):
            await site.client.post("/as/amina/attach", data={"view": view, "block": block, "samples": "1"})
        shown = (await amina.panes())["modal"]
        sent = await amina.post("submit", {"view": view})
        gone = (await amina.panes())["modal"]
    held = {block: element["v"] for block, element in bot.last["view"]["state"]["values"].items()}
    assert bot.last["type"] == "view_submission"
    assert sent["ok"]
    assert gone == ""
    assert held["id_number"]["value"] == "123"
    assert held["dob"]["selected_date"] == "1990-01-02"
    # 15:30 in Lagos.
    assert held["when"]["selected_date_time"] == 1795357800
    assert [one["value"] for one in held["consent"]["selected_options"]] == ["agreed"]
    assert held["who"]["selected_user"] == REMI
    assert held["found"]["selected_option"]["value"] == "x-1"
    assert [len(held[name]["files"]) for name in ("selfie", "liveness")] == [1, 8]
    for words in (
        '<option value="ghana" selected>',
        'value="123"',
        'value="1990-01-02"',
        'value="2026-11-22T15:30"',
        'value="agreed" checked',
        f'<option value="{REMI}" selected>',
        'value="X-1"',
        "▤ selfie.jpg",
        "▤ liveness_7.jpg",
    ):
        assert words in shown


async def test_files_are_added_and_taken_away_again() -> None:
    async with played() as (site, amina, _bot):
        view = await _opened(amina)
        for name in ("a.jpg", "b.jpg"):
            data = {"view": view, "block": "liveness"}
            await site.client.post("/as/amina/attach", data=data, files={"files": (name, b"\xff\xd8")})
        modal = site.slack.person(AMINA).open_modals[-1]
        first, _second = modal.values["liveness"]
        await amina.post("detach", {"view": view, "block": "liveness", "file": first})
        shown = (await amina.panes())["modal"]
        refused = await site.client.post(
            "/as/amina/attach", data={"view": view, "block": "selfie"}, files={"files": ("a.pdf", b"%PDF")}
        )
    assert "a.jpg" not in shown
    assert 'aria-label="Remove b.jpg"' in shown
    assert not refused.json()["ok"]


async def test_a_field_that_is_missing_is_marked_before_anything_is_sent() -> None:
    async with played() as (_site, amina, bot):
        view = await _opened(amina)
        bot.heard.clear()
        answer = await amina.post("submit", {"view": view})
        shown = (await amina.panes())["modal"]
        await amina.post("fill", {"view": view, "block": "id_number", "action": "v", "text": "1"})
        mended = (await amina.panes())["modal"]
        assert bot.heard == []
    assert not answer["ok"]
    assert shown.count(REQUIRED) == 3
    assert mended.count(REQUIRED) == 2
    found = re.search(r'data-block="id_number"[^>]* aria-describedby="(\S+)" aria-invalid="true"', shown)
    assert found is not None
    assert f'id="{found[1]}">{REQUIRED}' in shown


async def _filled(site: Site, amina: Browser) -> str:
    view = await _opened(amina)
    await amina.post("choose", {"view": view, "action": "v", "block": "country", "value": "ghana"})
    await amina.post("fill", {"view": view, "action": "v", "block": "id_number", "text": "123"})
    await site.client.post("/as/amina/attach", data={"view": view, "block": "selfie", "samples": "1"})
    return view


async def test_errors_of_the_bot_stand_beside_their_fields() -> None:
    async with played() as (site, amina, bot):
        view = await _filled(site, amina)
        bot.answer = {"response_action": "errors", "errors": {"id_number": "Eleven digits <please>."}}
        answer = await amina.post("submit", {"view": view})
        shown = (await amina.panes())["modal"]
    assert not answer["ok"]
    assert re.search(r'class="error" id="\S+">Eleven digits &lt;please&gt;\.<', shown)


async def test_a_form_that_is_not_answered_stays_and_says_so() -> None:
    async with played(answer_seconds=0.5) as (site, amina, bot):
        view = await _filled(site, amina)
        bot.delay_seconds = 2
        await amina.post("submit", {"view": view})
        shown = (await amina.panes())["modal"]
    assert TROUBLE in shown
    assert f'data-view="{view}"' in shown


async def test_a_menu_that_asks_the_bot_offers_what_it_answers() -> None:
    async with played() as (site, amina, _bot):
        view = await _opened(amina)
        response = await site.client.get("/as/amina/suggest", params={"view": view, "block": "found", "typed": "ada"})
    assert response.json() == {"options": [{"value": "ada-1", "text": "Ada-1"}]}


async def test_views_are_stacked_and_closed_one_by_one() -> None:
    async with played() as (site, amina, bot):
        bot.view = form(notify_on_close=True)
        below = await _opened(amina)
        trigger = site.slack.person(AMINA).open_modals[-1]
        bot.answer = {"response_action": "push", "view": form(title=plain_text("Above"), notify_on_close=True)}
        await trigger.choose("country", "ghana")
        await trigger.fill("id_number", "1")
        await site.client.post("/as/amina/attach", data={"view": below, "block": "selfie", "samples": "1"})
        await amina.post("submit", {"view": below})
        shown = (await amina.panes())["modal"]
        above = await amina.form()
        refused = await amina.post("close", {"view": below})
        await amina.post("close", {"view": above})
        assert await amina.form() == below
        await amina.post("close", {"view": below, "all": True})
        assert bot.last["type"] == "view_closed"
        assert bot.last["is_cleared"]
        gone = (await amina.panes())["modal"]
    assert 'aria-label="Back"' in shown
    assert not refused["ok"]
    assert gone == ""


async def test_a_form_is_one_persons() -> None:
    async with played() as (site, amina, _bot):
        view = await _opened(amina)
        remi = site.browser("remi")
        assert (await remi.panes())["modal"] == ""
        answer = await remi.post("submit", {"view": view})
    assert answer == {"ok": False, "says": "this form is no longer open"}


async def test_a_form_that_clears_on_close_takes_the_stack_along() -> None:
    async with played() as (site, amina, bot):
        below = await _filled(site, amina)
        bot.answer = {"response_action": "push", "view": form(clear_on_close=True)}
        await amina.post("submit", {"view": below})
        await amina.post("close", {"view": await amina.form()})
        assert (await amina.panes())["modal"] == ""


# Notices and marks


async def test_a_direct_message_of_the_bot_is_noticed_by_everybody_until_it_is_read() -> None:
    async with page_of() as site:
        await client_of(site.slack).chat_postMessage(channel=REMI, text="K-1 waits for you")
        before = await site.browser("amina").panes()
        own = await site.browser("remi").panes()
        musa = site.browser("musa")
        await musa.post("dismiss", {"user": REMI, "ts": site.slack.direct_messages(REMI)[0].ts})
        dismissed = await musa.panes()
        await client_of(site.slack).chat_postMessage(channel=REMI, text="K-2 waits, too")
        again = await musa.panes()
        await site.browser("remi").panes("D0REMI00001")
        after = await site.browser("amina").panes()
    assert "K-1 waits for you" in before["notices"]
    assert 'href="/as/remi/D0REMI00001"' in before["notices"]
    assert own["notices"] == ""
    assert dismissed["notices"] == ""
    assert "2 direct messages" in again["notices"]
    assert "1 unread" in own["sidebar"]
    assert after["notices"] == ""


async def test_what_is_not_looked_at_stays_unread() -> None:
    async with page_of() as site:
        amina = site.browser()
        await site.slack.person(REMI).say(CHANNEL, "hello")
        for seen in ("0", "1"):
            await amina.panes(seen=seen)
            told = (await amina.panes("home"))["sidebar"]
            assert ("1 unread" in told) is (seen == "0")


@pytest.mark.parametrize(
    "given", [{}, {"view": 3}, {"action": "v"}, [], {"channel": CHANNEL, "ts": "x", "action": "v"}]
)
async def test_what_is_not_understood_is_refused(given: Any) -> None:
    async with page_of() as site:
        for act in ("click", "fill", "choose", "submit", "close", "delete", "detach", "shortcut", "message-shortcut"):
            response = await site.client.post(f"/as/amina/{act}", json=given)
            assert response.status_code in (200, 400, 404), (act, response.text)
            assert not response.json()["ok"], act

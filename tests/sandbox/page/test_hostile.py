"""Names, texts and files that would like to be more than that."""

from html.parser import HTMLParser

import pytest

from bot.sandbox.page.drawing import file
from tests.sandbox.page.world import AMINA, CHANNEL, REMI, page_of
from tests.sandbox.slack_setup import button, client_of, field, form, option, plain_text, section

pytestmark = pytest.mark.anyio

EVIL = """</div><script>alert(1)</script><img src=x onerror="alert(2)">' onfocus='alert(3)' {{ 7*7 }} <b>bold</b>"""


class _Reader(HTMLParser):
    """Collects what a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "iframe", "object", "style") and not (given.get("src") or "").startswith("/static/"):
            self.faults.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style" or (value or "").strip().lower().startswith("javascript:"):
                self.faults.append(f"{tag} {name}={value}")
        if tag == "img" and not (given.get("src") or "").startswith("/as/"):
            self.faults.append(f"img {given}")


def faults(page: str) -> list[str]:
    reader = _Reader()
    reader.feed(page)
    return reader.faults


async def test_a_hostile_workspace_stays_text() -> None:
    async with page_of() as site:
        slack = site.slack
        slack.add_user("U0EVIL00001", EVIL)
        slack.add_channel("C0EVIL00001", EVIL, members=[AMINA, REMI, "U0EVIL00001"])
        client = client_of(slack)
        amina = site.browser()
        await amina.say(EVIL, channel="C0EVIL00001")
        root = slack.messages("C0EVIL00001")[0].ts
        await slack.person("U0EVIL00001").upload(b"\xff\xd8", f"{EVIL.replace('/', '')}.jpg", channel_id="C0EVIL00001")
        await slack.person("U0EVIL00001").upload(EVIL.encode(), "evil.csv", channel_id="C0EVIL00001")
        evil = plain_text(EVIL[:74])
        blocks = [
            {"type": "header", "text": plain_text(EVIL)},
            section(EVIL.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")),
            {"type": "context", "elements": [plain_text(EVIL)]},
            {
                "type": "actions",
                "block_id": EVIL[:200],
                "elements": [
                    button(EVIL[:200], EVIL[:74], EVIL) | {"accessibility_label": EVIL[:74]},
                    {"type": "static_select", "placeholder": evil, "options": [{"text": evil, "value": EVIL[:74]}]},
                ],
            },
        ]
        await client.chat_postMessage(channel="C0EVIL00001", text="x", blocks=blocks)
        await client.chat_postMessage(channel=REMI, text=EVIL.replace("<", "&lt;").replace(">", "&gt;"))
        whole = (await amina.page("C0EVIL00001", thread=root)).text
        other = (await site.client.get("/as/U0EVIL00001/C0EVIL00001")).text
        html = {"Accept": "text/html"}
        missing = (await site.client.get("/as/amina/C0NOWHERE<script>", headers=html)).text
        nobody = (await site.client.get("/as/<script>alert(1)<b>/x", headers=html)).text
    for page in (whole, other, missing, nobody):
        assert faults(page) == []
    assert "{{ 7*7 }}" in whole
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in whole


async def test_a_hostile_form_stays_text() -> None:
    async with page_of() as site:
        evil = plain_text(EVIL[:70])
        view = form(
            field("a", {"type": "plain_text_input", "initial_value": EVIL, "placeholder": evil}, hint=evil),
            field("b", {"type": "plain_text_input", "initial_value": f"</textarea>{EVIL}", "multiline": True}),
            field("c", {"type": "checkboxes", "options": [{"text": evil, "value": EVIL[:70], "description": evil}]}),
            field("d", {"type": "radio_buttons", "options": [option("x") | {"text": evil}]}),
            title=plain_text("<script>"),
        )
        slack = site.slack
        # As a bot's answer to a command opens it.
        trigger = slack.person(AMINA)._stage.triggers.issue(AMINA)
        await client_of(slack).views_open(trigger_id=trigger, view=view)
        modal = (await site.browser().panes())["modal"]
        refused = await site.browser().post("submit", {"view": await site.browser().form()})
    assert not refused["ok"]
    assert faults(modal) == []
    assert modal.count("&lt;script&gt;") >= 5


async def test_a_block_that_is_not_known_is_a_visible_box(caplog: pytest.LogCaptureFixture) -> None:
    async with page_of() as site:
        message = site.slack.world.post(
            CHANNEL, user="U0KYCBOT001", text="x", blocks=[{"type": "video<b>", "block_id": "a"}, section("after")]
        )
        shown = (await site.browser().panes())["messages"]
    assert message.ts in shown
    assert "This block is not drawn here" in shown
    assert "no drawing for a video&lt;b&gt;" in shown
    assert "after" in shown
    assert "a block is not drawn" in caplog.text


@pytest.mark.parametrize(
    "words", ["http://[x", "https://[::1/x", "\ue0005\ue001", "`\ue0000\ue001`", "<!date^1e9^{date}|x>"]
)
async def test_no_words_of_a_person_close_the_channel_to_others(words: str) -> None:
    async with page_of() as site:
        await site.browser("remi").say(f"look: {words}")
        assert "look: " in await site.browser("amina").sees()


@pytest.mark.parametrize(
    "words", ["<http://[x|y>", "<!date^1|x>", "<!date^now^{date}|x>", f"<!date^{10**17}^{{date}}|x>", "\ue0005\ue001"]
)
async def test_no_words_of_the_bot_close_the_channel(words: str) -> None:
    async with page_of() as site:
        await client_of(site.slack).chat_postMessage(
            channel=CHANNEL, text="x", blocks=[section(words), section("after")]
        )
        assert "after" in await site.browser().sees()


@pytest.mark.parametrize("shown", ["0", "-1", "x", "9" * 5000])
async def test_a_number_of_messages_that_makes_no_sense_is_the_usual_one(shown: str) -> None:
    async with page_of() as site:
        await site.browser().say("hello")
        assert "hello" in await site.browser().sees(shown=shown)


async def test_files_are_shown_only_where_a_browser_can_do_no_harm_with_them() -> None:
    async with page_of() as site:
        slack = site.slack
        person = slack.person(AMINA)
        page = await person.upload(b"<script>alert(1)</script>", "x.html", channel_id=CHANNEL)
        drawing = await person.upload(b"<svg onload='alert(1)'/>", "x.svg", channel_id=CHANNEL)
        photo = await person.upload(b"\xff\xd8", "x.jpg", channel_id=CHANNEL)
        own = await person.upload(b"secret", "own.txt")
        answers = [await site.client.get(f"/as/amina/files/{one.id}") for one in (page, drawing, photo, own)]
        others = [await site.client.get(f"/as/remi/files/{one.id}") for one in (photo, own)]
    kinds = [answer.headers["content-type"] for answer in answers]
    assert kinds == ["application/octet-stream", "application/octet-stream", "image/jpeg", "application/octet-stream"]
    assert [answer.headers.get("content-disposition") for answer in answers] == ["attachment"] * 2 + [
        None,
        "attachment",
    ]
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in answers)
    assert all("sandbox" in answer.headers["content-security-policy"] for answer in answers)
    assert [answer.status_code for answer in others] == [200, 404]


def test_a_file_is_drawn_as_text() -> None:
    assert faults(file(EVIL, size_bytes=1, content=EVIL, link=f"/as/{EVIL}")) == []

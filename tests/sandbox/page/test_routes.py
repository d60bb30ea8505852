"""What the page answers: who sees what, and whom it turns away."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.sandbox.page.rendering import STATIC
from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack.world import User
from tests.sandbox.page.world import AMINA, CHANNEL, GIFT, REMI, REVIEW, page_of
from tests.sandbox.slack_setup import button, client_of, running, section

pytestmark = pytest.mark.anyio


async def test_the_address_may_be_opened_at_once() -> None:
    async with running() as slack, serve_page(slack) as address:
        parts = urlsplit(address)
        # Without a turn of the event loop.
        socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=1).close()


async def test_the_address_opens_on_the_first_channel_of_the_first_person() -> None:
    async with page_of() as site:
        response = await site.client.get("/")
    assert response.url.path == f"/as/amina/{CHANNEL}"
    assert "Invented people" in response.text
    assert "You are <b>amina</b>" in response.text


async def test_everybody_sees_their_channels_alone() -> None:
    async with page_of() as site:
        amina = await site.browser("amina").panes()
        remi = await site.browser("remi").panes(REVIEW)
        refused = await site.browser("amina").page(REVIEW)
    assert "kyc-review" not in amina["sidebar"]
    assert "kyc-review" in remi["sidebar"]
    assert refused.status_code == 404


async def test_a_guest_sees_only_the_channels_that_they_are_in() -> None:
    async with page_of() as site:
        gift = site.browser("gift")
        before = await gift.page(CHANNEL)
        refused = await gift.say("May I?")
        site.slack.channels[CHANNEL].members.add(GIFT)
        after = await gift.page(CHANNEL)
    assert (before.status_code, after.status_code) == (404, 200)
    assert not refused["ok"]
    assert site.slack.messages(CHANNEL) == []


async def test_a_direct_conversation_is_its_two_partners_alone() -> None:
    async with page_of() as site:
        await site.slack.person("U0REMI00001").write("a secret of remi's")
        own = await site.browser("remi").sees("D0REMI00001")
        other = await site.browser("amina").page("D0REMI00001")
    assert "a secret of remi" in own
    assert other.status_code == 404


async def test_who_is_turned_away_reads_why() -> None:
    async with page_of() as site:
        asks = {"Accept": "text/html"}
        private = await site.client.get(f"/as/gift/{REVIEW}", headers=asks)
        nobody = await site.client.get(f"/as/ghost/{CHANNEL}", headers=asks)
    assert f"<p>Gift sees no channel {REVIEW}.</p>" in private.text
    assert "<p>Nobody here is called ghost.</p>" in nobody.text


async def test_a_post_of_another_page_is_refused() -> None:
    async with page_of() as site:
        response = await site.client.post(
            "/as/amina/say", data={"channel": CHANNEL, "text": "hi"}, headers={"X-Workspace": ""}
        )
    assert response.status_code == 403
    assert site.slack.messages(CHANNEL) == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_page_may_only_lead_here(site: str) -> None:
    """What another port of this machine serves is of the same site."""
    by_itself = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    async with page_of() as place:
        await place.slack.person("U0REMI00001").say(CHANNEL, "news")
        refused = [
            await place.client.get(path, headers=by_itself)
            for path in (f"/as/amina/{CHANNEL}/panes", "/events", f"/as/amina/{CHANNEL}", "/static/page.js")
        ]
        unread = (await place.browser().panes("home"))["sidebar"]
        led = await place.client.get(f"/as/amina/{CHANNEL}", headers=by_itself | {"Sec-Fetch-Mode": "navigate"})
    assert {response.status_code for response in refused} == {403}
    assert "1 unread" in unread
    assert led.status_code == 200
    assert led.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "workspace.test:8000"])
async def test_a_foreign_name_for_the_loopback_is_refused(host: str) -> None:
    async with page_of() as site:
        response = await site.client.get(f"/as/amina/{CHANNEL}", headers={"Host": host})
    assert response.status_code == 400


async def test_nothing_comes_from_another_host_and_no_script_stands_in_the_page() -> None:
    async with page_of() as site:
        response = await site.browser().page()
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert "<script>" not in response.text
    assert "style=" not in response.text
    assert "//" not in response.text.replace("<!doctype html>", "")


async def test_the_panes_that_a_browser_has_are_not_sent_again() -> None:
    async with page_of() as site:
        first = (await site.client.get(f"/as/amina/{CHANNEL}/panes")).json()
        have = {"X-Have": httpx.Response(200, json=first["versions"]).text}
        again = (await site.client.get(f"/as/amina/{CHANNEL}/panes", headers=have)).json()
        await site.browser("remi").say("news")
        news = (await site.client.get(f"/as/amina/{CHANNEL}/panes", headers=have)).json()
    assert again["panes"] == {}
    assert "news" in news["panes"]["messages"]


async def test_a_stream_of_events_tells_of_each_change() -> None:
    async with page_of() as site, site.client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        heard = [await anext(lines) for _ in range(4)]
        await site.browser("remi").say("news")
        heard += [await anext(lines)]
    assert heard.count("event: changed") == 2


async def test_a_permalink_leads_to_its_place_on_the_page() -> None:
    async with page_of() as site:
        remi = site.slack.person("U0REMI00001")
        root = await remi.say(CHANNEL, "root")
        reply = await remi.say(CHANNEL, "reply", thread_ts=root.ts)
        client = client_of(site.slack)
        links = [
            (await client.chat_getPermalink(channel=CHANNEL, message_ts=post.ts))["permalink"] for post in (root, reply)
        ]
        await client.chat_postMessage(channel=CHANNEL, text=" ".join(f"<{link}|here>" for link in links))
        shown = await site.browser().sees()
    for anchor in (f"#m{root.ts}", f"#t{reply.ts}"):
        assert f'<a href="/as/amina/{CHANNEL}?thread={root.ts}{anchor}">here</a>' in shown


async def test_a_customers_link_is_followed_from_the_bots_message_alone() -> None:
    bot, token = "http://127.0.0.1:3000", "k" * 43
    async with page_of(public_url=bot) as site:
        client = client_of(site.slack)
        for text in (f"The link alone: {bot}/c#{token}", f"{bot}/c#short", f"http://127.0.0.1:9/c#{token}"):
            await client.chat_postMessage(channel=CHANNEL, text=text, blocks=[section(f"```{text}```")])
        await site.slack.person(AMINA).say(CHANNEL, f"{bot}/c#{token}")
        shown = await site.browser().sees()
    assert shown.count("as the customer") == 1
    assert f'<a href="{bot}/c#{token}" target="_blank" rel="noopener noreferrer">' in shown


async def test_a_picture_of_a_file_is_seen_by_those_whom_it_was_shared_with() -> None:
    async with page_of() as site:
        amina = site.slack.person(AMINA)
        hers = await amina.upload(b"\xff\xd8", "own.jpg")
        hers.was_submitted = True
        shared = await amina.upload(b"\xff\xd8", "shared.jpg", channel_id=CHANNEL)
        link = hers.as_json(site.slack.world.files_url)["permalink"]
        blocks = [
            {"type": "image", "slack_file": {"id": hers.id}, "alt_text": "Her own"},
            {"type": "image", "slack_file": {"id": shared.id}, "alt_text": "Everybody's"},
            section(f"<{link}|Open it>"),
        ]
        await client_of(site.slack).chat_postMessage(channel=CHANNEL, text="x", blocks=blocks)
        own, other = await site.browser("amina").sees(), await site.browser("remi").sees()
        opened = [await site.client.get(f"/as/{who}/files/{hers.id}") for who in ("amina", "remi")]
    for seen, who in ((own, "amina"), (other, "remi")):
        assert f'src="/as/{who}/files/{shared.id}"' in seen
        # Beside the page, so that nobody loses their place in it.
        assert f'<a href="/as/{who}/files/{hers.id}" target="_blank"' in seen
    assert f'src="/as/amina/files/{hers.id}"' in own
    assert f'src="/as/remi/files/{hers.id}"' not in other
    assert "Her own: you do not have access to this file" in other
    assert [answer.status_code for answer in opened] == [200, 404]


async def test_people_are_reached_whatever_their_names_are_made_of() -> None:
    async with page_of() as site:
        for user_id, name in (("U1", "amina"), ("U2", "a/b"), ("U3", "zoë & co")):
            site.slack.add_user(user_id, name)
            site.slack.channels[CHANNEL].members.add(user_id)
        shown = await site.browser("U0AMINA0001").sees()
        pages = {who: await site.client.get(f"/as/{who}/{CHANNEL}") for who in ("U1", "U2", "U3", "remi")}
    assert {who: page.status_code for who, page in pages.items()} == dict.fromkeys(pages, 200)
    for who in pages:
        assert f'href="/as/{who}/{CHANNEL}"' in shown
    assert "You are <b>zoë &amp; co</b>" in pages["U3"].text


async def test_the_first_load_is_light() -> None:
    """Unpacked; what travels is less than a fourth of it."""
    blocks = [section("*Biometric KYC* " + "x" * 400), {"type": "actions", "elements": [button("a"), button("b")]}]
    async with page_of() as site:
        for _ in range(60):
            site.slack.world.post(CHANNEL, user="U0KYCBOT001", text="x", blocks=blocks)
        page = await site.browser().page()
        scripts = [f"/static/{path.name}" for path in STATIC.iterdir() if not path.name.startswith("desk")]
        parts = [page, *[await site.client.get(address) for address in scripts]]
    assert page.text.count('class="post"') == 40
    assert sum(len(part.content) for part in parts) < 150_000
    assert sum(part.num_bytes_downloaded for part in parts) < 37_000


class _Desk:
    def pane(self, person: User) -> Markup:
        return Markup("<p>for {}</p>").format(person.name)

    def routes(self) -> list[Route]:
        return [Route("/story", self.story, methods=["POST"])]

    async def story(self, _request: Request) -> Response:
        return JSONResponse({"says": "approved"})


async def test_a_desk_stands_beside_the_workspace() -> None:
    async with page_of(desk=_Desk()) as site:
        panes = await site.browser().panes()
        answer = await site.client.post("/desk/story", json={})
        refused = await site.client.post("/desk/story", json={}, headers={"X-Workspace": ""})
    assert panes["desk"] == "<p>for amina</p>"
    assert answer.json() == {"says": "approved"}
    assert refused.status_code == 403


async def test_while_the_workspace_is_prepared_one_may_look_and_not_act() -> None:
    says = "Preparing <it>: 1 of 2"
    refusal = {"ok": False, "says": "Preparing <it>: 1 of 2. Try again in a moment."}
    async with page_of(desk=_Desk(), preparing=lambda: says) as site:
        amina = site.browser("amina")
        assert (await amina.panes())["preparing"] == "Preparing &lt;it&gt;: 1 of 2"
        assert await amina.say("Too early") == refusal
        assert site.slack.messages(CHANNEL) == []
        assert (await amina.post("seen", {"channel": CHANNEL, "ts": "1.0"}))["ok"]
        assert (await site.client.post("/desk/story", json={})).json() == refusal
        await site.slack.person("U0REMI00001").say(CHANNEL, "history")
        await client_of(site.slack).chat_postMessage(channel=REMI, text="For remi alone")
        assert (await amina.panes())["notices"] == ""
        says = ""
        at_home = await amina.panes("home")
        assert at_home["preparing"] == ""
        assert "unread" not in at_home["sidebar"], "history is no news"
        assert (await amina.say("Now"))["ok"]
        assert (await site.client.post("/desk/story", json={})).json() == {"says": "approved"}

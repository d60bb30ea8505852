"""The panel in the page: what it shows, what its buttons do, and what can be looked at underneath."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from bot.sandbox.desk import dropping
from bot.sandbox.desk.breakages import BREAKAGES
from bot.sandbox.desk.panel import LOG_LINES
from bot.sandbox.smile_id import STORIES
from tests.sandbox.desk.world import Desk, desk_at
from tests.sandbox.slack_setup import AMINA, CHANNEL
from tests.sandbox.smile_id_partner import files_of, info, prep_body, zipped

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path / "none.db") as made:
        yield made


async def test_all_stories_and_breakages_stand_there_in_words(desk: Desk) -> None:
    pane = unescape(await desk.pane())
    for story in STORIES.values():
        assert story.title in pane
        assert story.purpose in pane
    for breakage in BREAKAGES.values():
        assert breakage.title in pane
        assert breakage.shows in pane
    assert "kyc-bot is <b>running</b>" in pane


async def test_every_button_names_an_address_that_there_is(desk: Desk) -> None:
    pane = unescape(await desk.pane())
    posted = set(re.findall(r'data-post="/desk/([\w-]+)"', pane))
    assert posted == {"story", "speak", "break", "tonight", "reset"}
    bodies = re.findall(r"""data-post="/desk/break" data-body='([^']+)'""", pane)
    assert {json.loads(body)["breakage"] for body in bodies} == set(BREAKAGES)
    for address in re.findall(r'(?:src|href|data-load)="(/desk/[^"]+)"', pane):
        assert (await desk.http.get(address)).status_code == 200, address


async def test_every_id_is_given_once_and_every_description_leads_to_one(desk: Desk) -> None:
    pane = await desk.pane()
    ids = re.findall(r' id="([^"]+)"', pane)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'aria-describedby="([^"]+)"', pane)) <= set(ids)
    keys = re.findall(r'data-key="([^"]+)"', pane)
    assert len(set(keys)) == len(keys)


async def test_the_panel_is_the_same_until_something_changes(desk: Desk) -> None:
    assert await desk.pane() == await desk.pane()


# What Smile ID answers next


async def follows(desk: Desk, job_id: str, id_number: str) -> str:
    """The story of a further job with this number."""
    prepared = await desk.stage.prepare(prep_body(job_id, user_id=job_id, callback_url=desk.stage.callback_url))
    await desk.stage.put(prepared.json()["upload_url"], zipped(files_of(info(id_number))))
    return desk.stage.sandbox.jobs[job_id].story


async def test_a_story_for_the_next_check_is_told_once(desk: Desk) -> None:
    told = await desk.post("story", story="rejected", until="next")
    assert told["says"] == "Smile ID answers the next check with “Rejected”, then as the ID number says."
    assert told["says"] in await desk.pane()
    assert [await follows(desk, f"job-{n}", "00000000001") for n in (1, 2)] == ["rejected", "id_not_found"]
    assert "Smile ID answers as the ID number says." in await desk.pane()


async def test_a_story_from_now_on_holds_until_the_number_decides_again(desk: Desk) -> None:
    await desk.post("story", story="spoof", until="all")
    assert [await follows(desk, f"job-{n}", "00000000001") for n in (1, 2)] == ["spoof", "spoof"]
    await desk.post("story", story="", until="all")
    assert await follows(desk, "job-3", "00000000001") == "id_not_found"


async def test_a_story_without_an_end_says_so_at_once(desk: Desk) -> None:
    assert "never" in (await desk.post("story", story="never", until="next"))["says"]
    assert "never" not in (await desk.post("story", story="approved", until="next"))["says"]


@pytest.mark.parametrize("given", [{"story": "none", "until": "next"}, {"story": "never", "until": "x"}, {}])
async def test_what_is_no_order_changes_nothing(desk: Desk, given: dict[str, str]) -> None:
    assert not (await desk.post("story", **given))["ok"]
    assert desk.stage.sandbox.next_story is desk.stage.sandbox.every_story is None


# Break something


async def test_what_is_broken_is_said_and_can_be_mended(desk: Desk) -> None:
    assert (await desk.post("break", breakage="slack-fails"))["says"] == "Slack fails: on."
    pane = await desk.pane()
    assert 'data-key="on-slack-fails"' in pane
    assert 'aria-label="Mend: Slack fails"' in pane
    assert (await desk.post("mend", breakage="slack-fails"))["ok"]
    assert 'data-key="on-slack-fails"' not in await desk.pane()


async def test_several_things_that_are_broken_can_be_mended_at_once(desk: Desk) -> None:
    await desk.post("break", breakage="slack-slow")
    assert "Mend everything" not in await desk.pane()
    await desk.post("break", breakage="upload-lost")
    assert "Mend everything" in await desk.pane()
    await desk.post("mend")
    assert desk.panel.breaker.running == {}


async def test_a_killed_bot_is_shown_as_coming_back(desk: Desk) -> None:
    await desk.post("break", breakage="kill")
    assert "kyc-bot is <b>coming back</b>" in await desk.pane()


async def test_an_unknown_breakage_is_refused(desk: Desk) -> None:
    assert not (await desk.post("break", breakage="the-world"))["ok"]


# Time, and a new beginning


async def test_night_and_reset_are_asked_of_the_demo(desk: Desk) -> None:
    assert (await desk.post("tonight"))["says"] == "The night has passed."
    await desk.post("break", breakage="slack-fails")
    await desk.post("story", story="never", until="all")
    assert (await desk.post("reset"))["says"] == "Begun anew."
    assert desk.demo.asked == ["tonight", "reset"]
    assert desk.panel.breaker.running == {}
    assert desk.stage.sandbox.every_story is None


async def test_only_the_page_itself_may_do_any_of_it(desk: Desk) -> None:
    for act in ("story", "speak", "break", "mend", "erase", "tonight", "reset"):
        assert (await desk.http.post(f"/desk/{act}", json={})).status_code == 403
        assert (await desk.http.get(f"/desk/{act}")).status_code == 405


# Erasing a person


async def test_nobody_is_erased_of_whom_nothing_is_known(desk: Desk) -> None:
    assert "cannot be read just now" in (await desk.http.get("/desk/erased")).text
    assert (await desk.http.get("/desk/erased/K-ZZZZZZ")).status_code == 404
    assert not (await desk.post("erase"))["ok"]
    assert "unable to open database file" in str(await desk.post("erase", ref="K-ZZZZZZ"))
    assert desk.demo.asked == []


# Underneath


async def test_requests_in_all_four_directions_are_shown_masked(desk: Desk) -> None:
    await desk.slack.person(AMINA).say(CHANNEL, "<@U0KYCBOT001> NG BVN 00000002010 Amara Sample")
    headers = {"Authorization": "Bearer xoxb-sandbox"}
    body = {"channel": CHANNEL, "text": "about Amara"}
    await desk.stage.http.post(f"{desk.slack.api_url}chat.postMessage", json=body, headers=headers)
    document = info("00000002010")
    document["id_info"] |= {"first_name": "Amara", "last_name": "Sample"}
    await desk.stage.submit(document)
    await desk.stage.all_delivered()
    shown = unescape(await desk.look("requests"))
    for direction in ("Slack → bot", "bot → Slack", "bot → Smile ID", "Smile ID → bot"):
        assert direction in shown
    assert "chat.postMessage" in shown
    assert re.search(r"200 · \d+ ms", shown)
    for secret in ("00000002010", "Amara", "AMARA", "secret-token", "sandbox-secret", desk.stage.callback_url):
        assert secret not in shown, secret
    assert "0810" in shown


async def test_a_request_that_failed_is_marked(desk: Desk) -> None:
    await desk.post("break", breakage="slack-fails")
    await desk.stage.http.post(f"{desk.slack.api_url}chat.postMessage", json={})
    shown = await desk.look("requests")
    assert 'class="desk-failed">500' in shown


async def test_the_log_is_bounded_and_masked(desk: Desk) -> None:
    desk.demo.bot.log = [f"line {number} xoxb-sandbox" for number in range(500)]
    shown = await desk.look("log")
    assert shown.count("line ") == LOG_LINES
    assert "line 499" in shown
    assert "xoxb" not in shown


async def test_what_cannot_be_read_is_said_in_words(desk: Desk) -> None:
    assert "cannot be read just now" in await desk.look("rows")
    assert "cannot be read just now" in await desk.look("audit")
    assert "/readyz · no answer" in await desk.look("health")
    assert (await desk.http.get("/desk/underneath/secrets")).status_code == 404


# Files to drop


async def test_a_file_is_downloaded_under_its_name(desk: Desk) -> None:
    response = await desk.http.get("/desk/files/applicants.zip")
    assert response.content == dropping.content("applicants.zip")
    assert response.headers["Content-Disposition"] == 'attachment; filename="applicants.zip"'


async def test_a_picture_is_shown_in_small(desk: Desk) -> None:
    response = await desk.http.get("/desk/thumbnails/too-dark.jpg")
    assert response.headers["Content-Type"] == "image/jpeg"
    assert len(response.content) < 10_000


@pytest.mark.parametrize("address", ["files/nothing.jpg", "thumbnails/applicants.zip", "files/..%2Fpanel.py"])
async def test_there_is_no_other_file(desk: Desk, address: str) -> None:
    assert (await desk.http.get(f"/desk/{address}")).status_code == 404

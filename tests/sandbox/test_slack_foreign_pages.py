"""A page in a browser of this machine does not reach Slack's stand-in, whatever it sends."""

from pathlib import Path

import httpx
import pytest

from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.slack_setup import CHANNEL, running

pytestmark = pytest.mark.anyio

PAGES = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:80"},
    {"Origin": "https://evil.example", "Content-Type": "text/plain"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", PAGES)
async def test_a_page_makes_nobody_post_a_file_of_this_machine(headers: dict[str, str], tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("private")
    said = {"user": "amina", "files": [str(secret)]}
    async with running() as slack, httpx.AsyncClient(base_url=slack.world.base_url, timeout=GIVE_UP_SECONDS) as http:
        refused = await http.post("/sandbox/say", json=said, headers=headers)
        assert refused.status_code == 403
        assert slack.messages(CHANNEL) == []
        assert (await http.post("/sandbox/say", json=said)).json()["ok"]


@pytest.mark.parametrize("headers", [page for page in PAGES if "Origin" not in page])
async def test_a_page_reads_nothing_with_the_token_that_all_know(headers: dict[str, str]) -> None:
    async with running() as slack, httpx.AsyncClient(base_url=slack.world.base_url, timeout=GIVE_UP_SECONDS) as http:
        who = {"token": slack.bot_token}
        assert (await http.get("/api/auth.test", params=who, headers=headers)).status_code == 403
        assert (await http.get("/sandbox/messages", headers=headers)).status_code == 403
        typed = {"Sec-Fetch-Site": "none", "Host": "localhost"}
        assert (await http.get("/sandbox/messages", headers=typed)).json()["ok"]

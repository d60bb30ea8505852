"""`kyc-bot sandbox slack`: the stand-in and its page, until told to stop."""

import asyncio
import re

import httpx
import pytest

from bot.sandbox.page.command_line import run

pytestmark = pytest.mark.anyio


async def test_the_process_tells_its_addresses_its_people_and_channels_and_stops_when_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = asyncio.create_task(
        run(port=0, bot_token="xoxb-a", app_token="xapp-a", signing_secret="secret", events_url=None)
    )
    printed = ""
    while "Channels" not in printed:
        await asyncio.sleep(0.01)
        assert not task.done()
        printed += capsys.readouterr().out
    api, page = re.findall(r"http://127\.0\.0\.1:\d+\S*", printed)
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
        answer = await client.post(f"{api}auth.test", headers={"Authorization": "Bearer xoxb-a"})
        shown = await client.get(page)
    assert answer.json()["ok"]
    assert "kyc-requests" in shown.text
    assert "amina (U0AMINA0001)" in printed
    assert "#kyc-review (C0KYCREV001, private)" in printed
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

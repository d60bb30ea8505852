"""Both stand-ins, a bot that is only a name, and the desk beside them."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bot.sandbox.desk import DeskPanel, Ran
from bot.sandbox.desk.breaking import Breaker
from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.slack_setup import running
from tests.sandbox.smile_id_partner import Stage, set_up

NOWHERE = "http://127.0.0.1:9"
"""Nothing listens on the port of *discard*."""


@dataclass(slots=True)
class NamedBot:
    """A bot that can be killed, and does nothing else."""

    state: str = "running"
    log: Sequence[str] = field(default_factory=lambda: deque(maxlen=200))
    kills: int = 0

    async def kill(self) -> None:
        self.kills += 1
        self.state = "coming back"


@dataclass(slots=True)
class NamedDemo:
    database: Path
    bot: NamedBot = field(default_factory=NamedBot)
    admin_url: str = NOWHERE
    admin: str = "U0MUSA00001"
    asked: list[str] = field(default_factory=list)

    async def run(self, *arguments: str) -> Ran:
        self.asked.append(" ".join(arguments))
        return Ran(code=1, said="There is no bot.")

    async def rest(self) -> bool:
        return True

    async def tonight(self) -> str:
        self.asked.append("tonight")
        return "The night has passed."

    async def reset(self) -> str:
        self.asked.append("reset")
        return "Begun anew."


@dataclass(slots=True)
class Timer:
    seconds: float
    act: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass(slots=True)
class Timers:
    """Time that passes when the test says so."""

    set: list[Timer] = field(default_factory=list)

    def later(self, seconds: float, act: Callable[[], None]) -> Timer:
        self.set.append(Timer(seconds, act))
        return self.set[-1]

    def all_go_off(self) -> None:
        for timer in self.set:
            if not timer.is_cancelled:
                timer.act()


@dataclass(slots=True)
class Broken:
    """What can be broken, and the hand that does it."""

    slack: SlackSandbox
    stage: Stage
    bot: NamedBot
    breaker: Breaker
    timers: Timers
    changes: list[None]

    @property
    def smile_id(self) -> SmileIDSandbox:
        return self.stage.sandbox

    async def call_slack(self, method: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": "Bearer xoxb-sandbox"}
        return await self.stage.http.post(f"{self.slack.api_url}{method}", json=body, headers=headers)


@asynccontextmanager
async def breakable() -> AsyncIterator[Broken]:
    async with running() as slack, set_up() as stage:
        bot, timers = NamedBot(), Timers()
        changes: list[None] = []
        breaker = Breaker(slack, stage.sandbox, bot, changed=lambda: changes.append(None), later=timers.later)
        yield Broken(slack=slack, stage=stage, bot=bot, breaker=breaker, timers=timers, changes=changes)


@dataclass(slots=True)
class Desk:
    """The panel as a browser has it."""

    slack: SlackSandbox
    stage: Stage
    demo: NamedDemo
    panel: DeskPanel
    http: httpx.AsyncClient

    async def pane(self) -> str:
        response = await self.http.get("/as/amina/C0KYCREQ001/panes")
        pane: str = response.json()["panes"]["desk"]
        return pane

    async def post(self, act: str, **given: Any) -> Any:
        response = await self.http.post(f"/desk/{act}", json=given, headers={"X-Workspace": "1"})
        return response.json()

    async def look(self, view: str) -> str:
        return (await self.http.get(f"/desk/underneath/{view}")).text


@asynccontextmanager
async def desk_at(database: Path) -> AsyncIterator[Desk]:
    async with running() as slack, set_up() as stage:
        demo = NamedDemo(database)
        panel = DeskPanel(slack, stage.sandbox, demo)
        async with (
            serve_page(slack, desk=panel) as address,
            httpx.AsyncClient(base_url=address, timeout=GIVE_UP_SECONDS, trust_env=False) as http,
        ):
            yield Desk(slack=slack, stage=stage, demo=demo, panel=panel, http=http)

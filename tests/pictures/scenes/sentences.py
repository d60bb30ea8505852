"""Every single sentence of the bot: all the capital names of the rooms that hold them, found by themselves."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import bot.slack.blocks
from bot.domain.check.states import State
from bot.errors import FileCode, FileUnusable, Refusal, Refused
from bot.slack.blocks import refusals
from bot.slack.blocks.private import answer
from tests.pictures.people import MUSA, REQUESTS
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import CHECK_BVN

ROOMS = [
    importlib.import_module(f"bot.slack.blocks.{found.name}")
    for found in pkgutil.iter_modules(bot.slack.blocks.__path__)
    if found.name != "ids"
]
SHOWN_ELSEWHERE = {"HELP", "HELP_IN_CHANNEL", "ONE_MOMENT", "TEMPLATE_COMMENT"}
VALUES = {
    "batch": "B-2M4Q8Z",
    "channels": f"<#{REQUESTS}>",
    "code": "E-41C2",
    "person": f"<@{MUSA}>",
    "ref": "K-7F3K2Q",
    "status": "Approved",
}
"""What may stand in a sentence."""
FACTS: dict[str, object] = {
    "reason": "token_revoked",
    "admin": MUSA,
    "channel": "kyc-private",
    "channels": [REQUESTS],
    "checks": 300,
    "day": "",
    "days": 366,
    "erased": "3 March 2026",
    "left": 20,
    "rest": 30,
    "most": 100_000,
    "person": MUSA,
    "ref": "K-7F3K2Q",
    "status": replace(CHECK_BVN, state=State.APPROVED),
    "total": 120_345,
    "typed": "everything",
    "wait": 24,
}
"""What a refusal may tell of."""


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="sentences",
            title="Single sentences",
            line="Refusals, faults and short answers, seen by one person alone.",
            is_list=True,
            scenes=[*(scene for room in ROOMS for scene in _of(room)), *_refusals()],
        )
    ]


def _of(room: ModuleType) -> Iterator[Scene]:
    own = set(re.findall(r"^([A-Z][A-Z_]+) = ", inspect.getsource(room), re.MULTILINE)) - SHOWN_ELSEWHERE
    for name, words in vars(room).items():
        if name in own and isinstance(words, str):
            caption = f"{room.__name__.rpartition('.')[2]}: {name.replace('_', ' ').lower()}"
            yield Scene(caption=caption, shows=answer(words.format(**VALUES)), place=Place.PRIVATE)


def _refusals() -> Iterator[Scene]:
    for refusal in Refusal:
        caption = f"refusals: {refusal.value.replace('_', ' ')}"
        yield Scene(caption=caption, shows=refusals.refusal_message(Refused(refusal, **FACTS)), place=Place.PRIVATE)
    for code in (
        FileCode.MESSAGE_GONE,
        FileCode.CHANGED,
        FileCode.OTHER_ROWS,
        FileCode.SLACK_AWAY,
        FileCode.LINKS_OFF,
    ):
        caption = f"refusals: {code.value.replace('_', ' ')}"
        yield Scene(caption=caption, shows=refusals.refusal_message(FileUnusable(code)), place=Place.PRIVATE)

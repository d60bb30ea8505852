"""Counts what a person's hands do in Slack: every press, choice, field, file and typed command.

What counts, as Slack's clients work:

| act | counts |
| --- | --- |
| a button, a tick, a radio button, *Submit*, a link, a field to type into, a command | 1 |
| a button that asks back | 2 |
| an entry of a menu, a date, a file: opened, then chosen | 2 |
| an entry of a message's own menu, a shortcut say: opened, then chosen | 2 |
"""

from dataclasses import dataclass
from typing import Any

from bot.sandbox.slack import Message, Modal, Person, Reply, Submission
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.inputs import TEXT_INPUTS, elements
from bot.sandbox.slack.pressing import Chosen, find_element

_ONE_CLICK = frozenset({"button", "checkboxes", "radio_buttons"}) | frozenset(TEXT_INPUTS)


@dataclass(kw_only=True, eq=False)
class Hands:
    """A person of the stand-in, with a counter."""

    person: Person
    clicks: int = 0

    async def command(self, text: str = "", **more: Any) -> Reply:
        self.clicks += 1
        reply = await self.person.command(text, **more)
        assert reply.ok, reply
        return reply

    async def shortcut(self, callback_id: str, message: Message | None = None) -> Modal:
        """One of the app's shortcuts, or of a message's menu; opens a form."""
        self.clicks += 2
        if message is None:
            assert (await self.person.shortcut(callback_id)).ok
        else:
            assert (await self.person.message_shortcut(callback_id, message.channel, message.ts)).ok
        return await self.person.modal()

    async def press(self, message: Message, action_id: str, *, value: Chosen = None) -> None:
        """A button, or an entry of a menu, of a message."""
        self._count(message.blocks, action_id, value)
        assert (await self.person.click(message, action_id, value=value)).ok

    async def press_home(self, action_id: str, *, value: Chosen = None) -> None:
        home = self.person.home
        assert home is not None, "the Home tab was never filled"
        self._count(home["blocks"], action_id, value)
        assert (await self.person.click_home(action_id, value=value)).ok

    async def press_in(self, modal: Modal, action_id: str, *, value: Chosen = None) -> None:
        self._count(modal.blocks, action_id, value)
        assert (await modal.click(action_id, value=value)).ok

    async def enter(self, modal: Modal, block_id: str, value: Any) -> None:
        """A field of a form: typed, chosen or ticked; nothing if it holds that already."""
        if modal.values.get(block_id) == value:
            return
        kind = _kind_of(modal, block_id)
        ticks = len(value) if kind == "checkboxes" else 1
        self.clicks += ticks if kind in _ONE_CLICK else 2
        await modal.enter(block_id, value)

    async def attach(self, modal: Modal, block_id: str, *files: SlackFile) -> None:
        """Files are chosen together, however many."""
        self.clicks += 2
        await modal.attach(block_id, *files)

    async def submit(self, modal: Modal) -> Submission:
        self.clicks += 1
        submission = await modal.submit()
        assert not submission.errors, submission.errors
        return submission

    def follow(self, link: str, shown: Message) -> None:
        """A link that stands in what this person sees."""
        assert f"<{link}|" in str(shown.blocks), f"no such link: {link}"
        self.clicks += 1

    def _count(self, blocks: list[dict[str, Any]], action_id: str, value: Chosen) -> None:
        _, element = find_element(blocks, action_id, value)
        self.clicks += (1 if element["type"] in _ONE_CLICK else 2) + ("confirm" in element)


def _kind_of(modal: Modal, block_id: str) -> str:
    found = [
        element["type"] for block in modal.blocks if block.get("block_id") == block_id for element in elements(block)
    ]
    assert found, f"no field {block_id}"
    return str(found[0])

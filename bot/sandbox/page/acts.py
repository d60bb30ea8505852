"""What a person does on the page: each act is one method of `sandbox.slack.person.Person` or `Modal`.

An act answers with what the client says at once; everything else is seen in the panes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from bot.sandbox.page import sight
from bot.sandbox.page.manifest import Manifest
from bot.sandbox.page.posts import complaint
from bot.sandbox.page.screens import Screen, Screens
from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.inputs import stateful
from bot.sandbox.slack.modal import Modal
from bot.sandbox.slack.person import Person, Reply
from bot.sandbox.slack.pressing import Chosen
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.world import BOT_USER_ID, User

Photo = tuple[str, bytes]
SamplePhotos = Callable[[], Sequence[Photo]]
"""Makes the photos of an invented person: name and content, the selfie first, then the liveness images."""

REQUIRED = "This is a required field."
FILES_AT_ONCE = 10
"""As many as Slack's client adds to one message."""
TROUBLE = "We had some trouble connecting. Try again?"
_MENTION = re.compile(r"(?<![\w@])([@#])([\w.-]*\w)")
_LINK = re.compile(r"https?://[^\s<>|]+[^\s<>|.,;:!?)]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client says at once."""

    ok: bool = True
    says: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "says": self.says}


DONE = Answer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button that is pressed, or a menu in which something is chosen."""

    action_id: str
    block_id: str | None = None
    """Where several elements have the same action_id."""
    value: Chosen = None


def photos_of_this_clone() -> list[Photo]:
    folder = files("bot.sandbox") / "data" / "photos"
    names = ["selfie.jpg", *(f"liveness_{number}.jpg" for number in range(8))]
    return [(name, (folder / name).read_bytes()) for name in names]


class Acts:
    """Everything that one person can do. Raises NotSeen for what they may not see, ClientRefuses where Slack's own
    client refuses.
    """

    def __init__(
        self, slack: SlackSandbox, screens: Screens, manifest: Manifest, user: User, *, samples: SamplePhotos
    ) -> None:
        self._slack = slack
        self._manifest = manifest
        self._user = user
        self._samples = samples
        self._person: Person = slack.person(user.id)
        self._screen: Screen = screens.of(user.id)

    # Writing

    async def say(
        self, channel_id: str, text: str, *, thread_ts: str | None, photos: Sequence[Photo], with_samples: bool
    ) -> Answer:
        """Posts a message, or sends a command."""
        sight.find_channel(self._slack, self._user, channel_id)
        given = [*photos, *(self._samples() if with_samples else ())]
        if text.startswith("/") and not given:
            return await self._command(channel_id, text, thread_ts)
        if not text.strip() and not given:
            raise ClientRefuses("there is nothing to send")
        if len(given) > FILES_AT_ONCE:
            raise ClientRefuses(
                f"Slack takes at most {FILES_AT_ONCE} files in one message, and these are {len(given)}."
            )
        uploaded = [await self._person.upload(content, name) for name, content in given]
        await self._person.say(channel_id, self._as_client_writes(text), files=uploaded, thread_ts=thread_ts)
        return DONE

    async def _command(self, channel_id: str, text: str, thread_ts: str | None) -> Answer:
        name, _, words = text.partition(" ")
        if name not in {command.name for command in self._manifest.commands}:
            self._complain(channel_id, f"`{_bare(name)}` is not a valid command.", thread_ts)
        elif thread_ts is not None:
            self._complain(channel_id, f"`{_bare(name)}` is not supported in threads. Sorry!", thread_ts)
        else:
            reply = await self._person.command(words.strip(), command=name, channel_id=channel_id)
            if not reply.ok:
                self._complain(channel_id, f"{name} failed with the error “{reply.error}”", thread_ts)
        return DONE

    def _complain(self, channel_id: str, words: str, thread_ts: str | None) -> None:
        said = complaint(self._slack, self._user, channel_id, words, thread_ts=thread_ts)
        self._screen.complaints.append(said)
        self._slack.world.changes.tell()

    def _as_client_writes(self, text: str) -> str:
        """Names and addresses as Slack's client marks them; nothing that a person types is a mark by itself."""
        users = {self._manifest.bot_name: BOT_USER_ID} | {user.name: user.id for user in self._slack.users.values()}
        channels = {channel.name: channel.id for channel in sight.channels_of(self._slack, self._user)}

        def mark(found: re.Match[str]) -> str:
            known = (users if found[1] == "@" else channels).get(found[2])
            return f"<{found[1]}{known}>" if known else found[0]

        return _LINK.sub(lambda found: f"<{found[0]}>", _MENTION.sub(mark, _bare(text)))

    async def delete(self, channel_id: str, ts: str) -> Answer:
        await self._person.delete(sight.find_message(self._slack, self._user, channel_id, ts))
        return DONE

    # Pressing

    async def press_in_message(self, channel_id: str, ts: str, press: Press) -> Answer:
        message = sight.find_message(self._slack, self._user, channel_id, ts)
        clicked = self._person.click(message, press.action_id, value=press.value, block_id=press.block_id)
        return _answer(await clicked)

    async def press_at_home(self, press: Press) -> Answer:
        clicked = self._person.click_home(press.action_id, value=press.value, block_id=press.block_id)
        return _answer(await clicked)

    async def open_home(self) -> Answer:
        await self._person.open_home()
        return DONE

    async def shortcut(self, callback_id: str) -> Answer:
        return _answer(await self._person.shortcut(callback_id))

    async def message_shortcut(self, callback_id: str, channel_id: str, ts: str) -> Answer:
        sight.find_channel(self._slack, self._user, channel_id)
        return _answer(await self._person.message_shortcut(callback_id, channel_id, ts))

    def seen(self, channel_id: str, ts: str) -> Answer:
        self._screen.mark_read(channel_id, ts)
        self._slack.world.changes.tell()
        return DONE

    def dismiss(self, user_id: str, ts: str) -> Answer:
        """Not to be told again that somebody else got this message."""
        self._screen.dismissed[user_id] = ts
        self._slack.world.changes.tell()
        return DONE

    # In a modal

    def _modal(self, view_id: str) -> Modal:
        """The view that this person has before them; one that was closed meanwhile is refused."""
        stack = self._person.open_modals
        if not stack or stack[-1].id != view_id:
            raise ClientRefuses("this form is no longer open")
        return stack[-1]

    async def press_in_modal(self, view_id: str, press: Press) -> Answer:
        clicked = self._modal(view_id).click(press.action_id, value=press.value, block_id=press.block_id)
        return _answer(await clicked)

    async def fill(self, view_id: str, block_id: str, text: str, *, press_enter: bool) -> Answer:
        self._mend(view_id, block_id)
        return _answer(await self._modal(view_id).fill(block_id, text, press_enter=press_enter))

    async def choose(self, view_id: str, block_id: str, action_id: str, value: Any, *, typed: str | None) -> Answer:
        """`value`: an option's value, a list of them, an id, a date, or of a date and time what a browser gives.

        `typed`: for which words the bot offered it.
        """
        modal = self._modal(view_id)
        self._mend(view_id, block_id)
        kinds = {
            (block["block_id"], element["action_id"]): element["type"] for block, element in stateful(modal.blocks)
        }
        if kinds.get((block_id, action_id)) == "datetimepicker" and value:
            zone = ZoneInfo(self._user.timezone)
            value = int(datetime.fromisoformat(str(value)).replace(tzinfo=zone).timestamp())
        return _answer(await modal.choose(block_id, None if value == "" else value, action_id=action_id, typed=typed))

    async def suggest(self, view_id: str, block_id: str, typed: str) -> list[dict[str, str]]:
        found = await self._modal(view_id).suggestions(block_id, typed)
        return [{"value": option["value"], "text": option["text"]["text"]} for option in found]

    async def attach(self, view_id: str, block_id: str, photos: Sequence[Photo], *, with_samples: bool) -> Answer:
        """Adds to what the field holds."""
        modal = self._modal(view_id)
        element = next((element for block, element in stateful(modal.blocks) if block["block_id"] == block_id), {})
        most = int(element.get("max_files", 10))
        added = list(photos)
        if with_samples:
            made = list(self._samples())
            added += made[:1] if most == 1 else made[1 : most + 1]
        held = self._attached(modal, block_id)
        uploaded = [await self._person.upload(content, name) for name, content in added]
        wanted = uploaded[-1:] if most == 1 else [*held, *uploaded]
        self._mend(view_id, block_id)
        await modal.attach(block_id, *wanted)
        return DONE

    async def detach(self, view_id: str, block_id: str, file_id: str) -> Answer:
        modal = self._modal(view_id)
        await modal.attach(block_id, *(file for file in self._attached(modal, block_id) if file.id != file_id))
        return DONE

    def _attached(self, modal: Modal, block_id: str) -> list[SlackFile]:
        return [self._slack.files[file_id] for file_id in modal.values.get(block_id) or ()]

    def _mend(self, view_id: str, block_id: str) -> None:
        """What was wrong with a field is no longer said once it is touched."""
        self._screen.errors.get(view_id, {}).pop(block_id, None)

    async def submit(self, view_id: str) -> Answer:
        modal = self._modal(view_id)
        self._screen.forget_form(view_id)
        try:
            sent = await modal.submit()
        except ClientRefuses as refusal:
            if not refusal.block_ids:
                raise
            said = REQUIRED if "fill in" in str(refusal) else str(refusal).partition(":")[0].capitalize() + "."
            self._screen.errors[view_id] = dict.fromkeys(refusal.block_ids, said)
            self._slack.world.changes.tell()
            return Answer(ok=False)
        if sent.errors:
            self._screen.errors[view_id] = dict(sent.errors)
        elif sent.problem or sent.timed_out:
            self._screen.problems[view_id] = TROUBLE
        self._slack.world.changes.tell()
        return Answer(ok=not (sent.errors or sent.problem))

    async def close(self, view_id: str, *, all_views: bool) -> Answer:
        modal = self._modal(view_id)
        self._screen.forget_form(view_id)
        await modal.close(all_views=all_views or modal.view["clear_on_close"])
        return DONE


def _answer(taken: Reply | Delivery | None) -> Answer:
    """What Slack says when the bot did not answer an act in time."""
    if taken is None or taken.ok:
        return DONE
    reason = taken.error if isinstance(taken, Reply) else taken.failure
    return Answer(ok=False, says=f"kyc-bot did not answer: {reason}. Slack shows a small warning there.")


def _bare(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

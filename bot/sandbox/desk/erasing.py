"""*Erase this person*: an admin of the workspace does it in Slack, and the desk shows what became of everything.

The desk erases nothing itself: the admin types `/kyc forget` and confirms, as in earnest, and `kyc-bot erase`, `audit`
and `proof` run beside the bot, as an operator would have them, for the certificate and the chain.
"""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.sandbox.desk import stored, traces
from bot.sandbox.desk.demo import Demo
from bot.sandbox.desk.stored import Finished
from bot.sandbox.desk.traces import Part, Traces
from bot.sandbox.page import sight
from bot.sandbox.slack import ClientRefuses, SlackSandbox

PATIENCE_SECONDS = 60.0
"""How long is waited for the bot to have erased in Slack what it can."""
HOME_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.1
BUSY = "One person is being erased just now. Wait until that is done."
GONE = "That check has not ended, or its customer is erased already."


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A finished check, as one is asked which it shall be."""

    check: Finished
    requester: str
    """Name of who asked for it."""
    link: str
    """Its thread, as that person sees it; empty where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What is known from before the erasure, which nobody could find out afterwards."""

    traces: Traces
    head: str
    """Of the trail, as `kyc-bot audit head` prints it."""
    says: str
    """What the bot said to the admin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one customer."""

    ref: str
    says: str
    """What the bot said to the admin."""
    parts: tuple[Part, ...]
    certificate: bytes = field(repr=False)
    """The signed file; empty where none was made."""


class Eraser:
    """Has people of this demo erased, one at a time, and keeps what became of each until the demo ends."""

    def __init__(
        self, slack: SlackSandbox, demo: Demo, *, mask: Callable[[str], str], changed: Callable[[], None]
    ) -> None:
        """`mask` leaves nothing personal in words that are kept; `changed` is told whenever there is news."""
        self.ref = ""
        """The check whose customer is being erased now, or empty."""
        self.steps: list[str] = []
        """What has been done for it so far; the last is under way."""
        self.reports: dict[str, Report] = {}
        """By reference, the newest last."""
        self.begun: dict[str, Begun] = {}
        """By reference: erased, and what became of everything has not been seen yet. Asked for again, it is."""
        self._mask = mask
        self._slack = slack
        self._demo = demo
        self._changed = changed

    async def choices(self) -> list[Choice]:
        """The last checks that ended and are not erased, the newest first. Raises sqlite3.Error."""
        checks = await asyncio.to_thread(stored.finished, self._demo.database)
        return [self._choice(check) for check in checks if check.ref != self.ref]

    def _choice(self, check: Finished) -> Choice:
        user = self._slack.users.get(check.requester)
        if user is None:
            return Choice(check=check, requester=check.requester, link="")
        channel = self._slack.channels.get(check.channel)
        root = channel.find(check.message_ts) if channel is not None else None
        link = ""
        if root is not None:
            link = f"/as/{sight.handle(self._slack, user)}/{check.channel}?thread={root.thread_ts or root.ts}"
        return Choice(check=check, requester=user.name, link=link)

    async def erase(self, ref: str) -> str:
        """Says in words what happened, once the bot has done what it can."""
        if self.ref:
            return BUSY
        self.ref, self.steps = ref, []
        try:
            if ref not in self.begun:
                says = await self._begin(ref)
                if ref not in self.begun:
                    return says
            self.reports[ref] = await self._report(ref, self.begun[ref])
            del self.begun[ref]
            return f"{ref} is erased. What became of it stands behind the scenes."
        except (ClientRefuses, TimeoutError, sqlite3.Error) as fault:
            return f"{ref} could not be erased: {str(fault) or 'it took too long'}. Try again."
        finally:
            self.ref = ""
            self._changed()

    async def _begin(self, ref: str) -> str:
        """Look, and have the customer erased: `begun` knows of it then. Says what the bot said, or why it did not."""
        checks = await asyncio.to_thread(stored.finished, self._demo.database)
        check = next((one for one in checks if one.ref == ref), None)
        if check is None:
            return GONE
        self._step(f"Looking at what is kept of {ref}")
        await self._open_home(check.requester)
        head, before = await asyncio.gather(self._demo.run("audit", "head"), self._look(ref))
        self._step(f"{self._name(self._demo.admin)} types /kyc forget {ref} and confirms")
        says = await self._forget(ref)
        if says.startswith(f"{ref} was erased"):
            self.begun[ref] = Begun(traces=before, head=head.said, says=says)
        return says

    async def _report(self, ref: str, begun: Begun) -> Report:
        self._step("The bot erases in Slack what it can")
        await self._is_settled(ref)
        self._step("kyc-bot erase --output writes the certificate")
        target = self._demo.database.parent / f"{ref}.certificate.json"
        certified = await self._demo.run("erase", "--ref", ref, "--yes", "--output", str(target))
        content = await asyncio.to_thread(_content, target)
        self._step("kyc-bot audit verify and kyc-bot proof verify look at chain and signature")
        chain, verified = await asyncio.gather(self._chain(begun.head), self._verify(target))
        before, after, names = begun.traces, await self._look(ref), self._slack.world.names
        parts = (
            traces.thread(before, after, self._slack),
            traces.homes(before, after, names),
            traces.rows(before, after),
            traces.in_slack(await self._removals(ref), names),
            chain,
            _certificate(certified.said, verified, content),
        )
        return Report(ref=ref, says=begun.says, parts=parts, certificate=content)

    def _name(self, user_id: str) -> str:
        return self._slack.world.names.get(user_id, user_id)

    def _step(self, words: str) -> None:
        self.steps.append(words)
        self._changed()

    async def _look(self, ref: str) -> Traces:
        rows = await asyncio.to_thread(stored.rows_of, self._demo.database, ref)
        return traces.find(self._slack, ref, rows, mask=self._mask)

    async def _open_home(self, user_id: str) -> None:
        """A tab that nobody ever opened shows nothing that could be erased."""
        person = self._slack.person(user_id)
        if person.home is None:
            await person.open_home()
            await self._slack.wait_for(lambda: person.home is not None, HOME_SECONDS)
            await self._demo.rest()

    async def _forget(self, ref: str) -> str:
        """What the form says in the end, or why it stayed closed."""
        admin = self._slack.person(self._demo.admin)
        reply = await admin.command(f"forget {ref}")
        # Whoever visits as the admin may have another form open: that one is not for us to confirm.
        modal = next((one for one in admin.open_modals if one.view["private_metadata"] == ref), None)
        if modal is None:
            return reply.text or f"kyc-bot did not answer: {reply.error or 'no form was opened'}."
        submitted = await modal.submit()
        if submitted.updated is None:
            return f"kyc-bot did not answer: {submitted.problem or 'the form is still open'}."
        _title, *says, _close = self._slack.plain(modal.view).splitlines()
        await modal.close()
        return " ".join(says)

    async def _is_settled(self, ref: str) -> None:
        """Return once nothing is due any more, or after some patience: what is not done is shown as such."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while any(one.state == "due" for one in await self._removals(ref)):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
        await self._demo.rest()

    async def _removals(self, ref: str) -> tuple[stored.Removal, ...]:
        return await asyncio.to_thread(stored.removals_of, self._demo.database, ref)

    async def _chain(self, head: str) -> Part:
        """Whether the trail is whole, and still goes on from where it ended before."""
        verified = await self._demo.run("audit", "verify", "--head", head)
        seq = head.partition(":")[0]
        lines = await asyncio.to_thread(stored.trail_after, self._demo.database, int(seq) if seq.isdigit() else 0)
        return Part(
            title="Chain of the audit trail",
            verdict="whole, and nothing before was changed" if verified.code == 0 else "not whole",
            lines=[(f"kyc-bot audit verify --head {_short(head)}", verified.said)],
            literal="\n".join(lines),
        )

    async def _verify(self, target: Path) -> str:
        """What `proof verify` says, which knows the bot's public key and the file alone."""
        key = await self._demo.run("proof", "key")
        return (await self._demo.run("proof", "verify", str(target), "--public-key", key.said.rpartition("\n")[2])).said


def _certificate(said: str, verified: str, content: bytes) -> Part:
    # Each photo that stays has a line of its own, in the same words.
    counts = Counter(said.splitlines())
    return Part(
        title="Certificate",
        verdict=verified.partition("\n")[0],
        lines=[("kyc-bot erase --output", _times(line, count)) for line, count in counts.items()],
        literal=content.decode(),
    )


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _times(line: str, count: int) -> str:
    return line if count == 1 else f"{line} ({count} times)"


def _short(head: str) -> str:
    seq, _, chain = head.partition(":")
    return f"{seq}:{chain[:8]}…"

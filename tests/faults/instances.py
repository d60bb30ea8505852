"""Several bots on one database, each a process of its own behind one balancer, and whatever may befall one of them."""

import asyncio
import errno
import os
import signal
import socket
import struct
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import aiohttp

from bot.runtime.clock import utc_now
from bot.sandbox import listening
from bot.sandbox.demo import CHANNEL, KYC_BOT, reserved_port, settings_for
from bot.sandbox.demo.leash import on_a_leash
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.slack.faults import Kind
from bot.sandbox.smile_id import Fault, SmileIDSandbox
from tests.faults.balancer import Balancer, balanced
from tests.faults.counts import Counts, count
from tests.faults.kept_up import filled_form
from tests.journeys.world import patient_slack
from tests.patience import GIVE_UP_SECONDS

ANSWER_SECONDS = 5.0
"""How long Slack waits for an instance that is frozen."""
SILENCE_SECONDS = 20.0
"""An instance that was silent for so long is ended by the others."""
FREEZE_SECONDS = 2 * SILENCE_SECONDS
"""Beyond its lease, and beyond what another needs to notice and to do all that it had left."""
_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1
_ANY_STATE = 0xFFFFFFFF
_NO_COOKIE = (0xFFFFFFFF, 0xFFFFFFFF)
"""Of linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h."""
WORK = frozenset(
    {"files.info", "files.download", "upload", "put", "job_status", "chat.postMessage", "chat.update"}
    | {"conversations.replies", "conversations.history"}
)
"""Calls of the bot's that a check consists of."""


class What(StrEnum):
    KILL = "killed"
    FREEZE = "frozen"


class When(StrEnum):
    """How far the other side was."""

    BEFORE = "before"
    AFTER = "after"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Blow:
    """What befalls the instance that has just sent a request."""

    what: What
    when: When


Strike = Callable[[str, "Instance"], Blow | None]
"""Asked at each request, by its call and who sent it."""


class Store(Protocol):
    """The database, read beside the bots."""

    async def read(self, sql: str) -> str:
        """One row, its columns separated by `|`."""


class Instance:
    """One `kyc-bot serve`. Where it is kept up, it is started again whenever it dies, as a supervisor would."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        folder: Path,
        *,
        is_kept_up: bool = False,
    ) -> None:
        self.name = name
        self.environment = dict(environment)
        self.log = folder / f"{name}.log"
        self.up = asyncio.Event()
        self.starts = 0
        self.is_kept_up = is_kept_up
        self.tree: Path | None = None
        """Another one than ours, that it runs from."""
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._thawing: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        return int(self.environment["KYC_PORT"])

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.environment['KYC_ADMIN_PORT']}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def begin(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await self._run()
            self.up.clear()
            if not self.is_kept_up:
                return
            await asyncio.sleep(0.2)  # if it has ended by itself, it may do so again at once

    async def _run(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *on_a_leash([*KYC_BOT, "serve"]),
                env=self.environment,
                cwd=self.tree,
                stdout=asyncio.subprocess.PIPE,
                stderr=log.fileno(),
            )
        assert self._process.stdout is not None
        if b"listens" in await self._process.stdout.readline():
            self.up.set()
        await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL, and really dead when this returns."""
        self.up.clear()
        if self._process is not None and self.runs:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM, and not started again; its exit code."""
        assert self._process is not None
        self.is_kept_up = False
        self._process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Until it ends by itself, and is not started again; its exit code."""
        assert self._keeping is not None
        await asyncio.wait_for(self._keeping, GIVE_UP_SECONDS)
        assert self._process is not None
        assert self._process.returncode is not None
        return self._process.returncode

    async def degraded(self) -> Mapping[str, str]:
        """What `/readyz` lists; and it is ready."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.admin}/readyz") as answer:
            found = await answer.json()
        assert found["ready"], found
        return dict(found["degraded"])

    def freeze(self, seconds: float = FREEZE_SECONDS) -> None:
        """It stops where it is, and goes on later as if nothing had been."""
        if self.runs and self._thawing is None:
            os.kill(self.pid, signal.SIGSTOP)
            self._thawing = asyncio.get_running_loop().call_later(seconds, self.thaw)

    def thaw(self) -> None:
        if self._thawing is not None:
            self._thawing.cancel()
        self._thawing = None
        if self.runs:
            os.kill(self.pid, signal.SIGCONT)

    @property
    def is_frozen(self) -> bool:
        return self._thawing is not None

    def has_open(self, inode: int) -> bool:
        """Whether a socket is its own."""
        return self.runs and inode in _sockets_of(self.pid)

    async def close(self) -> None:
        self.is_kept_up = False
        if self._thawing is not None:
            self._thawing.cancel()
        await self.kill()
        if self._keeping is not None:
            await self._keeping


class Several:
    """The stand-ins, the instances between them, and a person who asks."""

    def __init__(
        self, slack: SlackSandbox, smile_id: SmileIDSandbox, store: Store, folder: Path, balancer: Balancer
    ) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.store = store
        self.folder = folder
        self.balancer = balancer
        self.instances: list[Instance] = []
        self.strike: Strike = lambda _call, _instance: None
        self.heard: Callable[[str], None] = lambda _call: None
        """Hears of each request, by its call."""
        self.seen: Counter[str] = Counter()
        """Requests of each call."""
        self.asked = 0
        self.faults = 0
        self._moments: list[float] = []
        """When something was done for a check."""
        self._forms = asyncio.Lock()
        self._told_asked = asyncio.Event()
        slack.fault, smile_id.fault = self._at_slack, self._at_smile_id

    async def all_up(self) -> None:
        """Until every instance takes requests."""
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await self.balancer.wait_until_healthy(*(instance.port for instance in self.instances))

    async def ask(self) -> None:
        """One check. Whatever breaks meanwhile, the person opens the form anew, or sends it again."""
        async with self._forms, asyncio.timeout(GIVE_UP_SECONDS):
            modal = None
            while modal is None:
                await self.balancer.wait_until_healthy()
                modal = await filled_form(self.slack)
            while not (await modal.submit()).closed:
                await asyncio.sleep(0.1)
                await self.balancer.wait_until_healthy()
            self.asked += 1
            self._told_asked.set()
            self._told_asked = asyncio.Event()
            self._moments.append(time.monotonic())

    async def until_asked(self, checks: int) -> None:
        """Until others have asked for so many."""
        while self.asked < checks:
            await self._told_asked.wait()

    def told(self) -> int:
        return sum(message.thread_ts not in (None, message.ts) for message in self.slack.messages(CHANNEL))

    async def end(self, seconds: float = 3 * GIVE_UP_SECONDS, *, also_frozen: bool = True) -> Counts:
        """Wait until everything asked for has been told, and nothing more is to be said; then count.

        What a frozen one does when it goes on belongs to it, too, unless `also_frozen` is False.
        """
        late = False
        try:
            async with asyncio.timeout(seconds):
                await self.slack.wait_for(lambda: self.told() >= self.asked, seconds)
                while True:
                    some_frozen = also_frozen and any(instance.is_frozen for instance in self.instances)
                    if not some_frozen and await self._is_at_rest():
                        break
                    await asyncio.sleep(0.25)
                await asyncio.sleep(2)
        except TimeoutError:
            late = True
        counts = count(self.slack, self.smile_id, asked=self.asked, faults=self.faults)
        if late:
            counts.details.append(f"not at rest after {seconds:g} s")
        return counts

    @property
    def stood_still(self) -> float:
        """The longest time, in seconds, in which nothing was done for any check until all were told."""
        return max((later - sooner for sooner, later in zip(self._moments, self._moments[1:], strict=False)), default=0)

    async def _is_at_rest(self) -> bool:
        try:
            row = await self.store.read(
                """
                SELECT (SELECT COUNT(*) FROM verifications WHERE ended_at IS NULL),
                    (SELECT COUNT(*) FROM posts WHERE state = 'due'), (SELECT COUNT(*) FROM verifications)
                """
            )
        except OSError:  # the server is down
            return False
        open_checks, waiting, checks = map(int, row.split("|"))
        return checks > 0 and open_checks == waiting == 0

    def _sender(self) -> Instance | None:
        inode = _socket_of(*listening.caller.get())
        return next((instance for instance in self.instances if instance.has_open(inode)), None)

    def _blow(self, call: str) -> tuple[Blow, Callable[[], Awaitable[None]]] | None:
        self.seen[call] += 1
        self.heard(call)
        if call in WORK:
            self._moments.append(time.monotonic())
        sender = self._sender()
        if sender is None or (blow := self.strike(call, sender)) is None:
            return None

        async def fall() -> None:
            self.faults += 1
            if blow.what is What.KILL:
                await sender.kill()
            else:
                sender.freeze()

        return blow, fall

    def _at_slack(self, method: str, _number: int) -> SlackFault | None:
        match self._blow(method):
            case None:
                return None
            case Blow(what=What.KILL, when=When.BEFORE), fall:
                # Nothing is done for a caller that died first.
                return SlackFault(kind=Kind.RESET_BEFORE, run_before=fall)
            case Blow(when=When.BEFORE), fall:
                return SlackFault.call(before=fall)
            case Blow(when=When.AFTER), fall:
                return SlackFault.call(after=fall)
            case _, fall:
                return SlackFault.call(answered=fall)

    def _at_smile_id(self, call: str, _number: int) -> Fault | None:
        match self._blow(call):
            case None:
                return None
            case Blow(when=When.BEFORE), fall:
                return Fault.call(before=fall)
            case Blow(when=When.AFTER), fall:
                return Fault.call(after=fall)
            case _, fall:
                return Fault.call(answered=fall)


def _socket_of(port: int, peer: int) -> int:
    """The inode of the socket of a connection on the loopback, from its own port to another's; 0 if it is closed.

    The kernel is asked for this one (sock_diag(7), read 2026-11). On a busy machine /proc/net/tcp has thousands, most
    of them closed: to read all of it at each request took longer than the request.
    """
    loopback = socket.inet_aton("127.0.0.1") + bytes(12)
    connection = struct.pack("!HH", port, peer) + loopback + loopback + struct.pack("=III", 0, *_NO_COOKIE)
    asked = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY_STATE) + connection
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(asked), _BY_FAMILY, _REQUEST, 1, 0) + asked)
        told = kernel.recv(4096)
    _length, kind, _flags, _number, _pid = struct.unpack_from("=IHHII", told)
    if kind == _BY_FAMILY:
        (inode,) = struct.unpack_from("=I", told, 84)
        return int(inode)
    (error,) = struct.unpack_from("=i", told, 16)
    if -error != errno.ENOENT:
        raise OSError(-error, "the kernel does not say whose socket it is")
    return 0


def _sockets_of(pid: int) -> set[int]:
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:  # it has just ended
        return set()
    found = set[int]()
    for link in links:
        with suppress(FileNotFoundError):
            name = str(link.readlink())
            if name.startswith("socket:["):
                found.add(int(name[8:-1]))
    return found


@asynccontextmanager
async def several(
    store: Store,
    addresses: Sequence[str],
    *,
    begin: bool = True,
    is_kept_up: bool = False,
    story: str = "approved",
    pace: float = 10,
    **settings: str,
) -> AsyncIterator[Several]:
    """An instance for each address, which all lead to one database; both stand-ins and the balancer around them."""
    slack = patient_slack(utc_now, posts_per_second=2 * pace, answer_seconds=ANSWER_SECONDS)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", story=story, callback_delay_seconds=0.1)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for stand_in in (slack, smile_id):
            await stand_in.start()
            stack.push_async_callback(stand_in.stop)
        ports = [stack.enter_context(reserved_port()) for _ in addresses]
        balancer = await stack.enter_async_context(balanced(ports))
        environment = settings_for(slack, smile_id, database=folder, socket_mode=False, KYC_PORT=str(ports[0]))
        slack.events_url = f"http://127.0.0.1:{balancer.port}/slack/events"
        world = Several(slack, smile_id, store, folder, balancer)
        for number, (port, address) in enumerate(zip(ports, addresses, strict=True), start=1):
            mine = {
                **environment,
                "KYC_DATABASE": address,
                "KYC_PORT": str(port),
                "KYC_ADMIN_PORT": str(stack.enter_context(reserved_port())),
                "KYC_PUBLIC_URL": f"http://127.0.0.1:{balancer.port}",
                "KYC_SLACK_POSTS_PER_SECOND": f"{pace:g}",
                # Smile ID gives up calling where nobody answers at each of its tries.
                "KYC_POLL_AFTER": "20s",
                **settings,
            }
            instance = Instance(f"instance{number}", mine, folder, is_kept_up=is_kept_up)
            world.instances.append(instance)
            stack.push_async_callback(instance.close)
        if begin:
            for instance in world.instances:
                instance.begin()
            await world.all_up()
        yield world

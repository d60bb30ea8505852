"""Hosts that Slack and Smile ID name: which of them data leaves to, directly or by a proxy, with and without lists.

In these tests 127.0.0.2 is the internet, and all else of the loopback is the bank's own machine and network. Names are
resolved by the tests' own resolver; sockets, TLS and certificates are real.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from structlog.testing import capture_logs

from bot.domain.check.states import State
from bot.domain.hosts import HostKind
from bot.errors import PhotoCode, PhotoUnusable, SlackError, SlackNotSent, SlackUncertain, SmileIDError, SmileIDNotSent
from bot.network import Outbound
from bot.network.direct import DirectRule
from bot.network.hosts import HostGate
from bot.runtime.clock import utc_now
from bot.runtime.doctor import probe
from bot.sandbox.demo import settings_for
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from bot.settings import NetworkSettings, Settings
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.smile_id.client import V1Client
from tests.journeys.world import ADMIN, MovedClock, bot_between, patient_slack
from tests.outside import ConnectProxy, PrivateAuthority, Served, listening
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

INTERNET = "127.0.0.2"
NAME, OTHER = "storage.example", "other.example"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class World:
    """One TLS server of the internet, which says it is NAME; and what met it, or the bank's own machine."""

    port: int
    private_port: int
    authority: PrivateAuthority
    proxy: ConnectProxy
    proxy_url: str
    names: list[str]
    """In each TLS handshake."""
    private: list[str]
    addresses: dict[str, list[list[str]]] = field(default_factory=dict)
    """By name, one answer of the resolver after the other."""
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        try:
            answers = self.addresses[host]
        except KeyError:
            # As the machine's resolver reads it: numbers in every spelling.
            found = await asyncio.get_running_loop().getaddrinfo(host, 1, type=1)
            return [str(address[0]) for *_kind, address in found]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def outbound(self, *, proxy: bool = False) -> Outbound:
        environ = {"KYC_CA_FILE": str(self.authority.ca_file)} | ({"HTTPS_PROXY": self.proxy_url} if proxy else {})
        found = Outbound.of(NetworkSettings.load(environ))
        rule = DirectRule(own=found.direct.own, resolve=self.resolve, is_allowed=lambda address: address == INTERNET)
        return replace(found, direct=rule)

    def url(self, host: str = NAME) -> str:
        return f"https://{host}:{self.port}/x"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    authority, names, private = PrivateAuthority(tmp_path), [], list[str]()

    def server_name(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        names.append(str(name))

    tls = authority.serves(NAME, OTHER)
    tls.sni_callback = server_name

    async def refuse_all(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        private.append("connected")

    async with listening(_ok, tls=tls, host=INTERNET) as port, listening(refuse_all) as private_port:
        # The proxy stands in the bank's own network, and knows the internet.
        proxy = ConnectProxy({NAME: port, OTHER: port}, host=INTERNET)
        async with listening(proxy.handle) as proxy_port:
            made = World(port, private_port, authority, proxy, f"http://127.0.0.1:{proxy_port}", names, private)
            made.addresses = {NAME: [[INTERNET]], OTHER: [[INTERNET]]}
            yield made


async def _ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")), 0)
    await reader.readexactly(length)
    writer.write(ANSWER)
    await writer.drain()


@dataclass(slots=True)
class Ways:
    """The three things that are sent where others say."""

    outbound: Outbound
    gates: dict[HostKind, HostGate]

    async def send(self, kind: HostKind, url: str) -> None:
        seconds = aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)
        async with (
            self.outbound.http(timeout=httpx.Timeout(GIVE_UP_SECONDS)) as http,
            self.outbound.session(timeout=seconds) as session,
        ):
            match kind:
                case HostKind.UPLOADS:
                    smile = V1Client(
                        http=http,
                        base_url="https://api.example/v1",
                        partner_id="0421",
                        api_key="invented",
                        now=utc_now,
                        uploads=self.gates[kind],
                    )
                    await smile.send(url, b"zip of invented photos")
                case HostKind.RESPONSES:
                    slack = SlackClient(
                        token="xoxb-invented",
                        base_url="https://slack.example/api/",
                        session=session,
                        proxy_for=self.outbound.proxy_for,
                        responses=self.gates[kind],
                    )
                    await slack.respond(url, text="invented")
                case HostKind.FILES:
                    await SlackDownloads(http=http, token="xoxb-invented", gate=self.gates[kind]).fetch(
                        {"url_private": url, "size": 0}
                    )


def ways(world: World, *, proxy: bool, listed: tuple[str, ...] = (), told: list[str] | None = None) -> Ways:
    def refused(kind: HostKind, host: str) -> None:
        if told is not None:
            told.append(f"{kind} {host}")

    usual = frozenset({f"{host}:{world.port}" for host in (NAME, OTHER, "127.1", "[::ffff:7f00:1]", "rebound.example")})
    gates = {
        kind: HostGate(kind=kind, listed=listed, usual=usual if kind is HostKind.FILES else None, on_refused=refused)
        for kind in HostKind
    }
    return Ways(world.outbound(proxy=proxy), gates)


every_way = pytest.mark.parametrize("kind", HostKind)
directly_or_not = pytest.mark.parametrize("proxy", [False, True], ids=["directly", "through a proxy"])


@every_way
@directly_or_not
async def test_lists_decide_who_gets_anything_and_without_them_whoever_is_public(
    world: World, kind: HostKind, *, proxy: bool
) -> None:
    told: list[str] = []
    for listed in ((), (f"{NAME}:{world.port}",), (f"*.example:{world.port}",)):
        world.names.clear()
        with capture_logs() as logs:
            way = ways(world, proxy=proxy, listed=listed, told=told)
            await way.send(kind, world.url())
            await way.send(kind, world.url())
        # Once, and nothing of the address but the host.
        new = [entry for entry in logs if entry["event"] == "host.new"]
        assert [entry["host"] for entry in new] == [f"{NAME}:{world.port}"]
        assert "/x" not in str(logs)
        # The name, and not the address, is what TLS asks for.
        assert set(world.names) == {NAME}
    assert told == []

    world.names.clear()
    world.proxy.asked.clear()
    way = ways(world, proxy=proxy, listed=("files.example", NAME, f"*.{OTHER}:{world.port}"), told=told)
    with pytest.raises((SmileIDNotSent, SlackNotSent), match=f"{kind}"):
        await way.send(kind, world.url(OTHER))
    assert told == [f"{kind} {OTHER}"]
    assert world.names == world.proxy.asked == []


@every_way
async def test_a_name_is_resolved_once_and_only_its_public_addresses_are_met(world: World, kind: HostKind) -> None:
    """A second look, as a connection of its own would take it, would be sent to the bank's own machine."""
    world.addresses[NAME] = [["10.0.0.1", "127.0.0.1", INTERNET], ["127.0.0.1"]]
    await ways(world, proxy=False).send(kind, world.url())
    assert world.asked == [NAME]
    assert (world.names, world.private) == ([NAME], [])


@every_way
@pytest.mark.parametrize("listed", [False, True])
async def test_a_name_that_leads_into_the_own_network_gets_nothing(
    world: World, kind: HostKind, *, listed: bool
) -> None:
    world.addresses["rebound.example"] = [["127.0.0.1"]]
    url = f"https://rebound.example:{world.private_port}/x"
    names = (f"*.example:{world.private_port}",) if listed else ()
    way = ways(world, proxy=False, listed=names)
    way.gates[HostKind.FILES].usual = frozenset({urlsplit(url).netloc})
    with pytest.raises((SmileIDNotSent, SlackNotSent), match="the name leads to no public address"):
        await way.send(kind, url)
    assert world.private == []


SPELLINGS = ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]


@directly_or_not
@every_way
async def test_this_machine_is_refused_in_every_spelling(world: World, kind: HostKind, *, proxy: bool) -> None:
    for host in (*SPELLINGS, "127.0.0.1.", "127。0。0。1", f"{NAME}@127.0.0.1", "[::1%25lo]", "10.0.0.1", "metadata"):
        way = ways(world, proxy=proxy)
        way.gates[HostKind.FILES].usual = None
        with pytest.raises((SmileIDError, SlackError, PhotoUnusable)) as refused:
            await way.send(kind, f"https://{host}:{world.private_port}/x")
        if isinstance(refused.value, PhotoUnusable):
            assert refused.value.code is PhotoCode.FOREIGN_HOST
    assert (world.private, world.proxy.asked, world.asked) == ([], [], [])


@pytest.mark.parametrize("host", SPELLINGS)
async def test_whatever_asks_for_a_connection_meets_the_same_rule(world: World, host: str) -> None:
    """Below every gate: the address of Socket Mode too comes in an answer."""
    outbound, url = world.outbound(), f"https://{host}:{world.private_port}/"
    async with (
        outbound.http(timeout=httpx.Timeout(GIVE_UP_SECONDS)) as http,
        outbound.session(timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)) as session,
    ):
        with pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
            await http.get(url)
        with pytest.raises((aiohttp.ClientConnectionError, aiohttp.InvalidURL)):
            await session.get(url)
    assert world.private == []


async def test_a_certificate_of_another_name_is_not_accepted(world: World) -> None:
    world.addresses["imposter.example"] = [[INTERNET]]
    with pytest.raises(SmileIDNotSent, match="the certificate is not accepted"):
        await ways(world, proxy=False).send(HostKind.UPLOADS, world.url("imposter.example"))


async def test_of_several_addresses_the_first_that_answers_is_taken(world: World) -> None:
    outbound = world.outbound()
    rule = replace(outbound.direct, is_allowed=lambda address: address in (INTERNET, "127.0.0.3"))
    world.addresses[NAME] = [["127.0.0.3", INTERNET]]
    way = ways(world, proxy=False)
    way.outbound = replace(outbound, direct=rule)
    await way.send(HostKind.UPLOADS, world.url())
    world.addresses[NAME] = [["127.0.0.3"]]
    with pytest.raises(SmileIDNotSent, match="the connection is refused"):
        await way.send(HostKind.UPLOADS, world.url())
    world.addresses[NAME] = [[]]
    with pytest.raises(SmileIDNotSent):
        await way.send(HostKind.UPLOADS, world.url())


async def test_no_redirect_is_followed(world: World) -> None:
    """slack_sdk would carry the request on to wherever an answer sends it."""
    met: list[str] = []

    def sending_to(target: str) -> Served:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            met.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode())
            head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()

        return answer

    tls = world.authority.serves(NAME)
    async with listening(sending_to("/again"), tls=tls, host=INTERNET) as port:
        outbound = world.outbound()
        async with outbound.session(timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)) as session:
            slack = SlackClient(token="xoxb-invented", base_url=f"https://{NAME}:{port}/api/", session=session)
            with pytest.raises(SlackUncertain):
                await slack.whoami()
            with pytest.raises(aiohttp.ClientError):
                await session.ws_connect(f"wss://{NAME}:{port}/link")
    assert met == ["/api/auth.test", "/link"]


async def test_what_the_settings_name_themselves_may_be_in_the_own_network(world: World) -> None:
    environ = {"KYC_CA_FILE": str(world.authority.ca_file)}
    world.addresses["smile.bank.example"] = [["127.0.0.1"]]
    tls = world.authority.serves("smile.bank.example")
    async with listening(_ok, tls=tls) as port:
        url = f"https://smile.bank.example:{port}/v1"
        outbound = Outbound.of(NetworkSettings.load(environ), own=[url], resolve=world.resolve)
        async with outbound.http(timeout=httpx.Timeout(GIVE_UP_SECONDS)) as http:
            assert (await http.get(url)).status_code == 200


# The whole bot


@asynccontextmanager
async def stand_ins(clock: MovedClock) -> AsyncIterator[tuple[SlackSandbox, SmileIDSandbox]]:
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0.0, clock=clock)
    await slack.start()
    await smile_id.start()
    try:
        yield slack, smile_id
    finally:
        await smile_id.stop()
        await slack.stop()


def _shown(text: str) -> str:
    """Without the signs between letters that keep Slack from reading names as formatting."""
    return text.replace("\u2060", "")


async def test_a_check_waits_for_a_host_to_be_listed_and_the_admins_are_told_the_setting(tmp_path: Path) -> None:
    """First Slack's host for files, then Smile ID's for photos: each restart with one more of them takes it further."""
    clock = MovedClock()
    async with stand_ins(clock) as (slack, smile_id):
        environ = settings_for(slack, smile_id, database=tmp_path / "kyc.db", public=True)
        environ |= {"KYC_SLACK_POSTS_PER_SECOND": "1000", "KYC_ADMINS": ADMIN, "KYC_UPLOAD_HOSTS": "storage.example"}
        elsewhere = {"KYC_SLACK_FILE_HOSTS": "files.example"}
        theirs, photos = f"127.0.0.1:{slack.port}", f"127.0.0.1:{smile_id.port}"
        async with bot_between(slack, smile_id, environ | elsewhere, clock=clock) as bot:
            ref = await bot.ask()
            for _try in range(2):
                await bot.work()
                await bot.answered()
                clock.move(minutes=2)
            await bot.work()
            assert (await bot.check(ref)).state in (State.REQUESTED, State.SUBMITTING)
            (told,) = bot.direct(ADMIN)
            assert "Nothing is sent to 127.0.0.1, since KYC_SLACK_FILE_HOSTS does not name it." in _shown(told)
            assert not [call for call in slack.calls if call.method == "files.download"]
        async with bot_between(slack, smile_id, environ | {"KYC_SLACK_FILE_HOSTS": theirs}, clock=clock) as bot:
            for _try in range(2):
                await bot.work()
                await bot.answered()
                clock.move(minutes=5)
            await bot.work()
            assert (await bot.check(ref)).state is State.SUBMITTING
            (_told, told) = bot.direct(ADMIN)
            assert "Nothing is sent to 127.0.0.1, since KYC_UPLOAD_HOSTS does not name it." in _shown(told)
            assert [job.upload_count for job in smile_id.jobs.values()] == [0]
        listed = {"KYC_SLACK_FILE_HOSTS": theirs, "KYC_UPLOAD_HOSTS": f"*.storage.example, {photos}"}
        async with bot_between(slack, smile_id, environ | listed, clock=clock) as bot:
            clock.move(minutes=10)
            await bot.settle()
            assert (await bot.check(ref)).state is State.APPROVED
            assert [job.upload_count for job in smile_id.jobs.values()] == [1]
            assert len(bot.direct(ADMIN)) == 2


async def test_the_check_says_which_hosts_it_would_connect_to(tmp_path: Path) -> None:
    clock = MovedClock()
    async with stand_ins(clock) as (slack, smile_id):
        environ = settings_for(slack, smile_id, database=tmp_path / "kyc.db")
        lines = [finding.line() for finding in await probe(Settings.load(environ))]
        public = "every public host, by https; a new one is logged once"
        assert f"ok    hosts for photos (KYC_UPLOAD_HOSTS): {public}" in lines
        assert f"ok    hosts for answers (KYC_RESPONSE_HOSTS): {public}" in lines
        assert f"ok    hosts for files (KYC_SLACK_FILE_HOSTS): 127.0.0.1:{slack.port} and files.slack.com" in lines
        listed = {"KYC_UPLOAD_HOSTS": "*.amazonaws.com,storage.example"}
        lines = [finding.line() for finding in await probe(Settings.load(environ | listed))]
        assert "ok    hosts for photos (KYC_UPLOAD_HOSTS): *.amazonaws.com and storage.example" in lines

"""A machine that reaches the internet by a proxy alone, and where a private authority vouches for everybody.

The names below exist nowhere: what arrives has come through the proxy, which alone knows where they are.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import httpx
import pytest

from bot.domain.hosts import HostKind
from bot.errors import SlackNotSent, SlackRefused, SlackUncertain, SmileIDNotSent, SmileIDUncertain
from bot.network import Outbound
from bot.runtime.clock import utc_now
from bot.runtime.doctor import DoctorTimeouts, probe
from bot.runtime.outgoing import connect_smile_id, host_gate
from bot.sandbox.demo import CHANNEL, free_port, settings_for
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import Fault as SmileIDFault
from bot.sandbox.smile_id import SmileIDSandbox
from bot.settings import Settings
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from tests.journeys.site import Site, kyc_bot
from tests.journeys.world import patient_slack
from tests.outside import ConnectProxy, PrivateAuthority, forward, listening
from tests.patience import GIVE_UP_SECONDS
from tests.smile_id.loopback import request_of

pytestmark = pytest.mark.anyio

SLACK, SMILE_ID, STORAGE = "slack.invalid", "smile-id.invalid", "storage.invalid"
PASSWORD = "s3cret%40proxy"
CREDENTIALS = "invented-bank:s3cret@proxy"
CONNECT_SECONDS = 1.0
"""How long a connection may take to be made where a proxy stays silent."""
PATIENT = DoctorTimeouts(call=GIVE_UP_SECONDS, connect=GIVE_UP_SECONDS, part=GIVE_UP_SECONDS, probe=GIVE_UP_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """The machine of a bank, and what it can reach."""

    slack: SlackSandbox
    smile_id: SmileIDSandbox
    proxy: ConnectProxy
    proxy_port: int
    authority: PrivateAuthority
    folder: Path

    @property
    def proxy_url(self) -> str:
        return f"http://invented-bank:{PASSWORD}@127.0.0.1:{self.proxy_port}"

    def environment(self, **more: str) -> dict[str, str]:
        found = settings_for(
            self.slack,
            self.smile_id,
            database=self.folder / "kyc.db",
            KYC_ADMIN_PORT=str(free_port()),
            KYC_CHANNELS=CHANNEL,
            KYC_SLACK_POSTS_PER_SECOND="10",
        )
        found |= {"HTTPS_PROXY": self.proxy_url, "KYC_CA_FILE": str(self.authority.ca_file)} | more
        return {name: value for name, value in found.items() if value}

    def settings(self, **more: str) -> Settings:
        return Settings.load(self.environment(**more))

    async def check(self, *, limits: DoctorTimeouts = PATIENT, **more: str) -> list[str]:
        lines = [finding.line() for finding in await probe(self.settings(**more), limits=limits)]
        assert not [line for line in lines if "s3cret" in line or "invented-bank:" in line]
        return lines


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    async with a_bank(tmp_path) as made:
        yield made


@asynccontextmanager
async def a_bank(
    folder: Path, *, slack_at: str = SLACK, files_at: str = SLACK, also: Sequence[str] = ()
) -> AsyncIterator[Bank]:
    """`also` are more names that the proxy knows, of the same machine as Slack's."""
    authority = PrivateAuthority(folder)
    slack = patient_slack(
        utc_now, posts_per_second=20, public_url=f"https://{slack_at}", files_url=f"https://{files_at}"
    )
    smile_id = SmileIDSandbox(
        partner_id="0421",
        api_key="sandbox-api-key",
        callback_delay_seconds=0.1,
        public_url=f"https://{SMILE_ID}",
        storage_url=f"https://{STORAGE}",
    )
    await slack.start()
    await smile_id.start()
    tls = authority.serves(slack_at, files_at, SMILE_ID, STORAGE, *also)
    try:
        async with (
            listening(forward(slack.port), tls=tls) as slack_port,
            listening(forward(smile_id.port), tls=tls) as smile_port,
        ):
            hosts = dict.fromkeys([slack_at, files_at, *also], slack_port)
            hosts |= dict.fromkeys([SMILE_ID, STORAGE], smile_port)
            proxy = ConnectProxy(hosts, credentials=CREDENTIALS)
            async with listening(proxy.handle) as proxy_port:
                yield Bank(
                    slack=slack,
                    smile_id=smile_id,
                    proxy=proxy,
                    proxy_port=proxy_port,
                    authority=authority,
                    folder=folder,
                )
    finally:
        await smile_id.stop()
        await slack.stop()


def about(lines: list[str], subject: str) -> str:
    (line,) = [line for line in lines if line[6:].startswith(subject)]
    return line


# The whole bot


@pytest.mark.parametrize("encrypted", [False, True], ids=["proxy in plain", "proxy by TLS"])
async def test_a_check_goes_its_whole_way_through_the_proxy(bank: Bank, *, encrypted: bool) -> None:
    """Slack's API, its files, Socket Mode, Smile ID and the upload: each of them took the one way there is."""
    tls = bank.authority.serves("127.0.0.1") if encrypted else None
    async with listening(bank.proxy.handle, tls=tls) as port:
        proxy = f"{'https' if encrypted else 'http'}://invented-bank:{PASSWORD}@127.0.0.1:{port}"
        site = Site(bank.slack, bank.smile_id, bank.folder, bank.environment(HTTPS_PROXY=proxy))
        try:
            await site.start()
            await bank.slack.wait_for(lambda: bank.slack.socket_count == 1, GIVE_UP_SECONDS)
            await site.ask()
            await site.wait_for_the_end()
            (result,) = site.replies()
            assert "Approved" in result
            assert await site.stop() == 0
        finally:
            await site.kill()
    assert set(bank.proxy.asked) == {f"{host}:443" for host in (SLACK, SMILE_ID, STORAGE)}
    assert not [secret for secret in ("s3cret", "aW52ZW50ZWQtYmFuazpz") if secret in site.log()]


@asynccontextmanager
async def slack_of(bank: Bank) -> AsyncIterator[SlackClient]:
    settings = bank.settings()
    outbound = Outbound.of(settings, own=settings.own_urls)
    async with outbound.session(
        timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS, connect=CONNECT_SECONDS)
    ) as session:
        yield SlackClient(
            token="xoxb-sandbox",
            base_url=settings.slack_api_url,
            session=session,
            proxy_for=outbound.proxy_for,
            files=host_gate(settings, HostKind.FILES),
        )


async def test_an_export_is_uploaded_through_the_proxy(bank: Bank) -> None:
    async with slack_of(bank) as slack:
        await slack.upload(channel=CHANNEL, thread_ts=None, name="export.csv", data=b"ref\n", comment="Invented")
    assert [file.name for file in bank.slack.files.values()] == ["export.csv"]
    assert set(bank.proxy.asked) == {f"{SLACK}:443"}


async def test_an_answer_to_an_act_is_given_through_the_proxy(tmp_path: Path) -> None:
    """At a host of its own, as Slack has it: no connection that is open already could serve."""
    async with a_bank(tmp_path, files_at="hooks.invalid") as bank, slack_of(bank) as slack:
        # Slack's own word for an address that it never gave: the answer has arrived.
        with pytest.raises(SlackRefused, match="expired_url"):
            await slack.respond("https://hooks.invalid/hooks/commands/T0/1/gone", text="late")
        assert bank.proxy.asked == ["hooks.invalid:443"]


# GovSlack


async def test_govslacks_own_hosts_are_the_only_ones_that_it_is_met_at(tmp_path: Path) -> None:
    """Form, photos, thread and Socket Mode, with nothing set but the address of GovSlack's API."""
    async with a_bank(tmp_path, slack_at="slack-gov.com", files_at="files.slack-gov.com") as bank:
        site = Site(bank.slack, bank.smile_id, bank.folder, bank.environment())
        try:
            await site.start()
            await bank.slack.wait_for(lambda: bank.slack.socket_count == 1, GIVE_UP_SECONDS)
            await site.ask()
            await site.wait_for_the_end()
            assert "Approved" in " ".join(site.replies())
        finally:
            await site.kill()
        slacks = {host for host in bank.proxy.asked if "slack" in host}
        assert slacks == {"slack-gov.com:443", "files.slack-gov.com:443"}


async def test_the_check_tries_the_hosts_that_it_would_not_meet(tmp_path: Path) -> None:
    """A firewall that knows slack-gov.com alone would fail the first photo, and the first answer to a button."""
    a_government = partial(a_bank, tmp_path, slack_at="slack-gov.com", files_at="files.slack-gov.com")
    async with a_government(also=["hooks.slack-gov.com"]) as bank:
        lines = await bank.check()
        assert f"to slack-gov.com, files.slack-gov.com, hooks.slack-gov.com and {SMILE_ID}" in about(
            lines, "way out: through"
        )
        assert [line for line in lines if line.startswith("FAIL")] == []
    async with a_government() as bank:
        (line,) = [line for line in await bank.check() if line.startswith("FAIL")]
        assert line.startswith(
            "FAIL  way to hooks.slack-gov.com: no connection to hooks.slack-gov.com through the proxy"
        )
        assert "the proxy refuses (HTTP 502)" in line


@pytest.mark.parametrize("host", ["files.slack.com", "files.slack-gov.com.example", "storage.invalid"])
async def test_what_is_exported_is_sent_to_no_other_host(tmp_path: Path, host: str) -> None:
    async with a_bank(tmp_path, slack_at="slack-gov.com", files_at=host) as bank:
        settings = bank.settings()
        outbound = Outbound.of(settings, own=settings.own_urls)
        async with outbound.session(timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)) as session:
            slack = SlackClient(
                token="xoxb-sandbox",
                base_url=settings.slack_api_url,
                session=session,
                proxy_for=outbound.proxy_for,
                files=host_gate(settings, HostKind.FILES),
            )
            with pytest.raises(SlackNotSent, match="a host that is not one of its own for files"):
                await slack.upload(channel=CHANNEL, thread_ts=None, name="x.csv", data=b"ref\n", comment="Invented")
        assert set(bank.proxy.asked) == {"slack-gov.com:443"}


# What `check` says


async def test_the_check_says_which_way_each_connection_went(bank: Bank) -> None:
    lines = await bank.check()
    through = f"through the proxy 127.0.0.1:{bank.proxy_port}"
    ways = [line[6:] for line in lines if line[6:].startswith("way out")]
    assert ways[0] == f"way out: {through} to {SLACK} and {SMILE_ID}"
    assert ways[1].startswith("way out: directly to 127.0.0.1:")
    assert about(lines, "slack app token").endswith(f"Slack opens Socket Mode with it, at {SLACK} {through}")
    assert about(lines, "private authority").startswith("ok    private authority (KYC_CA_FILE): 1 certificate beside")
    assert [line for line in lines if line.startswith("FAIL")] == []


async def test_no_proxy_is_followed_by_everything_alike(bank: Bank) -> None:
    """The names exist behind the proxy alone: what goes directly cannot arrive, and says so."""
    lines = await bank.check(NO_PROXY=f"{SMILE_ID},.example.com")
    assert f"way out: directly to {SMILE_ID}" in " ".join(lines)
    line = about(lines, "smile id credentials")
    assert line.startswith(f"FAIL  smile id credentials: no connection to {SMILE_ID} directly")
    assert "Behind a proxy, set HTTPS_PROXY." in line
    assert about(lines, "slack token").startswith("ok")
    assert f"{SMILE_ID}:443" not in bank.proxy.asked


async def test_a_proxy_that_wants_another_password_is_told_without_ours(bank: Bank) -> None:
    lines = await bank.check(HTTPS_PROXY=f"http://somebody:s3cret@127.0.0.1:{bank.proxy_port}")
    for subject in ("slack token", "slack app token", "smile id credentials"):
        assert about(lines, subject).startswith("FAIL")
        assert "the proxy refuses (HTTP 407: user name or password)" in about(lines, subject)


async def test_without_the_private_authority_the_check_names_the_setting(bank: Bank) -> None:
    lines = await bank.check(KYC_CA_FILE="")
    for subject in ("slack token", "smile id credentials"):
        assert "the certificate is not accepted" in about(lines, subject)
        assert "put that authority's certificate into KYC_CA_FILE" in about(lines, subject)


async def test_an_authority_that_has_ended_fails(tmp_path: Path, bank: Bank) -> None:
    (tmp_path / "old").mkdir()
    old = PrivateAuthority(tmp_path / "old", lasts=timedelta(hours=-1))
    line = about(await bank.check(KYC_CA_FILE=str(old.ca_file)), "private authority")
    assert line.startswith("FAIL  private authority (KYC_CA_FILE): a certificate in it ended on 20")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        (
            b"\x30\x82\x01\x0a",
            "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----). Convert",
        ),
        (b"-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n", "holds a certificate that is damaged"),
    ],
)
async def test_a_file_of_authorities_that_cannot_be_used_stops_the_start_in_words(
    bank: Bank, content: bytes | None, words: str
) -> None:
    path = bank.folder / "theirs.pem"
    if content is not None:
        path.write_bytes(content)
    for command, code in (("serve", 2), ("check", 1)):
        ended = await kyc_bot(command, environment=bank.environment(KYC_CA_FILE=str(path)))
        assert ended.code == code
        assert f"KYC_CA_FILE: {path} {words}" in ended.out + ended.err
        assert "Traceback" not in ended.err


# What a proxy's refusal, silence or end means for a request


def refuse(proxy: ConnectProxy) -> None:
    proxy.refuses = 503


@pytest.mark.parametrize(
    ("happens", "slack_says", "smile_id_says"),
    [
        pytest.param(refuse, *["the proxy refuses (HTTP 503)"] * 2, id="refuses"),
        pytest.param(ConnectProxy.hang, *["no answer in time"] * 2, id="hangs"),
        pytest.param(ConnectProxy.die, *["the proxy ends the connection"] * 2, id="dies"),
    ],
)
async def test_a_proxy_that_connects_nobody_has_handed_nothing_on(
    bank: Bank, happens: Callable[[ConnectProxy], None], slack_says: str, smile_id_says: str
) -> None:
    """So the request may simply be repeated; an uncertain one would have to be looked for first."""
    happens(bank.proxy)
    settings = bank.settings()
    outbound = Outbound.of(settings, own=settings.own_urls)
    # Far longer for an answer than for a connection: a proxy's silence is not waited for as if it were an answer's.
    patience = httpx.Timeout(GIVE_UP_SECONDS, connect=CONNECT_SECONDS)
    async with slack_of(bank) as slack, outbound.http(timeout=patience) as http, asyncio.timeout(GIVE_UP_SECONDS / 2):
        with pytest.raises(SlackNotSent) as of_slack:
            await slack.whoami()
        assert str(of_slack.value) == f"auth.test: no connection ({slack_says})"
        with pytest.raises(SmileIDNotSent) as of_smile_id:
            await connect_smile_id(settings, http, now=utc_now).enabled_id_types()
        assert str(of_smile_id.value) == f"products_config: {smile_id_says}"
        downloads = SlackDownloads(http=http, token="xoxb-sandbox", gate=host_gate(settings, HostKind.FILES))
        with pytest.raises(SlackNotSent, match="no connection") as of_files:
            await downloads.fetch({"url_private": f"https://{SLACK}/files-pri/T0-F0/selfie.jpg"})
        assert smile_id_says in str(of_files.value)


async def test_an_answer_lost_behind_the_proxy_stays_uncertain(bank: Bank) -> None:
    """The request was handed on, over a connection that was made: it may have arrived."""
    settings = bank.settings()
    outbound = Outbound.of(settings, own=settings.own_urls)
    async with slack_of(bank) as slack, outbound.http(timeout=httpx.Timeout(GIVE_UP_SECONDS)) as http:
        bank.slack.fault = lambda _method, _number: SlackFault.reset_after()
        with pytest.raises(SlackUncertain):
            await slack.whoami()
        bank.smile_id.fail_next("upload", SmileIDFault.reset_after())
        with pytest.raises(SmileIDUncertain):
            await connect_smile_id(settings, http, now=utc_now).submit(request_of(), None)


@pytest.mark.parametrize("happens", [ConnectProxy.hang, ConnectProxy.die], ids=["hangs", "dies"])
async def test_the_check_looks_at_a_proxy_that_is_away_and_not_at_slack(
    bank: Bank, happens: Callable[[ConnectProxy], None]
) -> None:
    happens(bank.proxy)
    lines = await bank.check(limits=replace(PATIENT, connect=CONNECT_SECONDS))
    for subject in ("slack token", "slack app token", "smile id credentials"):
        assert "See HTTPS_PROXY and NO_PROXY" in about(lines, subject)
        assert "status page" not in about(lines, subject)


async def test_a_check_waits_for_a_proxy_that_dies_and_goes_on_when_it_is_back(bank: Bank) -> None:
    site = Site(bank.slack, bank.smile_id, bank.folder, bank.environment())
    try:
        await site.start()
        await bank.slack.wait_for(lambda: bank.slack.socket_count == 1, GIVE_UP_SECONDS)
        await site.ask()
        bank.proxy.die()
        await bank.slack.wait_for(lambda: bank.slack.socket_count == 0, GIVE_UP_SECONDS)
        await site.wait_for(lambda: "(the proxy ends the connection)" in site.log())
        bank.proxy.recover()
        await bank.slack.wait_for(lambda: bank.slack.socket_count == 1, GIVE_UP_SECONDS)
        await site.wait_for_the_end()
        (result,) = site.replies()
        assert "Approved" in result
        assert await site.stop() == 0
    finally:
        await site.kill()
    assert not [secret for secret in ("s3cret", "aW52ZW50ZWQtYmFuazpz") if secret in site.log()]

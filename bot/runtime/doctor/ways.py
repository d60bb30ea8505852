"""Which way the bot's connections leave this machine, and what to do where one cannot be made."""

import asyncio
from datetime import UTC, datetime
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, cert_time_to_seconds
from urllib.parse import urlsplit

import httpx

from bot.domain.hosts import Destination, HostKind, covers, read_url
from bot.errors import SettingsFault
from bot.network import Outbound, load_authorities, why_unreachable
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, listed, note, ok
from bot.settings import SLACK_DOMAINS, Settings


def outbound_of(settings: Settings, now: datetime) -> tuple[Outbound, list[Finding]]:
    """How the check itself connects: as the bot would, or without a `KYC_CA_FILE` that cannot be used."""
    try:
        outbound = Outbound.of(settings, own=settings.own_urls)
    except SettingsFault as fault:
        without = settings.model_copy(update={"ca_file": None})
        return Outbound.of(without, own=settings.own_urls), [fail("private authority", f"{fault}.")]
    return outbound, _authorities(settings, now)


def _authorities(settings: Settings, now: datetime) -> list[Finding]:
    """What is in `KYC_CA_FILE`; nothing is said where it is not set."""
    if settings.ca_file is None:
        return []
    subject = "private authority (KYC_CA_FILE)"
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    load_authorities(context, settings.ca_file)
    ends = [datetime.fromtimestamp(cert_time_to_seconds(str(each["notAfter"])), UTC) for each in context.get_ca_certs()]
    if not ends:
        return [note(subject, "none of its certificates is an authority's: each is trusted for its own host alone")]
    if min(ends) <= now:
        return [fail(subject, f"a certificate in it ended on {min(ends):%Y-%m-%d}. Put the new one into the file.")]
    count = f"{len(ends)} {'certificate' if len(ends) == 1 else 'certificates'}"
    return [ok(subject, f"{count} beside those of this machine, until {min(ends):%Y-%m-%d}")]


async def probe(
    settings: Settings, outbound: Outbound, http: httpx.AsyncClient, limits: DoctorTimeouts
) -> list[Finding]:
    """The way to each host; those that no other line of the check asks are tried here, without any token."""
    beside = _hosts_beside_the_api(settings)
    urls = [settings.slack_api_url, *beside, settings.smile_id_url]
    if settings.public_url:
        urls.append(settings.public_url)
    ways: dict[str, list[str]] = {}
    for url in urls:
        hosts = ways.setdefault(outbound.way_to(url), [])
        if (host := urlsplit(url).netloc) not in hosts:
            hosts.append(host)
    found = [ok("way out", f"{way} to {listed(hosts)}") for way, hosts in ways.items()]
    tried = await asyncio.gather(*(_unreached(url, outbound, http, limits) for url in beside))
    return [*found, *filter(None, tried), *(_named_by_others(settings, kind) for kind in HostKind)]


def _named_by_others(settings: Settings, kind: HostKind) -> Finding:
    """Which hosts the bot would connect to because an answer of Slack's or Smile ID's names them."""
    subject, listed_hosts = f"{_SENT[kind]} ({kind})", settings.listed_hosts(kind)
    needed = _hosts_of_slack(settings).get(kind)
    if listed_hosts and needed and not covers(listed_hosts, Destination("https", needed, 443)):
        return fail(subject, f"the setting leaves out {needed}, which Slack uses. Add it.")
    if listed_hosts:
        return ok(subject, listed(list(listed_hosts)))
    if kind is HostKind.FILES:
        return ok(subject, listed(sorted(settings.download_hosts)))
    return ok(subject, "every public host, by https; a new one is logged once")


_SENT = {
    HostKind.UPLOADS: "hosts for photos",
    HostKind.RESPONSES: "hosts for answers",
    HostKind.FILES: "hosts for files",
}


def _hosts_of_slack(settings: Settings) -> dict[HostKind, str]:
    """None where Slack is a stand-in, or reached by a name of the site's own."""
    found = _hosts_beside_the_api(settings)
    return {
        kind: where.host
        for kind, url in zip((HostKind.FILES, HostKind.RESPONSES), found, strict=False)
        if (where := read_url(url)) is not None
    }


def _hosts_beside_the_api(settings: Settings) -> list[str]:
    """Slack keeps files, and takes answers, at hosts of their own."""
    host = urlsplit(settings.slack_api_url).hostname or ""
    if not f".{host}".endswith(tuple(f".{domain}" for domain in SLACK_DOMAINS)):
        return []
    return [f"https://{name}.{settings.slack_domain}/" for name in ("files", "hooks")]


async def _unreached(url: str, outbound: Outbound, http: httpx.AsyncClient, limits: DoctorTimeouts) -> Finding | None:
    """A finding where no connection can be made; any answer at all is good enough."""
    try:
        async with asyncio.timeout(limits.call):
            await http.head(url)
    except (httpx.HTTPError, TimeoutError) as fault:
        return fail(f"way to {urlsplit(url).hostname}", no_connection(url, fault, outbound))
    return None


def no_connection(url: str, fault: BaseException, outbound: Outbound, *, setting: str = "") -> str:
    """What stood in the way of a connection, and what to look at; `setting` names the address."""
    host, why = urlsplit(url).hostname, why_unreachable(fault)
    says = f"no connection to {host} {outbound.way_to(url)}{f': {why}' if why else ''}."
    if why and "certificate" in why:
        return f"{says} If a private authority or a proxy made it, put that authority's certificate into KYC_CA_FILE."
    if outbound.proxy_for(url):
        return f"{says} See HTTPS_PROXY and NO_PROXY, and what the proxy lets pass."
    look_at = listed(["DNS", "firewall", *([setting] if setting else [])])
    return f"{says} This machine must reach it by https: see {look_at}. Behind a proxy, set HTTPS_PROXY."

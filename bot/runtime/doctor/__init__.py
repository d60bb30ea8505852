"""`kyc-bot check`: does everything that the bot will need work, and what to do where it does not.

Looks and asks, changes nothing: no message is posted, no job sent, no file made. It may run beside the bot it checks.
All probes run side by side, each within its time, so that an operator waits for the slowest alone.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import httpx

from bot.domain.database_address import DatabaseAddress
from bot.domain.id_types.id_types import IDTypes
from bot.domain.privacy.purge import Purge, lines
from bot.errors import DatabaseFault, SettingsFault, WrongKey
from bot.reporting import chart
from bot.runtime.clock import CLOCK_OK, ahead_of, apart, utc_now
from bot.runtime.doctor import callback, machine, slack, slack_deletions, smile_id, ways
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, listed, note, ok, within
from bot.runtime.doctor.machine import Surroundings
from bot.runtime.tables import read_customer_texts, read_tables
from bot.settings import Environment, RetentionSettings, Settings
from storage.engine import inspect
from storage.engine.inspection import Inspection
from storage.engine.sealing import Sealer

__all__ = ["DoctorTimeouts", "Finding", "Surroundings", "probe", "settings_fault"]

SWEEP = timedelta(seconds=10)
"""How long the database is searched for damage."""
CLOCK_WRONG = timedelta(seconds=120)
"""Well before requests are refused: Slack's signed ones at 5 minutes, Smile ID's results 5 minutes ahead."""


def settings_fault(line: str) -> Finding:
    """What is wrong with a setting, told before anything else can be looked at."""
    return fail("settings", line)


async def probe(
    settings: Settings,
    around: Surroundings | None = None,
    *,
    now: Callable[[], datetime] = utc_now,
    limits: DoctorTimeouts | None = None,
) -> list[Finding]:
    """Every finding, in the order to read them; never raises for what it finds, takes less than half a minute."""
    limits = limits or DoctorTimeouts()
    found, id_types, sealer = _own_means(settings)
    outbound, trusted = ways.outbound_of(settings, now())
    known = await asyncio.to_thread(inspect.installation_in, settings.database)
    async with outbound.http(timeout=httpx.Timeout(limits.call, connect=limits.connect)) as http:
        probes = await asyncio.gather(
            within(limits.probe, "machine", machine.probe(settings, around or Surroundings(), http, limits)),
            within(limits.probe, "way out", ways.probe(settings, outbound, http, limits)),
            within(limits.probe, "slack", slack.probe(settings, outbound, known, limits)),
            within(limits.probe, "erasing in Slack", slack_deletions.probe(settings, outbound, known, limits)),
            within(limits.probe, "smile id", smile_id.probe(settings, outbound, http, id_types, now, limits)),
            within(limits.probe, "callback", callback.probe(settings, http, limits)),
            within(limits.part, "clock against Slack", _clock("Slack", settings.slack_api_url, http, now, limits)),
            within(limits.part, "clock against Smile ID", _clock("Smile ID", settings.smile_id_url, http, now, limits)),
            within(limits.probe, "database", _database(settings, sealer, now, limits)),
            within(limits.part, "retention", _retention(settings)),
        )
    return [*found, *trusted, *chain.from_iterable(probes)]


def _own_means(settings: Settings) -> tuple[list[Finding], IDTypes | None, Sealer | None]:
    """What can be told without asking anybody."""
    way = "Socket Mode" if settings.socket_mode else "HTTP"
    found = [ok("settings", f"complete; Slack by {way}, Smile ID's {settings.smile_id_environment.value}")]
    id_types, sealer = None, None
    try:
        _codes, id_types = read_tables(settings)
        read_customer_texts(settings)
    except SettingsFault as fault:
        found.append(fail("tables", f"{fault}. Correct the copy, or leave its setting unset."))
    try:
        sealer = Sealer.from_text(settings.sealing_keys)
    except SettingsFault as fault:
        found.append(fail("encryption keys", f"{fault}. kyc-bot check --new-key prints a fresh one."))
    in_production = settings.smile_id_environment is Environment.PRODUCTION
    found += about_keys(settings.sealing_keys, in_production=in_production)
    found.append(about_links(settings))
    if settings.summary_channel and not chart.can_draw():
        found.append(
            note("charts", "matplotlib is not installed: summaries come without a picture. See docs/install.md.")
        )
    return found, id_types, sealer


def about_retention(settings: RetentionSettings, last: Purge | None) -> list[Finding]:
    """How long what is kept, what the last purge has done, and whether anything is erased at all."""
    kept, subject = settings.retention, "retention"
    older = [note(subject, settings.retention_note)] if settings.retention_note else []
    told = [f"photos {kept.photos}, personal data {kept.personal}, records {kept.record}"]
    if last is not None and last.erases:
        told.append(f"last purge {last.began_at:%Y-%m-%d %H:%M} UTC: {'; '.join(lines(last.counts, erases=True))}")
    elif not settings.retention_is_set:
        told.append("nothing is erased before one of KYC_RETENTION_PHOTOS, _PERSONAL and _RECORD is set")
        if last is not None and last.erased:
            told.append(f"over their time: {'; '.join(lines(last.counts, erases=False))}. See docs/privacy.md")
            return [note(subject, ". ".join(told)), *older]
    return [ok(subject, ". ".join(told)), *older]


def about_links(settings: Settings) -> Finding:
    """Whether requesters can have the customer take the photos, and what is lacking where they cannot."""
    subject, lacking = "links for customers", settings.lacking_for_links
    if not lacking:
        return ok(subject, f"offered in the form; each works for {settings.link_hours} h")
    told = f"not offered in the form: {listed(list(lacking))} {'is' if len(lacking) == 1 else 'are'} not set"
    # Whoever has set neither of the two has not asked for links.
    is_wanted = bool(settings.company_name or settings.privacy_url)
    return note(subject, f"{told}. See docs/settings.md.") if is_wanted else ok(subject, told)


def about_keys(keys: Sequence[str], *, in_production: bool) -> list[Finding]:
    """What is to be changed one day of keys that can be used."""
    subject = "encryption keys"
    if in_production and (readable := Sealer.readable_ones(keys)):
        told = f"key {' and '.join(map(str, readable))} is readable text, which chance never makes."
        return [note(subject, f"{told} Change it as docs/operations.md says.")]
    if weak := [at for at in Sealer.weak_ones(keys) if at > 1]:
        which = " and ".join(map(str, weak))
        return [note(subject, f"key {which} can be guessed. Stop the bot and run kyc-bot rekey --forget-old.")]
    if len(keys) > 1:
        told = (
            f"{len(keys)} keys. As soon as the bot may stop for it, kyc-bot rekey --forget-old lets the older ones go."
        )
        return [note(subject, told)]
    return []


async def _clock(
    whose: str, url: str, http: httpx.AsyncClient, now: Callable[[], datetime], limits: DoctorTimeouts
) -> list[Finding]:
    subject = f"clock against {whose}"
    try:
        asked = now()
        async with asyncio.timeout(limits.call):
            answer = await http.head(url)
        between = asked + (now() - asked) / 2
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return [note(subject, "not compared, since there was no answer")]
    ahead = ahead_of(answer.headers.get("date"), between)
    if ahead is None:
        return [note(subject, "not compared, since the answer carries no date")]
    if abs(ahead) <= CLOCK_OK:
        return [ok(subject, f"{round(abs(ahead).total_seconds())} s apart")]
    return [(fail if abs(ahead) > CLOCK_WRONG else note)(subject, apart(ahead))]


async def _retention(settings: Settings) -> list[Finding]:
    return about_retention(settings, await asyncio.to_thread(inspect.last_purge_in, settings.database))


async def _database(
    settings: Settings, sealer: Sealer | None, now: Callable[[], datetime], limits: DoctorTimeouts
) -> list[Finding]:
    place, found = settings.database, list[Finding]()
    if isinstance(place, DatabaseAddress):
        try:
            # psycopg is an extra, which this needs and says so.
            from bot.runtime.doctor import servers  # noqa: PLC0415
        except DatabaseFault as fault:
            return [fail("database servers", f"{fault}.")]
        found, is_there = await servers.probe(place, limits, now)
        if not is_there:
            return found
    return [*found, *await _contents(place if isinstance(place, DatabaseAddress) else place.resolve(), sealer)]


async def _contents(place: Path | DatabaseAddress, sealer: Sealer | None) -> list[Finding]:
    subject, is_file = "database", isinstance(place, Path)
    try:
        seen = await asyncio.to_thread(inspect.examine, place, sealer, patience=SWEEP)
    except WrongKey as fault:
        return [fail(subject, f"{fault}.")]
    except DatabaseFault as fault:
        return [fail(subject, f"{str(fault).rstrip('.')}. See KYC_DATABASE ({place}).")]
    if not seen.exists:
        words = "does not exist yet; the first start makes it" if is_file else "is empty; the first start fills it"
        return [ok(subject, f"{place} {words}")]
    facts = [] if not is_file else ["whole"] if seen.swept else [f"no damage found within {SWEEP.seconds} s"]
    if seen.proven:
        facts.append("the key opens it")
    if seen.pending:
        facts.append(f"the next start brings it up to date ({', '.join(seen.pending)})")
    if seen.unfinished:
        facts.append("its last upgrade is not finished: a running bot works on it, or the next start does")
    found = [ok(subject, f"{place}: {', '.join(facts)}"), *_records(seen)]
    if seen.open_to_others:
        files = " ".join(str(file) for file in seen.open_to_others)
        found.append(note("database files", f"other users of this machine may read them. Type chmod 600 {files}"))
    return found


def _records(seen: Inspection) -> Iterator[Finding]:
    """What somebody else than the bot has written into the database."""
    if seen.altered:
        many = "1 check was" if seen.altered == 1 else f"{seen.altered} checks were"
        yield fail("records", f"{many} altered beside the bot. See *Records that were altered* in docs/operations.md.")
    if seen.older:
        text = "some check was put back to an older state or taken away. See docs/operations.md."
        yield fail("records", text)

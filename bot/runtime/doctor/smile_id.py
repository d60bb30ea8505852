"""Smile ID's side: whether it takes our credentials, and which ID types it lets us use."""

from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.id_types.services import PartnerIDTypes
from bot.errors import SmileIDAnswerInvalid, SmileIDError, SmileIDNotSent, SmileIDRefused, SmileIDUntrusted
from bot.network import Outbound
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, listed, note, ok
from bot.runtime.doctor.ways import no_connection
from bot.runtime.outgoing import connect_smile_id
from bot.settings import SmileIDSettings
from bot.slack.blocks import refusals
from bot.smile_id.interface import SmileID


async def probe(
    settings: SmileIDSettings,
    outbound: Outbound,
    http: httpx.AsyncClient,
    id_types: IDTypes | None,
    now: Callable[[], datetime],
    limits: DoctorTimeouts,
) -> list[Finding]:
    subject = "smile id credentials"
    try:
        smile_id = connect_smile_id(settings, http, now=now, call_seconds=limits.call)
        enabled, proven = await _try_credentials(smile_id)
    except ValueError as fault:
        return [fail(subject, f"{fault}. See SMILE_ID_API_URL and SMILE_ID_API_KEY.")]
    except SmileIDError as fault:
        return [fail(subject, _trouble(fault, settings, outbound))]
    where = f"{settings.smile_id_environment.value}, {urlsplit(settings.smile_id_url).hostname}"
    found = [
        ok(subject, f"Smile ID takes them ({where})")
        if proven
        else note(subject, f"not refused, but nothing that Smile ID answers here proves them ({where})")
    ]
    return found if id_types is None else [*found, *_id_types_in_use(id_types, enabled)]


async def _try_credentials(smile_id: SmileID) -> tuple[PartnerIDTypes | None, bool]:
    """What this partner may use, if Smile ID tells; and whether the credentials are proven."""
    try:
        enabled = await smile_id.enabled_id_types()
    except SmileIDRefused:
        enabled = None
    if enabled is not None:
        return enabled, True
    # not every environment has that list
    return None, await smile_id.accepts_credentials()


def _id_types_in_use(id_types: IDTypes, partner: PartnerIDTypes | None) -> list[Finding]:
    subject = "id types"
    table = list(id_types.offered())
    if partner is None:
        untold = f"Smile ID does not tell which you may use, so the form offers all {len(table)} of the table"
        return [note(subject, untold), *_consent_screens(table)]
    if not any(entry.id_type in partner.enabled.get(entry.country, frozenset()) for entry in table):
        none_left = (
            f"none of the {len(table)} in the table is enabled for you. "
            "Ask Smile ID to enable Biometric KYC for your countries."
        )
        return [fail(subject, none_left)]
    id_types.enable_only(partner)
    usable = list(id_types.offered())
    countries = listed(sorted({entry.country for entry in usable}))
    enabled = ok(subject, f"{len(usable)} of the {len(table)} in the table are enabled for you ({countries})")
    return [enabled, *_consent_screens(usable)]


def _consent_screens(usable: Sequence[IDType]) -> list[Finding]:
    wanted = [f"{entry.country} {entry.id_type}" for entry in usable if entry.consent_screen]
    if not wanted:
        return []
    text = f"Smile ID wants its own consent screen for {listed(wanted)}. Ask Smile ID before you use "
    return [note("consent screen", f"{text}{'it' if len(wanted) == 1 else 'them'} in production.")]


def _trouble(fault: SmileIDError, settings: SmileIDSettings, outbound: Outbound) -> str:
    host = urlsplit(settings.smile_id_url).hostname
    match fault:
        case SmileIDNotSent():
            return no_connection(settings.smile_id_url, fault, outbound, setting="SMILE_ID_API_URL")
        case SmileIDRefused():
            why = f"code {fault.code}" if fault.code else f"HTTP {fault.status}"
            environment = f"SMILE_ID_ENVIRONMENT is {settings.smile_id_environment.value}"
            return f"{refusals.SENTENCES[fault.why]} ({why}; {environment})"
        case SmileIDUntrusted():
            return "the answer is not signed with this API key. Copy key and partner id from Smile ID's portal again."
        case SmileIDAnswerInvalid():
            return f"{host} does not answer as Smile ID does. See SMILE_ID_API_URL, which ends in /v1."
        case _:
            return f"no proper answer from {host} ({fault}). Run the check again; see also Smile ID's status page."

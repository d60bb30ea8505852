"""Smile ID's side: whether it takes our credentials, and which ID types it lets us use."""

import secrets
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from bot.check.findings import Finding, Limits, fail, listed, note, ok
from bot.domain.id_types import IDTypes
from bot.errors import SmileIDAnswerInvalid, SmileIDError, SmileIDNotSent, SmileIDRefused, SmileIDUntrusted
from bot.settings import Settings
from bot.smile_id.client import Products, SmileID


async def look(
    settings: Settings,
    http: httpx.AsyncClient,
    id_types: IDTypes | None,
    now: Callable[[], datetime],
    limits: Limits,
) -> list[Finding]:
    subject = "smile id credentials"
    try:
        client = SmileID(
            http=http,
            base_url=settings.smile_id_url,
            partner_id=settings.smile_id_partner_id,
            api_key=settings.smile_id_api_key.get_secret_value(),
            now=now,
            timeout=http.timeout,
            call_seconds=limits.call,
        )
        products, proven = await _try_credentials(client)
    except ValueError as fault:
        return [fail(subject, f"{fault}. See SMILE_ID_API_URL and SMILE_ID_API_KEY.")]
    except SmileIDError as fault:
        return [fail(subject, _trouble(fault, settings))]
    where = f"{settings.smile_id_environment.value}, {urlsplit(settings.smile_id_url).hostname}"
    found = [
        ok(subject, f"Smile ID takes them ({where})")
        if proven
        else note(subject, f"not refused, but nothing that Smile ID answers here proves them ({where})")
    ]
    return found if id_types is None else [*found, _id_types_in_use(id_types, products)]


async def _try_credentials(client: SmileID) -> tuple[Products | None, bool]:
    """What this partner may use, if Smile ID tells; and whether the credentials are proven."""
    try:
        products = await client.products()
    except SmileIDRefused:
        products = None
    if products is not None:
        return products, True
    # Not every environment has that call. Asking about a job that nobody has is read-only too, and a wrong key is
    # refused there; but how Smile ID answers for an unknown job is not documented, so only a signed answer is a proof.
    nobody = f"kyc-bot-check-{secrets.token_hex(8)}"
    status = await client.job_status(user_id=nobody, job_id=nobody)
    return None, not status.unknown_job


def _id_types_in_use(id_types: IDTypes, products: Products | None) -> Finding:
    subject = "id types"
    table = list(id_types.offered())
    if products is None:
        return note(
            subject, f"Smile ID does not tell which you may use, so the form offers all {len(table)} of the table"
        )
    usable = [entry for entry in table if entry.id_type in products.biometric_kyc.get(entry.country, frozenset())]
    if not usable:
        return fail(
            subject,
            f"none of the {len(table)} in the table is enabled for you. "
            "Ask Smile ID to enable Biometric KYC for your countries.",
        )
    countries = listed(sorted({entry.country for entry in usable}))
    return ok(subject, f"{len(usable)} of the {len(table)} in the table are enabled for you ({countries})")


def _trouble(fault: SmileIDError, settings: Settings) -> str:
    host = urlsplit(settings.smile_id_url).hostname
    match fault:
        case SmileIDNotSent():
            return f"no connection to {host}. This machine must reach it by https: see DNS and firewall."
        case SmileIDRefused():
            why = f"code {fault.code}" if fault.code else f"HTTP {fault.status}"
            return f"{fault.words} ({why}; SMILE_ID_ENVIRONMENT is {settings.smile_id_environment.value})"
        case SmileIDUntrusted():
            return "the answer is not signed with this API key. Copy key and partner id from Smile ID's portal again."
        case SmileIDAnswerInvalid():
            return f"{host} does not answer as Smile ID does. See SMILE_ID_API_URL, which ends in /v1."
        case _:
            return f"no proper answer from {host} ({fault}). Run the check again; see also Smile ID's status page."

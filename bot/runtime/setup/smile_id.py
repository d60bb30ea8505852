"""Smile ID's part of the setup: environment, partner id and API key, tried together."""

from collections.abc import Callable

import httpx

from bot.errors import SettingsFault
from bot.network import Outbound
from bot.runtime.clock import utc_now
from bot.runtime.doctor import smile_id as doctor
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail
from bot.runtime.setup.draft import Draft
from bot.runtime.setup.secrets import UNTRIED, clean, misfit, told
from bot.runtime.setup.terminal import Terminal
from bot.runtime.tables import read_tables
from bot.settings import Environment

_OTHER = {Environment.SANDBOX: Environment.PRODUCTION, Environment.PRODUCTION: Environment.SANDBOX}


async def try_credentials(draft: Draft, outbound: Outbound, limits: DoctorTimeouts) -> list[Finding]:
    try:
        settings = draft.smile_id()
        _codes, id_types = read_tables(draft.tables())
    except SettingsFault as fault:
        return [fail("smile id credentials", str(fault))]
    async with outbound.http(timeout=httpx.Timeout(limits.call, connect=limits.connect)) as http:
        return await doctor.probe(settings, outbound, http, id_types, utc_now, limits)


Trial = Callable[[], list[Finding]]


def ask_smile_id(draft: Draft, terminal: Terminal, trial: Trial) -> None:
    """Until Smile ID takes them, in this environment or the other."""
    terminal.say("\nSmile ID")
    terminal.say("  Partner ID and API key stand in Smile ID's portal. Sandbox and production have keys of their own.")
    terminal.say("  The API key is not the auth_token of smile_config.json.")
    _ask_environment(draft, terminal)
    while True:
        _ask_partner(draft, terminal)
        typed = clean("SMILE_ID_API_KEY", terminal.ask_secret("API key", kept=bool(draft.get("SMILE_ID_API_KEY"))))
        if typed == UNTRIED and draft.get("SMILE_ID_API_KEY"):
            return
        if wrong := misfit(typed, "") if typed else None:
            terminal.say(wrong)
            continue
        draft.put("SMILE_ID_API_KEY", typed or draft.get("SMILE_ID_API_KEY"))
        if not draft.get("SMILE_ID_API_KEY"):
            terminal.say("It is needed.")
        elif told(terminal, trial()) or _fits_the_other(draft, terminal, trial):
            return
        else:
            terminal.say(f"Type both again; Enter keeps one, and {UNTRIED} as the key goes on with them untried.")


def _ask_environment(draft: Draft, terminal: Terminal) -> None:
    name = "SMILE_ID_ENVIRONMENT"
    while True:
        answer = terminal.ask("Environment: sandbox or production", default=draft.get(name) or Environment.SANDBOX)
        if answer.casefold() in set(Environment):
            draft.put(name, answer.casefold())
            return
        terminal.say("Type sandbox or production.")


def _ask_partner(draft: Draft, terminal: Terminal) -> None:
    name = "SMILE_ID_PARTNER_ID"
    while True:
        answer = clean(name, terminal.ask("Partner ID, with its leading zeros", default=draft.get(name)))
        wrong = misfit(answer, "") if answer else "It is needed."
        if wrong is None:
            draft.put(name, answer)
            return
        terminal.say(wrong)


def _fits_the_other(draft: Draft, terminal: Terminal, trial: Trial) -> bool:
    """The usual mistake: the key of the sandbox in production, or the other way round."""
    if draft.get("SMILE_ID_API_URL"):
        return False
    ours = draft.get("SMILE_ID_ENVIRONMENT")
    other = _OTHER[Environment(ours)]
    draft.put("SMILE_ID_ENVIRONMENT", other)
    found = trial()
    if found[0].ok and terminal.confirm(f"Smile ID's {other} takes them. Use {other}?", default=False):
        return told(terminal, found)
    draft.put("SMILE_ID_ENVIRONMENT", ours)
    return False

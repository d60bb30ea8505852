"""What the bot ran with, in the audit trail: at each start every setting, and which differ from the start before."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from bot import __version__
from bot.settings import Settings
from storage import audit, meta
from storage.engine.database import Transaction

_KEPT = "settings_used"
"""In `meta`: those of the last start."""
SECRET, UNSET = "(secret)", ""
_VERSION, _INSTANCE = "version", "instance"


def used(settings: Settings) -> dict[str, str]:
    """By its name what each setting says, read and not as it was written; of a secret that there is one."""
    said = {str(field.alias): _told(getattr(settings, name)) for name, field in Settings.model_fields.items()}
    return {_VERSION: __version__, **said}


def begun(tx: Transaction, said: Mapping[str, str], *, at: datetime, instance: str | None = None) -> None:
    """A process began with these settings; of several beside each other, this `instance`."""
    before: dict[str, str] = json.loads(meta.kept(tx, _KEPT) or "{}")
    text = json.dumps(said, separators=(",", ":"))
    named = text if instance is None else json.dumps({_INSTANCE: instance, **said}, separators=(",", ":"))
    audit.record(tx, at=at, actor=audit.BOT, act="bot.started", detail=named)
    changed = sorted(name for name in {*before, *said} if before.get(name, UNSET) != said.get(name, UNSET))
    if before and changed:
        audit.record(tx, at=at, actor=audit.BOT, act="settings.changed", detail=",".join(changed))
    meta.keep(tx, _KEPT, text)


def ended(tx: Transaction, *, at: datetime, instance: str | None = None) -> None:
    """It was told to stop, and does; one that was killed leaves no such line."""
    audit.record(tx, at=at, actor=audit.BOT, act="bot.stopped", detail=instance or "")


def _told(value: Any) -> str:
    if isinstance(value, SecretStr):
        return SECRET if value.get_secret_value() else UNSET
    if value is None:
        return UNSET
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = map(_told, value)
        return ",".join(parts if isinstance(value, (list, tuple)) else sorted(parts))
    return str(value)

"""Smile ID's tables, as shipped with the bot or as an operator has corrected them."""

from importlib import resources
from pathlib import Path

from bot.domain.id_types.id_types import IDTypes
from bot.domain.results.codes import ResultCodes
from bot.errors import SettingsFault
from bot.settings import Settings


def read_tables(settings: Settings) -> tuple[ResultCodes, IDTypes]:
    """Smile ID's tables, ours or an operator's copy; raises SettingsFault."""
    ours = resources.files("bot") / "data"
    trusted = ResultCodes.parse((ours / "result-codes.csv").read_text(encoding="utf-8"))
    codes = ResultCodes.parse(_copy(settings.result_codes), trusted=trusted) if settings.result_codes else trusted
    types = _copy(settings.id_types) if settings.id_types else (ours / "id-types.csv").read_text(encoding="utf-8")
    return codes, IDTypes.parse(types)


def _copy(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsFault(f"{path.name} cannot be read ({type(fault).__name__})") from fault

"""The tables in `bot/data/`, or an operator's copies of them."""

import copy
from functools import cache
from importlib import resources
from pathlib import Path

from bot.domain.capture.customer_words import LinkMessages
from bot.domain.id_types.id_types import IDTypes
from bot.domain.results.codes import ResultCodes
from bot.domain.results.customer_texts import CustomerTexts
from bot.errors import SettingsFault
from bot.settings import ReportSettings


def read_tables(settings: ReportSettings) -> tuple[ResultCodes, IDTypes]:
    """Smile ID's tables, ours or an operator's copy; raises SettingsFault."""
    trusted = _our_codes()
    codes = ResultCodes.parse(_copy(settings.result_codes), trusted=trusted) if settings.result_codes else trusted
    # Each bot lays Smile ID's own lists over a table of its own.
    types = IDTypes.parse(_copy(settings.id_types)) if settings.id_types else copy.copy(_our_id_types())
    return codes, types


def read_customer_texts(settings: ReportSettings) -> CustomerTexts:
    """What customers may be told, ours or a site's copy; raises SettingsFault."""
    return CustomerTexts.parse(_copy(settings.customer_messages)) if settings.customer_messages else _our_texts()


# Ours are part of the code, and read once.


@cache
def our_link_messages() -> LinkMessages:
    """What customers are sent with a link."""
    return LinkMessages.parse(_ours("link-messages.csv"))


@cache
def _our_codes() -> ResultCodes:
    return ResultCodes.parse(_ours("result-codes.csv"))


@cache
def _our_id_types() -> IDTypes:
    return IDTypes.parse(_ours("id-types.csv"))


@cache
def _our_texts() -> CustomerTexts:
    return CustomerTexts.parse(_ours("customer-messages.csv"))


def _ours(name: str) -> str:
    return (resources.files("bot") / "data" / name).read_text(encoding="utf-8")


def _copy(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsFault(f"{path.name} cannot be read ({type(fault).__name__})") from fault

"""Whether one of a person's telephone numbers is one that the authority holds."""

import re
from collections.abc import Sequence

from bot.domain.results.record_match.person import RecordMatch

_MAX_TEXT = 64
_MAX_NUMBERS = 8
_SHORTEST = 7
"""Digits of a national number; fewer are a part of one."""
_DIALLING_CODES = {
    "AO": "244", "BF": "226", "BI": "257", "BJ": "229", "BW": "267", "CD": "243", "CF": "236", "CG": "242",
    "CI": "225", "CM": "237", "CV": "238", "DJ": "253", "DZ": "213", "EG": "20", "ER": "291", "ET": "251",
    "GA": "241", "GH": "233", "GM": "220", "GN": "224", "GQ": "240", "GW": "245", "KE": "254", "KM": "269",
    "LR": "231", "LS": "266", "LY": "218", "MA": "212", "MG": "261", "ML": "223", "MR": "222", "MU": "230",
    "MW": "265", "MZ": "258", "NA": "264", "NE": "227", "NG": "234", "RW": "250", "SC": "248", "SD": "249",
    "SL": "232", "SN": "221", "SO": "252", "SS": "211", "ST": "239", "SZ": "268", "TD": "235", "TG": "228",
    "TN": "216", "TZ": "255", "UG": "256", "ZA": "27", "ZM": "260", "ZW": "263",
}  # fmt: skip
"""ITU-T E.164, African countries; elsewhere a number must be written the same way on both sides."""
_WRITTEN = re.compile(r"(\+|00)?([0-9]+)")


def compare_phones(entered: Sequence[str], record: Sequence[str], *, country: str) -> RecordMatch:
    """Another number never *differs*: people change theirs, and registers keep old ones. Symmetric; never raises."""
    one, other = (
        {number for text in side[:_MAX_NUMBERS] if (number := _significant(text, country)) is not None}
        for side in (entered, record)
    )
    if not one or not other:
        return RecordMatch.NOT_COMPARED
    return RecordMatch.MATCHES if one & other else RecordMatch.PARTLY


def _significant(text: str, country: str) -> str | None:
    """The national significant number, or all digits with `+` for another country; None where it is not all there.

    Letters and asterisks hide digits: 0803***4567 is not all there.
    """
    bare = re.sub(r"[\s().\-\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff/]", "", text[:_MAX_TEXT])
    written = _WRITTEN.fullmatch("".join(str(int(char)) if char.isdecimal() else char for char in bare))
    if not written:
        return None
    code = _DIALLING_CODES.get(country.upper(), "")
    abroad, digits = written[1], written[2]
    inland = bool(code) and digits.startswith(code) and (abroad or len(digits) - len(code) >= _SHORTEST + 1)
    if abroad and not inland:
        return f"+{digits}" if len(digits) >= _SHORTEST else None
    national = (digits.removeprefix(code) if inland else digits).removeprefix("0")
    return national if len(national) >= _SHORTEST else None

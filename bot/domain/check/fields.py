"""What the text of a field means: one rule for every door, be it the form, a message, CSV, XLSX or JSON.

`clean_field` takes away what nobody meant to type; `read_field` gives the value as Smile ID wants it, or why it cannot
be what a person meant. What a cell of a spreadsheet is beside its text, a number or a date, is looked at before, in
`bot.domain.applicants.values`.
"""

import re
import unicodedata
from datetime import date

from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.dates import DateDoubt, written_day
from bot.domain.half_characters import mended
from bot.domain.id_types.id_types import IDType

MAX_TEXT = 100
A_DATE = "1990-01-02"
A_PHONE_NUMBER = "08012345678"
_OLDEST_YEARS = 130
CITIZENSHIPS = ("Kenyan", "Alien")
"""What Kenyan types that ask for it accept (id-types.csv, KRA_PIN)."""

_BREAKS = frozenset({"Cc", "Zl", "Zp"})
_INVISIBLE = "Cf"
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
"""Letters, digits and signs as East Asian keyboards make them."""
_SHOWN_AS_BLANK = dict.fromkeys(map(ord, "\u2800\u3164\u115f\u1160\uffa0"), " ")
"""Signs and letters of other scripts that look like nothing."""
_SHOWN_AS_NOTHING = dict.fromkeys([0x034F, 0x17B4, 0x17B5, *range(0x180B, 0x180E), *range(0xFE00, 0xFE10)], None)
_LOOK_ALIKE = {**_FULL_WIDTH, **_SHOWN_AS_BLANK, **_SHOWN_AS_NOTHING}
_APOSTROPHES = "'’‘`´"
"""What people put before a number, so that a spreadsheet takes it for text."""
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "‘": "’", "«": "»", "`": "`"}
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
"""A formula that is nothing but its text: exports write so to keep zeros."""
_NOTHING = frozenset({"-", "--", "–", "—", "n/a"})
"""What people write into a field that stays empty."""
_SHEET_ERROR = re.compile(r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!)|#{3,}", re.IGNORECASE)
_ROUNDED = re.compile(r"[0-9]+(?:[.,][0-9]+E\+?|E\+)[0-9]+", re.IGNORECASE)
_CUT = re.compile(r"[1-9][0-9]{14}0{2,}")
"""Excel keeps 15 digits and writes zeros for the others. One zero alone may be meant: every tenth number ends so."""
_WITH_DECIMALS = re.compile(r"([1-9][0-9]*)[.,]0{1,2}")
_ROUNDABLE = frozenset({"phone_number", "bank_code", "customer_reference"})
"""Texts of digits beside the ID number; a spreadsheet takes them for numbers."""
_FEWEST_DIGITS = 4
"""A reference such as `1.0` may be meant; so short a number is never cut."""
_PHONE = re.compile(r"\+?[0-9 ().-]+")
_LIKE_FORMULA = re.compile(r"[(!|=]|[-+*/]\s*\w|^\s*\$?[A-Za-z]{1,3}\$?[0-9]|^\s*[0-9]")
_PICTURES = frozenset({"So", "Co", "Cn"})
"""Emoji and other pictures; and what no font of ours can show, where the newest of them are."""
NAMES = frozenset({"first_name", "middle_name", "last_name"})
_EMOJI_CODE = re.compile(r":[a-z0-9_+'-]+:")
"""How Slack sends an emoji that somebody put into a field: `:grinning:`."""
_DASHES = re.compile(r"[-‐‑‒–—−.]")


def clean(text: str) -> str:
    """One line without control, direction and invisible characters, which would let a text pose as another.

    Half a character becomes U+FFFD, since what it was cannot be told.
    """
    if text.isprintable():
        return " ".join(text.split())
    kinds = ((ch, unicodedata.category(ch)) for ch in mended(text))
    shown = (" " if kind in _BREAKS else ch for ch, kind in kinds if kind != _INVISIBLE)
    return " ".join("".join(shown).split())


def narrow(text: str) -> str:
    """Full-width letters, digits and signs as plain ones, and accents as one character with their letters."""
    return unicodedata.normalize("NFC", text.translate(_FULL_WIDTH))


def clean_field(text: str) -> str:
    """What a person meant to type: without quotes around it, apostrophes before it, and whatever looks like nothing.

    Cleaning twice is cleaning once.
    """
    # An accent may stand behind something invisible: it joins its letter once that is gone.
    text = clean(text) if text.isascii() else unicodedata.normalize("NFC", clean(text.translate(_LOOK_ALIKE)))
    while (bare := _unquoted(text)) != text:
        text = bare
    return "" if text.casefold() in _NOTHING else text


def _unquoted(text: str) -> str:
    if formula := _TEXT_FORMULA.fullmatch(text):
        return formula[1].strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    return text.lstrip(_APOSTROPHES).strip()


def text_fault(value: str) -> FieldFault | None:
    """Why a clean text, of whatever field, is not what a person meant: a spreadsheet made it."""
    if _SHEET_ERROR.fullmatch(value):
        return FieldFault(FieldCode.CELL_ERROR)
    return FieldFault(FieldCode.FORMULA) if is_formula(value) else None


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would compute this instead of showing it."""
    first, rest = text[:1], text[1:]
    if first == "=":
        return bool(rest)
    if first == "+" and _PHONE.fullmatch(text):
        return False
    return first in {"+", "-", "@"} and bool(_LIKE_FORMULA.search(rest))


def read_field(name: str, value: str, entry: IDType, today: date) -> tuple[str, FieldFault | None]:
    """The value of a field of Smile ID's, from a clean text that is not empty, and what is wrong with it."""
    if fault := text_fault(value):
        return value, fault
    if name == "id_number":
        return check_number(value, entry)
    if name == "dob":
        return _read_birth(value, today)
    if name == "citizenship":
        known = next((one for one in CITIZENSHIPS if one.casefold() == value.casefold()), None)
        return known or value, None if known else FieldFault(FieldCode.CITIZENSHIP, choices=CITIZENSHIPS)
    if name in _ROUNDABLE and _is_rounded(value):
        return value, FieldFault(FieldCode.ROUNDED)
    if name == "phone_number":
        bare = _DASHES.sub("", re.sub(r"[ ()]", "", value))
        fits = re.fullmatch(r"\+?[0-9]{6,20}", bare)
        return (bare, None) if fits else (value, FieldFault(FieldCode.PHONE_NUMBER, example=A_PHONE_NUMBER))
    if name in NAMES and not _is_name(value):
        return value, FieldFault(FieldCode.NAME)
    return value, _length_fault(value)


def _is_name(value: str) -> bool:
    """Whether it can be somebody's name: letters of any script, and no pictures.

    A picture that Smile ID compared with the authority's record would only ever differ from it, and cost a check.
    """
    kinds = {unicodedata.category(ch) for ch in value}
    has_letters = any(kind[0] == "L" for kind in kinds)
    return has_letters and not kinds & _PICTURES and not _EMOJI_CODE.search(value)


def reference_fault(value: str) -> FieldFault | None:
    """What is wrong with a customer reference, from a clean text."""
    rounded = FieldFault(FieldCode.ROUNDED) if _is_rounded(value) else None
    return text_fault(value) or rounded or _length_fault(value)


def _length_fault(value: str) -> FieldFault | None:
    return FieldFault(FieldCode.TOO_LONG, most=MAX_TEXT, length=len(value)) if len(value) > MAX_TEXT else None


def _is_rounded(value: str, *, fewest: int = _FEWEST_DIGITS) -> bool:
    """Whether a program has taken digits for a number.

    `2.22E+10`, `12345678901234500`, or `22212345678.0`, which may have lost zeros.
    """
    decimals = _WITH_DECIMALS.fullmatch(value)
    is_cut = _ROUNDED.fullmatch(value) or _CUT.fullmatch(value)
    return bool(is_cut) or (decimals is not None and len(decimals[1]) >= fewest)


def check_number(value: str, entry: IDType) -> tuple[str, FieldFault | None]:
    """The number as Smile ID wants it, and a fault if it does not have the form of its type.

    Blanks and dashes as printed on cards are taken away where the type's form has no place for them, and small
    letters become capital ones where it has none for those.
    """
    value = clean_field(value)
    if _is_rounded(value, fewest=1):
        # Its point is no dash of a card: without it, the decimals would become digits of the number.
        return value, FieldFault(FieldCode.ROUNDED)
    close = re.sub(r"\s", "", value)
    bare = _DASHES.sub("", close)
    for candidate in (value, close, bare, value.upper(), close.upper(), bare.upper()):
        if 0 < len(candidate) <= MAX_TEXT and (entry.pattern is None or entry.pattern.fullmatch(candidate)):
            return candidate, None
    return value, _number_fault(bare, entry)


def _number_fault(typed: str, entry: IDType) -> FieldFault:
    digits = entry.digits
    if digits is None:
        return FieldFault(FieldCode.NUMBER_FORM, of_type=entry.short, looks_like=entry.example)
    if not (typed.isascii() and typed.isdecimal()):
        return FieldFault(FieldCode.NUMBER_NOT_DIGITS, id_type=entry.short, digits=digits, example=entry.example)
    return FieldFault(
        FieldCode.NUMBER_LENGTH, id_type=entry.short, digits=digits, example=entry.example, length=len(typed)
    )


_DOUBTS = {DateDoubt.TWO_DAYS: FieldCode.DATE_UNCLEAR, DateDoubt.TIME: FieldCode.DATE_WITH_TIME}


def _read_birth(value: str, today: date) -> tuple[str, FieldFault | None]:
    written = written_day(value, joined=True)
    if written is None or written.doubt is DateDoubt.IMPOSSIBLE:
        return value, FieldFault(FieldCode.NOT_A_DATE, date=A_DATE)
    if written.day is None:
        return value, FieldFault(_DOUBTS[written.doubt or DateDoubt.TWO_DAYS])
    if written.day > today:
        return value, FieldFault(FieldCode.DATE_TO_COME, date=A_DATE)
    if today.year - written.day.year > _OLDEST_YEARS:
        return value, FieldFault(FieldCode.DATE_TOO_OLD, years=_OLDEST_YEARS, date=A_DATE)
    return written.day.isoformat(), None

"""What single words and short runs of words can mean in a mention: labels, countries, ID types, dates.

Every meaning is exact; what has two is said to have two.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from bot.domain.id_types import IDTypes
from bot.domain.mentions.tokens import Kind, Word, fold

COUNTRY, ID_TYPE, NAMES, OTHER = "country", "id_type", "names", "other"
REFERENCE = "customer_reference"
ELSEWHERE = "elsewhere"
"""The code of a country that has nothing to offer."""


class Sense(StrEnum):
    LABEL = "label"
    COUNTRY = "country"
    ID_TYPE = "id type"
    FILLER = "filler"


@dataclass(frozen=True, slots=True)
class Meaning:
    sense: Sense
    values: frozenset[str] | frozenset[tuple[str, str]]
    """A field's name; a country's code; the (country, ID type) pairs of that name."""
    most_words: int
    needs_mark: bool = False


_LABELS = {
    COUNTRY: ["country", "issuing country", "country of issue"],
    ID_TYPE: ["id type", "type of id", "document type"],
    "id_number": ["id number", "id no", "id num", "document number", "number"],
    "first_name": ["first name", "given name", "forename", "fname"],
    "middle_name": ["middle name", "mname"],
    "last_name": ["last name", "surname", "family name", "lname"],
    "dob": ["dob", "d.o.b", "date of birth", "birth date", "date birth"],
    "phone_number": ["phone", "phone number", "phone no", "mobile number", "telephone"],
    "bank_code": ["bank code"],
    "citizenship": ["citizenship"],
    REFERENCE: ["ref", "reference", "customer reference", "customer ref", "customer id", "customer number", "our ref"],
}
_MARKED_LABELS = {
    # Words that are names of people or ordinary words too.
    ID_TYPE: ["type", "document"],
    "id_number": ["no", "id"],
    "dob": ["born", "birthday", "birth"],
    "phone_number": ["mobile", "tel", "cell"],
    NAMES: ["name", "full name", "names", "customer name", "customer", "client"],
    OTHER: ["nationality", "gender", "sex", "address", "email", "account number", "other name", "other names"],
}
_FILLERS = [
    "please", "pls", "kindly", "hello", "hi", "hi there", "hello there", "hey", "good morning", "good afternoon",
    "good evening", "thanks", "thank you", "kyc", "biometric kyc", "check", "new check", "run a check",
    "start a check", "run a kyc check", "verify", "customer", "client", "for", "help",
]  # fmt: skip
_ELSEWHERE = [
    "Uganda", "Zambia", "Zimbabwe", "Rwanda", "Tanzania", "Senegal", "Cameroon", "Ethiopia", "Egypt", "Malawi",
    "Mozambique", "Botswana", "Namibia", "Angola", "Burundi", "Morocco", "Tunisia", "Algeria", "Benin", "Togo",
    "Liberia", "Sierra Leone", "Gambia", "Ivory Coast", "Cote d'Ivoire", "Burkina Faso", "Congo", "South Sudan",
    "Nigeria", "Ghana", "Kenya", "South Africa",
]  # fmt: skip
_NO_NAMES = frozenset(
    re.findall(
        r"\S+",
        "a an the and or not no yes of in on at to from by with this that it is was are be i me my we us our you "
        "your he she his her can could would will need want what how who when where why do does done did get got "
        "have has had run start new old now today tomorrow urgent asap request requests selfie selfies photo "
        "photos image images picture pictures attached see above below liveness result results id ids card cards "
        "number numbers num name names type types date birth born country national nationality passport licence "
        "license permit driver drivers driver's voter voters voter's slip virtual nin bvn tin tpin kra pin ssnit "
        "tax account bank document documents alien resident refugee customer client bot smile biometric morning "
        "afternoon evening good there here everyone all team status find list rerun cancel summary notify export "
        "forget phone mobile tel cell gender sex male female address email mr mrs ms miss dr",
    )
)

_MONTHS = {
    name: number
    for number, names in enumerate(
        ["jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"], start=1)
    for name in names.split()
}  # fmt: skip
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d{2})", re.ASCII)
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-/. ]([a-z]{3,9})[-/. ](\d{4}|\d{2})", re.ASCII)
_MONTH_DAY = re.compile(r"([a-z]{3,9})[-/. ](\d{1,2})(?:st|nd|rd|th)?[-/. ](\d{4}|\d{2})", re.ASCII)
_YEAR_MONTH = re.compile(r"(\d{4})[-/. ]([a-z]{3,9})[-/. ](\d{1,2})", re.ASCII)


class Vocabulary:
    """Everything that has a fixed meaning, by its letters and digits alone."""

    def __init__(self, id_types: IDTypes) -> None:
        self._meanings: dict[str, Meaning] = {}
        self._phrases: dict[str, Meaning] = {}
        for filler in _FILLERS:
            self._put(filler, Sense.FILLER, filler)
        for needs_mark, labels in ((True, _MARKED_LABELS), (False, _LABELS)):
            for name, phrases in labels.items():
                for phrase in phrases:
                    self._put(phrase, Sense.LABEL, name, needs_mark=needs_mark)
        for name in _ELSEWHERE:
            self._put(name, Sense.COUNTRY, ELSEWHERE)
        for code, name in id_types.countries().items():
            self._put(code, Sense.COUNTRY, code)
            self._put(name, Sense.COUNTRY, code)
        called: dict[str, set[tuple[str, str]]] = {}
        for entry in id_types.offered():
            for phrase in (entry.id_type, entry.label):
                called.setdefault(phrase, set()).add((entry.country, entry.id_type))
        for phrase, pairs in called.items():
            known = self._meanings.get(fold(phrase))
            same = known.values if known and known.sense is Sense.ID_TYPE else frozenset()
            self._put(phrase, Sense.ID_TYPE, *pairs, *same)
        self._longest = max(meaning.most_words for meaning in self._meanings.values())
        self.label_ends = frozenset(
            fold(word)
            for phrase, meaning in self._phrases.items()
            if meaning.sense in (Sense.LABEL, Sense.ID_TYPE)
            for word in (re.split(r"[\s_]", phrase)[-1], phrase)
        )
        self._words = _NO_NAMES | {
            fold(part)
            for phrase, meaning in self._phrases.items()
            if meaning.sense is not Sense.FILLER and len(phrase) > 2
            for part in re.split(r"[\s_()]", phrase)
        }

    def _put(self, phrase: str, sense: Sense, *values: object, needs_mark: bool = False) -> None:
        words = len(re.findall(r"[^\W_]+", phrase))
        meaning = Meaning(sense, frozenset(values), words, needs_mark)  # type: ignore[arg-type]
        self._phrases[phrase] = meaning
        self._meanings[fold(phrase)] = meaning

    def at(self, words: Sequence[Word], start: int) -> tuple[int, Meaning] | None:
        """The longest run from here that means something, and its number of words."""
        key, best = "", None
        for count in range(1, min(self._longest, len(words) - start) + 1):
            word = words[start + count - 1]
            if word.kind is not Kind.WORD or word.segment != words[start].segment:
                break
            key += fold(word.text)
            meaning = self._meanings.get(key)
            if meaning and count <= meaning.most_words and (word.marked or not meaning.needs_mark):
                best = count, meaning
            if word.marked:
                break
        return best

    def can_be_name(self, word: Word) -> bool:
        """Letters, with what stands within names, and no word of our own or of everyday messages."""
        return is_letters(word) and word.text.casefold() not in _NO_NAMES and fold(word.text) not in self._words


def is_letters(word: Word) -> bool:
    kinds = [unicodedata.category(ch)[0] if ch not in "'-.’ʼ‘`" else "-" for ch in word.text]
    return word.kind is Kind.WORD and "L" in kinds and set(kinds) <= {"L", "M", "-"}


def is_month(word: Word) -> bool:
    return word.text.casefold() in _MONTHS


@dataclass(frozen=True, slots=True)
class Written:
    """Something written as a date; `day` is None when it cannot be told which."""

    count: int
    day: date | None
    impossible: bool = False
    """No calendar has it, however it is read."""


def date_at(words: Sequence[Word], start: int, *, labelled: bool = False) -> Written | None:
    """A date in one word or three. Three bare numbers are one only behind a label: they may be an ID number."""
    for count in (1, 3):
        run = words[start : start + count]
        if len(run) < count or any(w.kind is not Kind.WORD or w.segment != run[0].segment for w in run):
            continue
        if any(word.marked for word in run[:-1]):
            continue
        text = " ".join(word.text for word in run).casefold()
        readings = _readings(text)
        if readings is None or (not labelled and count == 3 and not any(ch.isalpha() for ch in text)):
            continue
        if count == 3 and run[0].text.isdecimal() and _starts_a_date(words, start + 1):
            # `061 0 October 02, 1993`: the first word is the end of a number before the date.
            continue
        days = {day for day in map(_day, readings) if day}
        return Written(count, days.pop() if len(days) == 1 else None, impossible=bool(readings) and not days)
    return None


def _starts_a_date(words: Sequence[Word], start: int) -> bool:
    run = words[start : start + 3]
    if len(run) < 3 or any(word.segment != run[0].segment for word in run) or not is_month(run[0]):
        return False
    return any(_day(reading) for reading in _readings(" ".join(word.text for word in run).casefold()) or [])


def _readings(text: str) -> list[tuple[int, int, int]] | None:
    """All the (year, month, day) it may stand for; none for a year of two digits; None if it is no date at all."""
    if found := _YEAR_FIRST.fullmatch(text):
        return [(int(found[1]), int(found[3]), int(found[4]))]
    if found := _YEAR_LAST.fullmatch(text):
        first, second, year = int(found[1]), int(found[3]), found[4]
        return [(int(year), second, first), (int(year), first, second)] if len(year) == 4 else []
    for form, (year_at, month_at, day_at) in (
        (_DAY_MONTH, (3, 2, 1)),
        (_MONTH_DAY, (3, 1, 2)),
        (_YEAR_MONTH, (1, 2, 3)),
    ):
        if (found := form.fullmatch(text)) and (month := _MONTHS.get(found[month_at])):
            return [(int(found[year_at]), month, int(found[day_at]))] if len(found[year_at]) == 4 else []
    return None


def _day(reading: tuple[int, int, int]) -> date | None:
    try:
        return date(*reading)
    except ValueError:
        return None

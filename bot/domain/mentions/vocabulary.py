"""What words and short runs of words mean in a message: labels, countries, ID types, and what says nothing.

Every meaning is exact: a phrase with two meanings is decided by its neighbours, or it is unclear (`parser`).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.tokens import Token, TokenKind, fold, is_letters

COUNTRY, ID_TYPE, NAMES, OTHER = "country", "id_type", "names", "other"
NUMBER, PHONE, BIRTH, CITIZENSHIP = "id_number", "phone_number", "dob", "citizenship"
NAME_FIELDS = ("first_name", "middle_name", "last_name")
REFERENCE = "customer_reference"
ELSEWHERE = "elsewhere"
"""The code of a country that has nothing to offer."""


class PhraseKind(StrEnum):
    LABEL = "label"
    COUNTRY = "country"
    ID_TYPE = "id type"
    FILLER = "filler"
    """Says nothing of a check: a greeting, *please*."""


@dataclass(frozen=True, slots=True)
class PhraseMeaning:
    kind: PhraseKind
    most_words: int
    """Letters that are spread over more words are something else."""
    name: str = ""
    """The field that a label is of, or a country's code."""
    pairs: frozenset[tuple[str, str]] = frozenset()
    """Country and ID type, of all ID types that are called so."""
    needs_mark: bool = False
    """Means something only before a colon or an equals sign."""


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


class Vocabulary:
    """Everything that has a fixed meaning, found by its letters and digits alone."""

    def __init__(self, id_types: IDTypes) -> None:
        entries = list(_entries(id_types))
        # Of entries with the same letters the last counts: an ID type before a label, a label before a greeting.
        self._meanings = {fold(phrase): meaning for phrase, meaning in entries}
        self._longest = max(meaning.most_words for meaning in self._meanings.values())
        self.label_ends = frozenset(
            fold(word)
            for phrase, meaning in entries
            if meaning.kind in (PhraseKind.LABEL, PhraseKind.ID_TYPE)
            for word in (re.split(r"[\s_]", phrase)[-1], phrase)
        )
        self._no_names = _NO_NAMES | {
            fold(part)
            for phrase, meaning in entries
            if meaning.kind is not PhraseKind.FILLER and len(phrase) > 2
            for part in re.split(r"[\s_()]", phrase)
        }

    def at(self, words: Sequence[Token], start: int) -> tuple[range, PhraseMeaning] | None:
        """The longest phrase that begins here, and what it means."""
        key, best = "", None
        for count in range(1, min(self._longest, len(words) - start) + 1):
            word = words[start + count - 1]
            if word.kind is not TokenKind.WORD or word.segment != words[start].segment:
                break
            key += fold(word.text)
            meaning = self._meanings.get(key)
            if meaning and count <= meaning.most_words and (word.marked or not meaning.needs_mark):
                best = range(start, start + count), meaning
            if word.marked:
                break
        return best

    def can_be_name(self, word: Token) -> bool:
        """Letters, with the signs that occur within names, and no word of our own or of everyday messages."""
        return is_letters(word) and self._no_names.isdisjoint({word.text.casefold(), fold(word.text)})


def _entries(id_types: IDTypes) -> Iterator[tuple[str, PhraseMeaning]]:
    """Phrases and what they mean, the weaker first."""
    for phrase in _FILLERS:
        yield phrase, _meaning(PhraseKind.FILLER, phrase)
    for labels, needs_mark in ((_MARKED_LABELS, True), (_LABELS, False)):
        for name, phrases in labels.items():
            for phrase in phrases:
                yield phrase, replace(_meaning(PhraseKind.LABEL, phrase, name), needs_mark=needs_mark)
    for phrase in _ELSEWHERE:
        yield phrase, _meaning(PhraseKind.COUNTRY, phrase, ELSEWHERE)
    for code, country in id_types.countries().items():
        for phrase in (code, country):
            yield phrase, _meaning(PhraseKind.COUNTRY, phrase, code)
    # By their codes and by their names; *Passport* is one of several countries.
    called: dict[str, set[tuple[str, str]]] = defaultdict(set)
    named = [(phrase, entry) for entry in id_types.offered() for phrase in (entry.id_type, entry.label)]
    for phrase, entry in named:
        called[fold(phrase)].add((entry.country, entry.id_type))
    for phrase, _ in named:
        yield phrase, replace(_meaning(PhraseKind.ID_TYPE, phrase), pairs=frozenset(called[fold(phrase)]))


def _meaning(kind: PhraseKind, phrase: str, name: str = "") -> PhraseMeaning:
    return PhraseMeaning(kind, len(re.findall(r"[^\W_]+", phrase)), name)

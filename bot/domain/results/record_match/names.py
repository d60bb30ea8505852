"""Splits the text of a name into words that can be compared, and says what kind of word each one is.

Case, accents, apostrophes, punctuation and invisible characters are gone afterwards; letters of other scripts stay as
they are. Which words make two names the same is decided in `bot.domain.results.record_match.name_match`.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from anyascii import anyascii

MAX_TEXT = 400
"""Characters that are read of one field; a form takes 100 (`request.MAX_TEXT`)."""
MAX_WORDS = 16
"""Words that are read of one field. With them the work of a comparison is bounded."""
MAX_LETTERS = 40
"""Letters that are read of one word."""


class NameKind(Enum):
    """What a word says about a person's identity."""

    NAME = auto()
    INITIAL = auto()
    """One letter."""
    BINDING = auto()
    """Part of a name that is another name without it: *Abdul* Rahman, *Ben* Ali."""
    STYLE = auto()
    """A title or a name: *Prince*, *Nana*, *Cheikh*."""
    OPTIONAL = auto()
    """Left out as often as written: *van der* Merwe, *da* Silva, *Chief*, *Alhaji*."""
    GENERATION = auto()
    """Junior, Senior, II: distinguishes a father from his son."""
    TITLE = auto()
    """Never a name: Mr, Dr."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TITLES = _set(
    "arc barr barrister dr engr eng esq hon honourable madam miss mister mlle mme mr mrs ms prof professor rev revd "
    "senhor senhora sir sra srta"
)
_LINKS = _set("da das de del den der des di do dos du la le van von")
_OPTIONAL = _LINKS | _set(
    "alhaja alhaji alhadji ato capt captain chief col colonel elhadj elhadji hadj hadja hadji haj haji hajia hajiya "
    "hajj malam mallam mzee otunba pastor reverend sergeant sgt weizero woizero"
)
_STYLES = _set(
    "bishop cheikh deacon dona elder father general imam judge justice king lady lord major nana nii oba prince "
    "princess queen sheikh shaykh sister togbe"
)
_BINDING = _set("abd abdel abdoul abdu abdul ag ait al ben bin bint binti el gebre ibn mac mc oluwa ould sidi wolde")
_KINDS = {
    **dict.fromkeys(_STYLES, NameKind.STYLE),
    **dict.fromkeys(_BINDING, NameKind.BINDING),
    **dict.fromkeys(_OPTIONAL, NameKind.OPTIONAL),
    **dict.fromkeys(_TITLES, NameKind.TITLE),
}
_GENERATIONS = {
    "jr": "junior", "jnr": "junior", "junior": "junior", "sr": "senior", "snr": "senior", "senior": "senior",
    "ii": "second", "2nd": "second", "iii": "third", "3rd": "third", "iv": "fourth", "4th": "fourth",
}  # fmt: skip
_PLACEHOLDERS = _set(
    "n/a na nil none null undefined unknown - -- . not_available not_applicable not_provided no_name fnu lnu"
)
"""What forms and authorities write where they know no name, as the whole field."""

_APOSTROPHES = dict.fromkeys(map(ord, "'`´‘’‛′ʹʻʼʽʾʿˈ՚׳＇"), None)
_SEVERAL = frozenset("/\\&+;|")
_OTHERWISE = _set("aka alias and et formerly nee")
"""Between two names, of one person or of two."""
_TATWEEL = "ـ"
"""Lengthens Arabic letters; without meaning."""
_HYPHENS = re.compile(r"[\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")


@dataclass(frozen=True, slots=True, repr=False)
class NameWord:
    """One word of a name, ready to be compared: two words are the same name if their `text` is equal."""

    text: str
    kind: NameKind
    compound: str = field(default="", compare=False)
    """What it was joined to by a hyphen, run together: `maryjane` for both words of Mary-Jane."""

    @property
    def foreign(self) -> bool:
        """Written in another script than the Latin one, at least in part."""
        return not self.text.isascii()


@dataclass(frozen=True, slots=True, repr=False)
class NameWords:
    """The words of one field, in its order."""

    words: tuple[NameWord, ...] = ()
    unclear: bool = False
    """There was more than is read, or more than one name, as in *Ada Obi c/o Emeka Nwosu*."""

    @property
    def compounds(self) -> frozenset[str]:
        return frozenset(word.compound for word in self.words if word.compound)

    @property
    def strong(self) -> tuple[NameWord, ...]:
        """The words that are names, or, where there are none, all words."""
        return self.of(NameKind.NAME) or self.of(NameKind.INITIAL) or self.words

    @property
    def lone(self) -> bool:
        """No word is surely a name: *Prince* alone may be one, or a title before a name that was left out."""
        return bool(self.words) and not self.of(NameKind.NAME, NameKind.INITIAL)

    def of(self, *kinds: NameKind) -> tuple[NameWord, ...]:
        return tuple(word for word in self.words if word.kind in kinds)


def words_of(*texts: str | None) -> NameWords:
    """Read one name from one or several fields. Never raises; a placeholder like `N/A` is no name."""
    read = [_read(text) for text in texts if text and not _is_placeholder(text)]
    words = tuple(word for one in read for word in one.words)
    return NameWords(words[:MAX_WORDS], unclear=len(words) > MAX_WORDS or any(one.unclear for one in read))


def binds(text: str) -> bool:
    """Whether it is hardly ever a name alone, so that *Abdul Rahman* and *Abdulrahman* can only be the same.

    Not the short links: *De Mba* may be somebody else than *Demba*.
    """
    return text in _BINDING or (text in _LINKS and len(text) > 2)


def _is_placeholder(text: str) -> bool:
    return "_".join(text.casefold().split()) in _PLACEHOLDERS


def _read(text: str) -> NameWords:
    words: list[NameWord] = []
    unclear = len(text) > MAX_TEXT or not _SEVERAL.isdisjoint(text)
    for chunk in _plain(text[:MAX_TEXT]).split():
        parts = [part for part in chunk.split("-") if part]
        compound = "".join(parts)[:MAX_LETTERS] if len(parts) > 1 else ""
        words += (replace(_word(part[:MAX_LETTERS]), compound=compound) for part in parts)
        unclear = unclear or any(len(part) > MAX_LETTERS or part in _OTHERWISE for part in parts)
    kept = tuple(word for word in words[:MAX_WORDS] if word.kind is not NameKind.TITLE)
    return NameWords(kept, unclear=unclear or len(words) > MAX_WORDS)


def _word(text: str) -> NameWord:
    if generation := _GENERATIONS.get(text):
        return NameWord(generation, NameKind.GENERATION)
    return NameWord(text, _KINDS.get(text, NameKind.INITIAL if len(text) == 1 else NameKind.NAME))


def _plain(text: str) -> str:
    """Letters and digits between blanks; hyphens stay, since they say that their parts are one name."""
    text = text.translate(_APOSTROPHES).casefold()
    text = unicodedata.normalize("NFKD", text).translate(_APOSTROPHES).casefold()
    return unicodedata.normalize("NFC", "".join(_folded(text)))


def _folded(text: str) -> Iterator[str]:
    accents_matter = False
    for char in text:
        category = unicodedata.category(char)
        if category[0] == "M":
            # Latin accents and Arabic vowel signs are left out at will; in Indic scripts the signs are the vowels.
            if accents_matter:
                yield char
        elif char.isalnum() and char != _TATWEEL:
            script = _script(char)
            accents_matter = script not in {"LATIN", "ARABIC"}
            yield "".join(filter(str.isalnum, anyascii(char).lower())) if script == "LATIN" else char
        elif _HYPHENS.match(char):
            yield "-"
        elif category != "Cf" and char != _TATWEEL:
            # Invisible characters (Cf) hide nothing: without them `A\u200bda` is Ada.
            yield " "


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]

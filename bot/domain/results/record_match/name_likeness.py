"""How much two words of names are alike where they are not equal.

Nothing found here makes two names the same: at best a person is asked to compare them. So sounds and spellings may be
generous, but names that many people bear, like Hassan and Hussein, must stay apart.
"""

import re
from collections.abc import Sequence

from anyascii import anyascii
from rapidfuzz.distance import OSA

from bot.domain.results.record_match.name_spellings import line_of
from bot.domain.results.record_match.names import NameKind, NameWord

SPELLING = 1
"""Another way to write the name: in another script or language, apart or together, by its short form."""
SLIP = 1
"""One letter is wrong, missing or too many, or two neighbours changed places."""
INITIAL = 2
"""Only the first letter is given."""
LIMIT = 2
"""The largest distance between two whole names, all words together, before they are different names."""

_SHORT = 4
"""In names of up to so many letters each letter makes another name: Ada, Ade; Obi, Oba."""
_LONG = 9
"""From so many letters on two slips are accepted."""
_SHORT_FORM = 4
"""Letters of a short form: Tunde for Babatunde. Shorter ends occur in too many names."""
_MOST_PARTS = 3

_STRICT = [
    (re.compile(pattern), sound)
    for pattern, sound in [
        ("ou(?=[aeiouy])", "w"), ("oo|ou", "u"), ("ee", "i"), ("y(?![aeiou])", "i"),
        ("tch|sch|sh|ch", "S"), ("dj|dz", "j"), ("ph", "f"), ("qu(?=[aeio])", "kw"), ("q|ck", "k"),
        ("([dgkt])h", r"\1"), ("c(?=[ei])", "s"), ("c", "k"), ("(.)\\1+", r"\1"), ("(?<=.)h$", ""),
    ]
]  # fmt: skip
_LOOSE = [
    (re.compile(pattern), sound)
    for pattern, sound in [("kw(?=u)", "k"), ("[ae][iy]e?", "ai"), ("[ey]", "i"), ("o", "u"), ("(.)\\1+", r"\1")]
]
_VOWELS = re.compile("[^a-zS]|[aeiouwy]")


def distance(one: NameWord, other: NameWord, *, short_forms: bool = False) -> int | None:
    """The distance between two words, to be compared with `LIMIT`; 0 if they are equal, None for different names.

    `short_forms` accepts the end of a name in its place, as first names in Nigeria are used. Symmetric.
    """
    if one.text == other.text:
        return 0
    kinds = {one.kind, other.kind}
    if NameKind.INITIAL in kinds:
        return INITIAL if one.text[0] == other.text[0] else None
    if kinds != {NameKind.NAME}:
        return None
    if one.foreign or other.foreign:
        return SPELLING if _sound_alike_across_scripts(one, other) else None
    short, long = sorted((one.text, other.text), key=lambda text: (len(text), text))
    lines = line_of(short), line_of(long)
    if None not in lines:
        return SPELLING if lines[0] == lines[1] else None
    return SPELLING if _is_other_form(short, long, short_forms=short_forms) else _slips(short, long)


def _is_other_form(short: str, long: str, *, short_forms: bool) -> bool:
    loose = len(short) > _SHORT
    if _sound(short, loose=loose) == _sound(long, loose=loose):
        return True
    if len(short) < _SHORT_FORM:
        return False
    is_end = short_forms and long.endswith(short) and len(long) > len(short) + 1
    return is_end or long in (f"al{short}", f"el{short}")


def _slips(short: str, long: str) -> int | None:
    """Slips of the pen; another first letter is another name (Bunmi, Funmi, Yunmi)."""
    slips = OSA.distance(short, long, score_cutoff=2)
    swapped = slips == 1 and sorted(short) == sorted(long)
    if len(short) < _SHORT or (len(short) == _SHORT and not swapped):
        return None
    if short[0] != long[0] and not swapped:
        return None
    return slips * SLIP if slips <= (2 if len(short) >= _LONG else 1) else None


def _sound(text: str, *, loose: bool) -> str:
    for pattern, sound in _STRICT + (_LOOSE if loose else []):
        text = pattern.sub(sound, text)
    return text


def _sound_alike_across_scripts(one: NameWord, other: NameWord) -> bool:
    """By consonants alone where the scripts differ: Arabic writes no short vowels, Ge'ez not which letters are long.

    Within one script they would make Hassan of Hussein. A word in two scripts is like nothing: a letter of another
    script that looks the same is how a name is disguised.
    """
    if _mixed(one) or _mixed(other) or one.foreign == other.foreign:
        return False
    consonants = _consonants(one.text)
    return consonants != "" and consonants == _consonants(other.text)


def _mixed(word: NameWord) -> bool:
    return word.foreign and any(char.isascii() and char.isalpha() for char in word.text)


def _consonants(text: str) -> str:
    return re.sub(r"(.)\1+", r"\1", _VOWELS.sub("", _sound(anyascii(text).lower(), loose=False)))


def parts_of(whole: str, words: Sequence[str]) -> tuple[int, ...] | None:
    """Which of the words, two or three of them in any order, make up the whole when run together; None if none do."""
    places = {word: place for place, word in sorted(enumerate(words), reverse=True)}

    def rest(begun: str, taken: tuple[str, ...]) -> tuple[str, ...] | None:
        if begun == whole:
            return taken if len(taken) > 1 else None
        if len(taken) < _MOST_PARTS:
            for word in sorted(places.keys() - set(taken)):
                if whole.startswith(word, len(begun)) and (found := rest(begun + word, (*taken, word))):
                    return found
        return None

    found = rest("", ())
    return None if found is None else tuple(places[word] for word in found)

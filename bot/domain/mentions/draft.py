"""A message on its way from words to fields: every word ends up in a field, as understood, or as unclear."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from bot.domain.check.fields import check_number
from bot.domain.id_types.id_types import IDType
from bot.domain.mentions.dates import is_month
from bot.domain.mentions.tokens import Token, TokenKind
from bot.domain.mentions.vocabulary import PhraseKind, PhraseMeaning, Vocabulary

_MOST_GROUPS = 12
"""Of how many words one number can be; nobody writes more, and each more costs time."""


@dataclass(frozen=True, slots=True)
class Item:
    """Words that name a country or an ID type."""

    where: range
    meaning: PhraseMeaning
    labelled: bool


@dataclass(frozen=True, slots=True)
class LabelledName:
    """The words behind the label of a name; which of them belong to it is known once the rest is."""

    field: str
    where: range
    fills_line: bool
    """Label and value have a line of their own."""


@dataclass(slots=True, eq=False)
class MessageDraft:
    """What the rules have made of a message so far. Places are indices of `words`."""

    words: Sequence[Token]
    vocabulary: Vocabulary
    today: date
    free: set[int] = field(init=False)
    """Not yet recognised as anything."""
    unclear: set[int] = field(default_factory=set)
    found: dict[str, list[tuple[str, range]]] = field(default_factory=dict)
    """Field to its values and where they are; more than one value is a doubt."""
    countries: list[Item] = field(default_factory=list)
    id_types: list[Item] = field(default_factory=list)
    value_starts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Where values behind the labels of numbers begin, by field."""
    bare_dates: list[range] = field(default_factory=list)
    labelled_names: list[LabelledName] = field(default_factory=list)
    names_in_doubt: bool = False
    """Something that is unclear may be part of a name."""
    number_doubts: set[int] = field(default_factory=set)
    """Words that may belong to a number."""
    speaks_of_a_check: bool = False

    def __post_init__(self) -> None:
        self.free = set(range(len(self.words)))

    # `take`, `doubt` and `put` return the place behind the words, where reading continues.

    def take(self, where: range) -> int:
        """These words are recognised."""
        self.free.difference_update(where)
        return where.stop

    def doubt(self, where: range) -> int:
        """These words may be more than one thing, or nothing that we know."""
        self.unclear.update(where)
        return self.take(where)

    def doubt_all(self, places: Iterable[range]) -> None:
        for where in places:
            self.doubt(where)

    def put(self, name: str, value: str, where: range) -> int:
        """These words are the value of a field."""
        self.found.setdefault(name, []).append((value, where))
        return self.take(where)

    def text(self, where: range) -> str:
        return " ".join(self.words[at].text for at in where)

    def continues(self, start: int, at: int) -> bool:
        """Whether there is a word here that no separator keeps apart from the one at `start`."""
        return 0 <= at < len(self.words) and self.words[at].segment == self.words[start].segment

    def neighbours(self, where: range) -> list[int]:
        """The words right before and right after, if no separator is between."""
        return [at for at in (where.start - 1, where.stop) if self.continues(where.start, at)]

    def run_while(self, start: int, belongs: Callable[[int], bool]) -> range:
        """From here on as many words of the segment as belong together."""
        stop = start
        while self.continues(start, stop) and belongs(stop):
            stop += 1
        return range(start, stop)

    def free_run(self, start: int) -> range:
        """Unrecognised words from here on that may be the groups of one number."""

        def belongs(at: int) -> bool:
            word = self.words[at]
            ended = at > start and self.words[at - 1].marked
            is_group = word.kind is TokenKind.WORD and not word.text.startswith("+")
            return at - start < _MOST_GROUPS and at in self.free and not ended and is_group

        return self.run_while(start, belongs)

    def fits(self, where: range, entry: IDType) -> bool:
        """Whether these words together have the form of this ID type's number."""
        return check_number(self.text(where), entry)[1] is None

    def phrase_kind(self, at: int) -> PhraseKind | None:
        """What kind of phrase begins here, if any."""
        phrase = self.vocabulary.at(self.words, at)
        return phrase[1].kind if phrase else None

    def is_name(self, at: int) -> bool:
        """Whether this word can be a name: not one that means something, and no month next to a day or a year."""
        word = self.words[at]
        numbers = (self.words[near].text for near in self.neighbours(range(at, at + 1)))
        if is_month(word) and any(number.isdecimal() and len(number) <= 4 for number in numbers):
            return False
        return self.vocabulary.can_be_name(word) and self.phrase_kind(at) is None

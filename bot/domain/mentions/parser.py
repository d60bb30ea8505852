"""What a mention says of a check: `@kyc NG BVN 00000000000 Ada Obi 1990-01-02`, in any order, labelled or not.

Nothing is guessed. What could be two things is neither: it is handed back as `unclear`, and the form opens instead.
The limits of that: an unlabelled word that is the name of a country (`Kenya Ada Obi`) is the country.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

from bot.domain.id_types import IDType, IDTypes
from bot.domain.mentions.tokens import MAX_MENTION, Kind, Word, read
from bot.domain.mentions.vocabulary import (
    COUNTRY,
    ELSEWHERE,
    ID_TYPE,
    NAMES,
    OTHER,
    REFERENCE,
    Meaning,
    Sense,
    Vocabulary,
    date_at,
    is_letters,
    is_month,
)
from bot.domain.request import CITIZENSHIPS, check_number

NAME_FIELDS = ("first_name", "middle_name", "last_name")
NOT_READ = f"the text after its first {MAX_MENTION:,} characters"
_MOST_GROUPS = 12
_OLDEST_YEARS = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What was said for sure, and the words of which nothing is sure."""

    country: str | None
    id_type: str | None
    texts: Mapping[str, str] = field(repr=False)
    """Smile ID's field names to text, as the form would hold it; `request.parse` tells its faults."""
    customer_reference: str = field(repr=False)
    unclear: tuple[str, ...] = field(repr=False)
    """Words that fit nothing, or could be more than one thing; written by others: escape them."""
    spoken: bool = field(default=False, repr=False)
    """Something in `unclear` does speak of a check: a number, a date, a country, a label."""

    @property
    def is_empty(self) -> bool:
        """Nothing was said about a check at all: a greeting, *help*, only a mention."""
        return not (self.country or self.id_type or self.texts or self.customer_reference or self.spoken)


def understand(
    text: str, id_types: IDTypes, *, today: date, bot_user_id: str = "", chosen: tuple[str, str] | None = None
) -> Understood:
    """Read a message's text as Slack sends it. Never raises.

    Without `bot_user_id` the only person mentioned is taken for the bot, and of several none is. `chosen`: the country
    and the ID type that somebody chose since, whatever the text says of them.
    """
    vocabulary = Vocabulary(id_types)
    words, cut = read(text, label_ends=vocabulary.label_ends, bot_user_id=bot_user_id)
    reading = _Reading(words, vocabulary, today)
    reading.scan()
    country, id_type = reading.settle_country_and_type(id_types)
    if chosen is not None:
        country, id_type = chosen
    entry = id_types.find_offered(country, id_type) if country and id_type else None
    reading.settle_numbers(entry)
    reading.settle_names(entry, whole=not cut)
    return reading.understood(country, id_type, entry, cut=cut)


def country_and_id_type(text: str, id_types: IDTypes, *, bot_user_id: str = "") -> tuple[str | None, str | None, bool]:
    """The country and the ID type of a message, and whether it speaks of a check at all. Never raises."""
    vocabulary = Vocabulary(id_types)
    words, cut = read(text, label_ends=vocabulary.label_ends, bot_user_id=bot_user_id)
    # No date is read here, so it does not matter which day is today.
    reading = _Reading(words, vocabulary, date.max)
    reading.scan()
    country, id_type = reading.settle_country_and_type(id_types)
    return country, id_type, cut or reading.spoken or any(_has_digit(w) for w in words if w.kind is Kind.WORD)


@dataclass(slots=True, kw_only=True)
class _Item:
    """Some words that were recognised together."""

    start: int
    end: int
    meaning: Meaning
    labelled: bool = False


class _Reading:
    """One mention on its way from words to fields; each word ends as used or as unclear."""

    def __init__(self, words: Sequence[Word], vocabulary: Vocabulary, today: date) -> None:
        self.words = words
        self.vocabulary = vocabulary
        self.today = today
        self.free = [True] * len(words)
        """Not yet recognised as anything."""
        self.unclear: set[int] = set()
        self.found: dict[str, list[tuple[str, range]]] = {}
        """Field to its values and where they stand; more than one value is a doubt."""
        self.countries: list[_Item] = []
        self.types: list[_Item] = []
        self.number_labels: list[int] = []
        """Where the value of a label for the ID number begins."""
        self.phone_labels: list[int] = []
        self.bare_dates: list[range] = []
        self.name_labels: list[tuple[str, int, int, bool]] = []
        self.names_doubtful = False
        self.number_doubts: set[int] = set()
        self.spoken = False

    # First pass: what has a fixed form

    def scan(self) -> None:
        at = 0
        label: str | None = None
        while at < len(self.words):
            word = self.words[at]
            met = self.vocabulary.at(self.words, at)
            if word.kind is not Kind.WORD:
                self._doubt(range(at, at + 1))
                at += 1
            elif met and met[1].sense is Sense.LABEL:
                (label,) = map(str, met[1].values)
                self.spoken = True
                at = self._label(label, at, at + met[0])
                if label in (COUNTRY, ID_TYPE):
                    continue
            elif written := date_at(self.words, at):
                self._bare_date(range(at, at + written.count), written.day)
                at += written.count
            elif met:
                at = self._recognised(met[1], at, at + met[0], labelled=label in (COUNTRY, ID_TYPE))
            else:
                at += 1
            label = None

    def _recognised(self, meaning: Meaning, start: int, end: int, *, labelled: bool) -> int:
        self._take(range(start, end))
        item = _Item(start=start, end=end, meaning=meaning, labelled=labelled)
        if meaning.sense is Sense.FILLER:
            names = [self._is_name(n) for n in (start - 1, end) if 0 <= n < len(self.words)]
            same = start > 0 and end < len(self.words) and self._segment(start - 1) == self._segment(end)
            if same and names == [True, True]:
                self._doubt(range(start, end))
                self.names_doubtful = True
            return end
        self.spoken = True
        if meaning.sense is Sense.COUNTRY:
            self.countries.append(item)
        else:
            self.types.append(item)
            if self.words[end - 1].marked:
                self.number_labels.append(end)
        return end

    def _label(self, name: str, start: int, end: int) -> int:
        """Take the label's value, or remember where it begins; the place to go on from comes back."""
        self._take(range(start, end))
        marked = self.words[end - 1].marked
        if not self._goes_on(start, end) or self._is_label(end):
            if not marked:
                self._doubt(range(start, end))
            return end
        if self.words[end].kind is Kind.PERSON:
            self._doubt(range(start, end + 1))
            return end + 1
        if name in (COUNTRY, ID_TYPE):
            met = self.vocabulary.at(self.words, end)
            wanted = Sense.COUNTRY if name == COUNTRY else Sense.ID_TYPE
            if not met or met[1].sense is not wanted:
                self._doubt(range(start, end))
            return end
        if name == NAMES:
            return end
        if name in ("id_number", "phone_number"):
            (self.number_labels if name == "id_number" else self.phone_labels).append(end)
            return end
        if name == "dob":
            return self._labelled_date(start, end)
        if name in NAME_FIELDS:
            last = self._name_run(end)
            self.name_labels.append((name, end, last, marked and self._fills_line(start, last)))
            self._take(range(end, last))
            return last
        return self._segment_in_doubt(start) if name == OTHER else self._one_word(name, end)

    def _segment_in_doubt(self, start: int) -> int:
        last = start
        while self._goes_on(start, last):
            last += 1
        self._doubt(range(start, last))
        return last

    def _one_word(self, name: str, at: int) -> int:
        """A reference or a code: one word. A word of letters before a number may be its first half."""
        follows = at + 1 < len(self.words) and self._segment(at + 1) == self._segment(at)
        if name == REFERENCE and follows and is_letters(self.words[at]) and self.words[at + 1].text.isdecimal():
            self._doubt(range(at, at + 2))
            return at + 2
        value = self.words[at].text
        if name == "citizenship":
            value = next((known for known in CITIZENSHIPS if known.casefold() == value.casefold()), value)
        self._put(name, value, range(at, at + 1))
        return at + 1

    def _name_run(self, at: int) -> int:
        """Past the words of letters that may belong to a labelled name: the first is taken whatever it is."""
        last = at + 1
        while last < len(self.words) and self._segment(last) == self._segment(at):
            met = self.vocabulary.at(self.words, last)
            if not is_letters(self.words[last]) or (met and met[1].sense is not Sense.FILLER):
                break
            last += 1
        return last

    def _labelled_date(self, start: int, at: int) -> int:
        written = date_at(self.words, at, labelled=True)
        if written is None:
            follows = self._goes_on(at, at + 1) and (_is_group(self.words[at]) or is_month(self.words[at]))
            if follows or is_month(self.words[at]):
                self._doubt(range(at, at + 1))
            else:
                self._put("dob", self.words[at].text, range(at, at + 1))
            return at + 1
        where = range(at, at + written.count)
        if written.day:
            self._put("dob", written.day.isoformat(), where)
        elif written.impossible:
            self._put("dob", self._text(where), where)
        else:
            self._doubt(where)
        return where.stop

    def _bare_date(self, where: range, day: date | None) -> None:
        self.spoken = True
        if day is None or day > self.today or self.today.year - day.year > _OLDEST_YEARS:
            self._doubt(where)
            return
        self._put("dob", day.isoformat(), where)
        self.bare_dates.append(where)

    # Second pass: country and ID type

    def settle_country_and_type(self, id_types: IDTypes) -> tuple[str | None, str | None]:
        self._doubt_codes_among_names()
        said = {str(code) for item in self.countries for code in item.meaning.values}
        named: list[frozenset[tuple[str, str]]] = []
        for item in self.types:
            pairs = {(str(pair[0]), str(pair[1])) for pair in item.meaning.values}
            named.append(frozenset(pair for pair in pairs if not said or pair[0] in said))
        possible = frozenset.intersection(*named) if named else frozenset()
        country = next(iter(said)) if len(said) == 1 and said != {ELSEWHERE} else None
        if said and not country:
            self._doubt_items(self.countries)
        if (said and not country) or len(possible) != 1:
            self._doubt_items(self.types)
            if country and not self.types and len(only := id_types.of_country(country)) == 1:
                return country, only[0].id_type
            return country, None
        ((country, id_type),) = possible
        return country, id_type

    def _doubt_codes_among_names(self) -> None:
        """`Ng` beside a name may be a surname; `NG` beside `Ada` is not. Said twice, one may be a name."""
        for item in list(self.countries):
            code = self.words[item.start]
            if item.labelled or len(code.text) > 2:
                continue
            beside = [n for n in (item.start - 1, item.end) if 0 <= n < len(self.words)]
            beside = [n for n in beside if self._segment(n) == self._segment(item.start) and self._may_be_name(n)]
            if any(not code.text.isupper() or self.words[n].text.isupper() for n in beside):
                self._doubt(range(item.start, item.end))
                self.countries.remove(item)
                self.names_doubtful = True
        bare = [item for item in self.countries if not item.labelled]
        if any(first.end != second.start for first, second in pairwise(bare)):
            self.names_doubtful = True

    def _may_be_name(self, at: int) -> bool:
        return self._is_name(at) or any(start <= at < end for _, start, end, _ in self.name_labels)

    # Third pass: numbers

    def settle_numbers(self, entry: IDType | None) -> None:
        before = set(self.unclear)
        for start in self.number_labels:
            self._labelled_number(start, entry)
        if "id_number" not in self.found and not any(n in self.unclear for n in self.number_labels):
            self._bare_number(entry)
        # A telephone number in groups is told from an ID number only once the latter is known.
        for start in self.phone_labels:
            self._phone(start)
        for at, word in enumerate(self.words):
            if self.free[at] and word.text.startswith("+") and entry and "phone_number" in entry.fields:
                self._phone(at)
        self.number_doubts = self.unclear - before
        self.names_doubtful |= any(is_letters(self.words[n]) for n in self.number_doubts)

    def _labelled_number(self, start: int, entry: IDType | None) -> None:
        run = self._free_run(start)
        if not run:
            return
        digits = next((n for n in run if not _has_digit(self.words[n])), run.stop) - start
        if entry is None:
            # Where it ends cannot be told without its form, unless it is one word or all there is.
            if len(run) > max(digits, 1):
                self._doubt(run)
            else:
                self._put("id_number", self._text(run), run)
            return
        fitting = [count for count in range(1, len(run) + 1) if self._number(run[:count], entry)]
        if len(fitting) > 1 and digits in fitting and fitting[-1] == digits:
            fitting = [digits]
        if len(fitting) > 1:
            self._doubt(run)
            self.names_doubtful = True
            return
        where = run[: fitting[0] if fitting else max(digits, 1)]
        if fitting and where.stop < start + digits:
            self._doubt(run)
            return
        self._put("id_number", check_number(self._text(where), entry)[0], where)

    def _bare_number(self, entry: IDType | None) -> None:
        if entry is None:
            return
        labelled = self._words_of_phones()
        fitting = [
            run[:count]
            for at in range(len(self.words))
            if (run := self._free_run(at))
            for count in range(1, len(run) + 1)
            if labelled.isdisjoint(run[:count])
            and any(_has_digit(self.words[n]) for n in run[:count])
            and self._number(run[:count], entry)
        ]
        implied = self._after_type()
        if implied in fitting and all(where.start >= implied.start and where.stop <= implied.stop for where in fitting):
            fitting = [implied]
        if not fitting:
            if implied and not self._letters_fit(entry):
                self._put("id_number", self._text(implied), implied)
                return
            for where in self.bare_dates:
                # The number may have been written like a date, or the date is the only number there is.
                if not check_number(self._text(where), entry)[1]:
                    self._doubt(where)
                    self.found.pop("dob", None)
            if self._letters_fit(entry):
                self.names_doubtful = True
            return
        where = fitting[0]
        beside = [n for n in (where.start - 1, where.stop) if 0 <= n < len(self.words) and self.free[n]]
        torn = any(self._segment(n) == self._segment(where.start) and _is_group(self.words[n]) for n in beside)
        if len(fitting) > 1 or torn:
            self.names_doubtful |= any(is_letters(self.words[n]) for run in fitting for n in run)
            for run in fitting:
                self._doubt(run)
            return
        self._put("id_number", check_number(self._text(where), entry)[0], where)

    def _words_of_phones(self) -> set[int]:
        """What was called a telephone number is no ID number, however well it fits."""
        found = set()
        for start in self.phone_labels:
            at = start
            while at < len(self.words) and self.free[at] and self._goes_on(start, at) and _has_digit(self.words[at]):
                found.add(at)
                at += 1
        return found

    def _after_type(self) -> range:
        """The digits right behind the ID type's name, as in `bvn 123`."""
        for item in self.types:
            run = self._free_run(item.end) if self._goes_on(item.start, item.end) else range(0)
            digits = next((n for n in run if not _has_digit(self.words[n])), run.stop) - run.start
            if digits > 0:
                return run[:digits]
        return range(0)

    def _letters_fit(self, entry: IDType) -> bool:
        """Some words without a digit have the form of the number: a name, or the number itself."""
        runs = [self._free_run(at) for at in range(len(self.words))]
        return any(self._number(run[:count], entry) for run in runs for count in range(1, len(run) + 1))

    def _phone(self, start: int) -> None:
        if start >= len(self.words) or not self.free[start]:
            return
        stop = start + 1
        while self._goes_on(start, stop) and _is_group(self.words[stop]) and self.free[stop]:
            stop += 1
        where = range(start, stop)
        digits = sum(ch.isdecimal() for ch in self._text(where))
        torn = self._goes_on(start, stop) and _is_group(self.words[stop])
        labelled = start in self.phone_labels
        alone = len(where) == 1 and ((labelled or digits >= 8) if not torn else (labelled and digits >= 8))
        if not alone and (torn or "id_number" not in self.found or not 8 <= digits <= 15):
            self._doubt(where)
            return
        self._put("phone_number", self._text(where), where)

    # Fourth pass: names

    def settle_names(self, entry: IDType | None, *, whole: bool) -> None:
        """Give names their places; unlabelled ones only when all there are fit, in the order given."""
        bare = [n for n in range(len(self.words)) if self.free[n] and self._is_name(n)]
        self.names_doubtful |= any(self._beside_number(n) for n in bare)
        # `An` may be an everyday word or the first of three names.
        self.names_doubtful |= any(self.free[n] and n not in bare and is_letters(w) for n, w in enumerate(self.words))
        labelled = {name for name, *_ in self.name_labels}
        for name, start, end, fills in self.name_labels:
            # `first name: Mary Jane` on a line of its own is one value, once nothing else wants the second word.
            others_known = not bare and "id_number" in self.found and labelled >= {"first_name", "last_name"}
            alone = end - start == 1 or (fills and others_known)
            if alone and not (self.names_doubtful and self._beside_doubt(start, end)):
                self._put(name, self._text(range(start, end)), range(start, end))
            else:
                self._doubt(range(start, end))
        middle = entry is not None and "middle_name" in entry.fields
        places = {2: ("first_name", "last_name"), 3: NAME_FIELDS if middle else ()}.get(len(bare), ())
        about_a_check = bool(self.countries or self.types or self.found)
        sure = whole and about_a_check and not labelled and not self.names_doubtful and not self._inverted(bare)
        if places and sure:
            for name, at in zip(places, bare, strict=True):
                self._put(name, self.words[at].text, range(at, at + 1))

    def _beside_doubt(self, start: int, end: int) -> bool:
        return bool({start - 1, end} & self.unclear)

    def _beside_number(self, at: int) -> bool:
        """Beside digits that nobody has claimed: it may be a group of the same number."""
        beside = [n for n in (at - 1, at + 1) if 0 <= n < len(self.words) and self._segment(n) == self._segment(at)]
        return any((self.free[n] or n in self.number_doubts) and _has_digit(self.words[n]) for n in beside)

    def _inverted(self, bare: Sequence[int]) -> bool:
        """`Obi, Ada` puts the surname first; only in a list of nothing but single items is a comma just a comma."""
        for first, second in pairwise(bare):
            if self.words[first].line != self.words[second].line or self._segment(first) == self._segment(second):
                continue
            line = [n for n in range(len(self.words)) if self.words[n].line == self.words[first].line]
            single = all(sum(self._segment(n) == self._segment(at) for n in line) == 1 for at in (first, second))
            if second == first + 1 and (not single or len({self._segment(n) for n in line}) < 3):
                return True
        return False

    # The end

    def understood(self, country: str | None, id_type: str | None, entry: IDType | None, *, cut: bool) -> Understood:
        texts: dict[str, str] = {}
        for name, values in self.found.items():
            foreign = entry is not None and name != REFERENCE and name not in entry.fields
            if foreign or len({value for value, _ in values}) > 1:
                for _, where in values:
                    self._doubt(where)
            elif values[0][0]:
                texts[name] = values[0][0]
        left = {n for n in range(len(self.words)) if self.free[n]} | self.unclear
        unclear = [self.words[n].text for n in sorted(left)]
        return Understood(
            country=country,
            id_type=id_type,
            customer_reference=texts.pop(REFERENCE, ""),
            texts=texts,
            unclear=(*unclear, NOT_READ) if cut else tuple(unclear),
            spoken=cut or self.spoken or any(_has_digit(w) for w in self.words if w.kind is Kind.WORD),
        )

    # Small words

    def _take(self, where: range) -> None:
        for n in where:
            self.free[n] = False

    def _doubt(self, where: range) -> None:
        self._take(where)
        self.unclear.update(where)

    def _doubt_items(self, items: Sequence[_Item]) -> None:
        for item in items:
            self._doubt(range(item.start, item.end))

    def _put(self, name: str, value: str, where: range) -> None:
        self._take(where)
        self.found.setdefault(name, []).append((value, where))

    def _text(self, where: range) -> str:
        return " ".join(self.words[n].text for n in where)

    def _number(self, where: range, entry: IDType) -> bool:
        return check_number(self._text(where), entry)[1] is None

    def _segment(self, at: int) -> int:
        return self.words[at].segment

    def _goes_on(self, start: int, end: int) -> bool:
        return end < len(self.words) and self._segment(end) == self._segment(start)

    def _is_label(self, at: int) -> bool:
        met = self.vocabulary.at(self.words, at)
        return met is not None and met[1].sense is Sense.LABEL

    def _fills_line(self, start: int, end: int) -> bool:
        lines = {self.words[n].line for n in (start - 1, end) if 0 <= n < len(self.words)}
        return self.words[start].line not in lines

    def _is_name(self, at: int) -> bool:
        word = self.words[at]
        beside = [self.words[n] for n in (at - 1, at + 1) if 0 <= n < len(self.words)]
        if is_month(word) and any(
            w.segment == word.segment and w.text.isdecimal() and len(w.text) <= 4 for w in beside
        ):
            return False
        return self.vocabulary.can_be_name(word) and self.vocabulary.at(self.words, at) is None

    def _free_run(self, start: int) -> range:
        """Unrecognised words from here on that may be the groups of one number."""
        stop = start
        while stop < len(self.words) and stop - start < _MOST_GROUPS and self.free[stop]:
            word = self.words[stop]
            if self._segment(stop) != self._segment(start) or word.kind is not Kind.WORD or word.text.startswith("+"):
                break
            stop += 1
            if word.marked:
                break
        return range(start, stop)


def _has_digit(word: Word) -> bool:
    return any(ch.isdigit() for ch in word.text)


def _is_group(word: Word) -> bool:
    return word.kind is Kind.WORD and word.text.strip("()-.").replace("-", "").replace(".", "").isdecimal()

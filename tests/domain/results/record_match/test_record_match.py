"""What was typed against the authority's record. Every person here is invented."""

import csv
import io
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.results.record_match import (
    NOTHING_COMPARED,
    Comparison,
    EnteredPerson,
    RecordMatch,
    compare,
    entered_person,
    lower,
    name_spellings,
    record_person,
)
from bot.domain.results.record_match.name_likeness import distance, parts_of
from bot.domain.results.record_match.names import MAX_LETTERS, MAX_WORDS, NameKind, words_of

MATCHES, PARTLY, DIFFERS, NOT_COMPARED = RecordMatch
ROOT = Path(__file__).parents[4]
NAMES = list(csv.DictReader(io.StringIO(Path(__file__).with_name("names.csv").read_text(encoding="utf-8"))))
GOODNESS = {DIFFERS: 0, PARTLY: 1, NOT_COMPARED: 1, MATCHES: 2}


def name_word(first: str, last: str, record: str, *, middle: str = "", country: str = "NG") -> RecordMatch:
    entered = EnteredPerson(first_name=first, middle_name=middle, last_name=last)
    return compare(entered, EnteredPerson(full_name=record), country=country).name


# The table


@pytest.mark.parametrize(
    "row", NAMES, ids=lambda row: f"{row['first']} {row['middle']} {row['last']} | {row['record']}"
)
def test_a_typed_name_and_the_record_get_the_word_of_the_table(row: dict[str, str]) -> None:
    word = name_word(row["first"], row["last"], row["record"], middle=row["middle"], country=row["country"])
    assert word == row["word"], row["why"]


def test_the_table_holds_enough_pairs_of_every_word() -> None:
    assert len(NAMES) >= 90
    assert len({(row["country"], row["first"], row["middle"], row["last"], row["record"]) for row in NAMES}) == len(
        NAMES
    )
    for word in (MATCHES, PARTLY, DIFFERS):
        assert sum(row["word"] == word for row in NAMES) >= 20


def _documented() -> list[list[str]]:
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    table = page.partition("| first name | middle name | surname |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_every_example_on_the_page_of_results_is_true() -> None:
    examples = _documented()
    assert len(examples) >= 20
    for first, middle, last, record, word, why in examples:
        assert name_word(first, last, record, middle=middle) == word.strip("*").replace(" ", "_"), why


# Order, case, accents, punctuation

GIVEN = [
    "Ada",
    "Chioma",
    "Emeka",
    "Oluwaseun",
    "Yusuf",
    "Kwame",
    "Wanjiku",
    "Thandiwe",
    "Aïcha",
    "João",
    "Ọlá",
    "Chịọma",
]
FAMILY = ["Obi", "Adébáyọ̀", "Okonkwo", "Mensah", "Kamau", "Koné", "N'Guessan", "Owusu-Ansah", "Dlamini", "Gonçalves"]
given_names, family_names = st.sampled_from(GIVEN), st.sampled_from(FAMILY)
letters = st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=2, max_size=12)
anything = st.text(max_size=60)
names = st.one_of(given_names, family_names, letters)
person = st.builds(
    EnteredPerson,
    first_name=st.none() | names | anything,
    middle_name=st.none() | names | anything,
    last_name=st.none() | names | anything,
    full_name=st.none() | names | anything | st.lists(names, max_size=5).map(" ".join),
    dob=st.none() | anything | st.dates().map(str),
    phones=st.lists(anything | st.from_regex(r"\+?[0-9]{5,13}", fullmatch=True), max_size=3).map(tuple),
)
countries = st.sampled_from(["NG", "GH", "KE", "ET", "SD", "", "??"])


@given(
    first=names, middle=st.just("") | names, last=names, record=st.lists(names, min_size=1, max_size=5), data=st.data()
)
def test_the_order_of_the_record_never_changes_the_outcome(
    first: str, middle: str, last: str, record: list[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(record))
    there = name_word(first, last, " ".join(record), middle=middle)
    assert name_word(first, last, " ".join(shuffled), middle=middle) is there


@given(first=names, last=names, record=st.lists(names, min_size=1, max_size=4))
def test_first_name_and_surname_may_be_typed_the_other_way_round(first: str, last: str, record: list[str]) -> None:
    there, back = name_word(first, last, " ".join(record)), name_word(last, first, " ".join(record))
    assert (there is MATCHES) == (back is MATCHES)


@pytest.mark.slow
@given(entered=person, record=person, country=countries)
def test_case_never_changes_the_outcome(entered: EnteredPerson, record: EnteredPerson, country: str) -> None:
    for change in (str.upper, str.lower, str.swapcase, str.title):
        changed = EnteredPerson(
            first_name=entered.first_name and change(entered.first_name),
            middle_name=entered.middle_name and change(entered.middle_name),
            last_name=entered.last_name and change(entered.last_name),
            full_name=entered.full_name and change(entered.full_name),
            dob=entered.dob,
            phones=entered.phones,
        )
        assert compare(changed, record, country=country) == compare(entered, record, country=country)


PLAIN = str.maketrans({"ï": "i", "ã": "a", "ị": "i", "ọ": "o", "Ọ": "O", "á": "a", "é": "e", "ç": "c", "\u0300": None})


@given(first=given_names, last=family_names, record=st.lists(given_names | family_names, min_size=1, max_size=4))
def test_accents_change_nothing_on_either_side(first: str, last: str, record: list[str]) -> None:
    whole = " ".join(record)
    there = name_word(first, last, whole)
    assert name_word(first.translate(PLAIN), last.translate(PLAIN), whole) is there
    assert name_word(first, last, whole.translate(PLAIN)) is there


@given(
    first=given_names,
    last=family_names,
    record=st.lists(given_names | family_names, min_size=1, max_size=4),
    mark=st.sampled_from([",", ".", "  ", "\t", "\u200b", "\ufeff", "\u00ad", "\u202e", " - ", "’", "!", "\x00"]),
)
def test_punctuation_and_invisible_characters_never_make_it_worse(
    first: str, last: str, record: list[str], mark: str
) -> None:
    there = name_word(first, last, " ".join(record))
    assert GOODNESS[name_word(first + mark, mark + last, f" {mark}".join(record) + mark)] >= GOODNESS[there]


# Whoever is who


@given(first=letters | given_names, last=letters | family_names, middle=st.just("") | given_names)
def test_a_person_matches_themself(first: str, last: str, middle: str) -> None:
    assume(all(len(words_of(name).of(NameKind.NAME)) == 1 for name in (first, last)))
    assume(not words_of(first, last).unclear)
    themself = EnteredPerson(
        first_name=first, middle_name=middle, last_name=last, dob="1990-01-31", phones=("08031234567",)
    )
    assert compare(themself, themself, country="NG").outcome is MATCHES
    whole = EnteredPerson(full_name=f"{last} {first} {middle}", dob="31-JAN-1990", phones=("+234 803 123 4567",))
    assert compare(themself, whole, country="NG").outcome is MATCHES
    assert compare(whole, whole, country="NG").outcome is MATCHES


@pytest.mark.parametrize("row", [row for row in NAMES if row["word"] == "matches"], ids=lambda row: row["record"])
def test_somebody_whose_name_matches_matches_their_own_record(row: dict[str, str]) -> None:
    entered = EnteredPerson(first_name=row["first"], middle_name=row["middle"], last_name=row["last"])
    assert compare(entered, entered, country=row["country"]).name is MATCHES


@given(
    first=given_names | letters, last=family_names | letters, other=names, middle=st.just("") | names, country=countries
)
def test_another_first_name_or_surname_never_matches(
    first: str, last: str, other: str, middle: str, country: str
) -> None:
    held = f"{first} {middle} {last}"
    assume(not set(words_of(other).words) & set(words_of(held).words) and words_of(other).words)
    # Nor are the other's letters only the record's, run together with a hyphen or without an apostrophe.
    runs = {"".join(parts) for size in (2, 3) for parts in itertools.permutations(_texts(held), size)}
    assume("".join(_texts(other)) not in runs)
    assume("".join(_texts(other)) not in _texts(held))
    assert name_word(other, last, held, country=country) is not MATCHES
    assert name_word(first, other, held, country=country) is not MATCHES
    assert name_word(other, last, held, middle=first, country=country) is not MATCHES
    assert name_word(first, f"{last} {other}", held, country=country) is not MATCHES
    assert name_word(f"{first} {other}", last, held, country=country) is not MATCHES


def _texts(name: str) -> list[str]:
    return [word.text for word in words_of(name).words]


@given(entered=person, record=person, country=countries)
def test_any_text_is_compared_without_an_error(entered: EnteredPerson, record: EnteredPerson, country: str) -> None:
    compared = compare(entered, record, country=country)
    if compared.name is MATCHES:
        assert distinct_names(entered)
        assert distinct_names(record)
    assert lower(compared, {}) == compared


def distinct_names(someone: EnteredPerson) -> bool:
    texts = (someone.first_name, someone.middle_name, someone.last_name, someone.full_name)
    return sum(len(words_of(text).words) for text in texts) > 1


@given(first=names, last=names, other_first=names, other_last=names)
def test_two_people_of_two_names_are_compared_the_same_both_ways(
    first: str, last: str, other_first: str, other_last: str
) -> None:
    for name in (first, last, other_first, other_last):
        assume(len(words_of(name).words) == 1 and words_of(name).words[0].kind is NameKind.NAME)
    one, other = (
        EnteredPerson(first_name=first, last_name=last),
        EnteredPerson(first_name=other_first, last_name=other_last),
    )
    assert compare(one, other, country="NG").name is compare(other, one, country="NG").name


@given(one=names, other=names)
def test_two_words_are_as_far_apart_both_ways(one: str, other: str) -> None:
    for a, b in itertools.product(words_of(one).words, words_of(other).words):
        assert distance(a, b) == distance(b, a)
        assert (distance(a, b) == 0) == (a.text == b.text)


# Somebody who means to deceive


VICTIMS = [
    ("Ada", "Obi"),
    ("Oluwaseun", "Adebayo"),
    ("Yusuf", "Ibrahim"),
    ("Kwame", "Owusu-Ansah"),
    ("Aïcha", "N'Guessan"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("first", "last"), VICTIMS)
def test_no_name_that_is_one_edit_away_matches(first: str, last: str) -> None:
    """Every letter left out, doubled, changed into each other one, or swapped with its neighbour."""
    held = f"{last} {first}"
    for near in _edits(first):
        assert name_word(near, last, held) is not MATCHES, near
    for near in _edits(last):
        assert name_word(first, near, held) is not MATCHES, near


def _edits(name: str) -> set[str]:
    alphabet = "abcdefghijklmnopqrstuvwxyz0159аеоіΑΟ"
    edits = {name[:at] + name[at + 1 :] for at in range(len(name))}
    edits |= {name[:at] + letter + name[at:] for at in range(len(name) + 1) for letter in alphabet}
    edits |= {name[:at] + letter + name[at + 1 :] for at in range(len(name)) for letter in alphabet}
    edits |= {name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(len(name) - 1)}
    return {edit for edit in edits if "".join(_texts(edit)) != "".join(_texts(name))}


@pytest.mark.slow
def test_no_spelling_of_a_name_matches_another_spelling_of_it() -> None:
    words = {spelling: words_of(spelling).words[0] for spelling in name_spellings._LINES}
    for one, other in itertools.permutations(words, 2):
        if name_spellings.line_of(one) == name_spellings.line_of(other):
            assert name_word(one, "Obi", f"{other} Obi") is PARTLY, (one, other)
        else:
            assert distance(words[one], words[other], short_forms=True) is None, (one, other)


def test_a_spelling_is_on_one_line_only() -> None:
    listed = name_spellings._SPELLINGS.split()
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("typed", "record"),
    [
        (("Ada", "Obi"), ("Ada", "", "Okeke")),
        (("Emeka", "Obi"), ("Ada", "Emeka", "Obi")),
        (("Musa", "Ibrahim"), ("Ibrahim", "", "Musa")),
        (("Ada", "Chioma"), ("Ada", "Chioma", "Obi")),
        (("Obi", "Ada"), ("Ada", "Obi", "Nwosu")),
        (("Ada", "Chioma Obi"), ("Ada Chioma", "", "Obi")),
        (("Ada Obi", "Nwosu"), ("Ada", "", "Obi Nwosu")),
    ],
)
def test_separate_names_in_the_record_say_which_is_the_surname(
    typed: tuple[str, str], record: tuple[str, str, str]
) -> None:
    """With them, a father and his son of the same two names are told apart, and a middle name from the first."""
    first, middle, last = record
    held = EnteredPerson(first_name=first, middle_name=middle, last_name=last, full_name=" ".join(record))
    assert compare(EnteredPerson(first_name=typed[0], last_name=typed[1]), held, country="NG").name is not MATCHES
    entered = EnteredPerson(first_name=first, last_name=last)
    assert compare(entered, held, country="NG").name is MATCHES
    assert compare(entered, replace(held, full_name=None), country="NG").name is MATCHES


def test_a_married_name_after_the_records_surname_is_partly_the_same() -> None:
    held = EnteredPerson(first_name="Ngozi", middle_name="Chiamaka", last_name="Okafor")
    married = EnteredPerson(first_name="Ngozi", middle_name="Okafor", last_name="Adeyemi")
    assert compare(married, held, country="NG").name is PARTLY
    assert compare(replace(married, first_name="Ifeoma"), held, country="NG").name is DIFFERS


def test_a_full_name_distinguishes_son_and_father_where_order_does() -> None:
    record = EnteredPerson(full_name="ABEBE BEKELE")
    assert compare(EnteredPerson(full_name="Abebe Bekele"), record, country="ET").name is MATCHES
    assert compare(EnteredPerson(full_name="Bekele Abebe"), record, country="ET").name is PARTLY
    assert compare(EnteredPerson(full_name="Bekele Abebe"), record, country="NG").name is MATCHES


def test_the_same_name_twice_is_not_the_same_as_once() -> None:
    assert name_word("Musa", "Musa", "MUSA MUSA") is MATCHES
    assert name_word("Musa", "Musa", "MUSA GARBA") is not MATCHES
    ada = EnteredPerson(first_name="Ada", last_name="Musa")
    assert compare(EnteredPerson(first_name="Musa", last_name="Musa"), ada, country="NG").name is DIFFERS


@pytest.mark.slow
def test_what_is_too_long_is_never_a_match_and_costs_little() -> None:
    """The work is bounded by the words and letters that are read, whatever comes."""
    for text in ("ada " * 5000, "a" * 100_000, "\ufdfa" * 5000, "a-" * 5000, "ab " * 500, "\u0301" * 10_000):
        read = words_of(text, text)
        assert len(read.words) <= MAX_WORDS
        assert all(len(word.text) <= MAX_LETTERS for word in read.words)
        assert name_word(text, text, text + " x", middle=text) is not MATCHES
    assert name_word("Ada", "Obi", "ADA OBI " + "OKEKE " * 300) is not MATCHES
    assert name_word("Ada " + "Eze " * 300, "Obi", "ADA OBI") is not MATCHES
    tried: list[str] = []

    class Counted(str):
        def startswith(self, *arguments: object) -> bool:
            tried.append("")
            return super().startswith(*arguments)  # type: ignore[arg-type]

    assert parts_of(Counted("a" * MAX_LETTERS), ["a" * size for size in range(1, MAX_WORDS + 1)]) is not None
    assert parts_of(Counted("a" * MAX_LETTERS + "b"), ["a" * size for size in range(1, MAX_WORDS + 1)]) is None
    assert len(tried) < 10_000


def test_no_repr_shows_anything_of_a_person() -> None:
    someone = EnteredPerson(
        first_name="Ada", last_name="Obi", full_name="Ada Obi", dob="1990-01-31", phones=("08031234567",)
    )
    compared = compare(someone, someone, country="NG")
    shown = repr(someone) + str(someone) + repr(compared) + repr(words_of("Ada Obi")) + repr(words_of("Ada").words[0])
    assert not any(secret in shown.casefold() for secret in ("ada", "obi", "1990", "0803"))


# All together


@pytest.mark.parametrize(("name", "dob", "phone"), list(itertools.product(RecordMatch, repeat=3)))
def test_the_outcome_is_the_worst_word_and_never_better_than_the_names(
    name: RecordMatch, dob: RecordMatch, phone: RecordMatch
) -> None:
    outcome = Comparison(name=name, dob=dob, phone=phone).outcome
    if DIFFERS in (name, dob, phone):
        assert outcome is DIFFERS
    elif name is NOT_COMPARED:
        assert outcome is NOT_COMPARED
    else:
        assert outcome is (PARTLY if PARTLY in (name, dob, phone) else MATCHES)


def test_another_telephone_number_asks_a_person_and_another_birthday_differs() -> None:
    record = record_person(full_name="OBI ADA", dob="31-JAN-1990", phones=("08031234567", None))
    typed = {"first_name": "Ada", "last_name": "Obi", "dob": "1990-01-31", "phone_number": "+2348031234567"}
    assert compare(entered_person(typed), record, country="NG").outcome is MATCHES
    other_phone = entered_person(typed | {"phone_number": "08099999999"})
    assert compare(other_phone, record, country="NG").outcome is PARTLY
    other_birthday = entered_person(typed | {"dob": "1985-06-15"})
    assert compare(other_birthday, record, country="NG").outcome is DIFFERS
    without_name = entered_person({"dob": "1990-01-31"})
    assert compare(without_name, record, country="NG").outcome is NOT_COMPARED
    assert compare(entered_person({"dob": "1985-06-15"}), record, country="NG").outcome is DIFFERS
    assert compare(entered_person({}), record, country="NG") == NOTHING_COMPARED


def test_what_the_authority_sent_itself_says_which_is_the_surname() -> None:
    full_data = {"FirstName": "Ibrahim", "Surname": "Musa", "OtherNames": "Garba", "DateOfBirth": "1990-01-31", "x": {}}
    record = record_person(full_name="IBRAHIM GARBA MUSA", dob=None, full_data=full_data)
    father = EnteredPerson(first_name="Musa", last_name="Ibrahim", dob="1990-01-31")
    son = EnteredPerson(first_name="Ibrahim", last_name="Musa", dob="1990-01-31")
    assert compare(father, record, country="NG") == Comparison(name=PARTLY, dob=MATCHES, phone=NOT_COMPARED)
    assert compare(son, record, country="NG") == Comparison(name=MATCHES, dob=MATCHES, phone=NOT_COMPARED)


@pytest.mark.parametrize(
    ("actions", "lowered"),
    [
        ({}, (MATCHES, MATCHES, MATCHES)),
        ({"Verify_ID_Number": "Verified"}, (MATCHES, MATCHES, MATCHES)),
        ({"Names": "Exact Match", "DOB": "Exact Match", "Phone_Number": "Not Provided"}, (MATCHES, MATCHES, MATCHES)),
        ({"Names": "Transposed"}, (MATCHES, MATCHES, MATCHES)),
        ({"Names": "Partial Match"}, (PARTLY, MATCHES, MATCHES)),
        ({"Names": "No Match", "DOB": "No Match", "Phone_Number": "No Match"}, (DIFFERS, DIFFERS, PARTLY)),
        ({"DOB": "Transposed"}, (MATCHES, PARTLY, MATCHES)),
        ({"Names": "Something New"}, (PARTLY, MATCHES, MATCHES)),
    ],
)
def test_what_smile_id_found_itself_lowers_a_word(
    actions: dict[str, str], lowered: tuple[RecordMatch, RecordMatch, RecordMatch]
) -> None:
    ours = Comparison(name=MATCHES, dob=MATCHES, phone=MATCHES)
    assert lower(ours, actions) == Comparison(name=lowered[0], dob=lowered[1], phone=lowered[2])


@given(
    ours=st.builds(Comparison, **dict.fromkeys(("name", "dob", "phone"), st.sampled_from(RecordMatch))),
    actions=st.dictionaries(
        st.sampled_from(["Names", "DOB", "Phone_Number"]),
        st.sampled_from(["Exact Match", "Partial Match", "No Match", "Transposed", "Not Done"]) | anything,
    ),
)
def test_what_smile_id_found_never_makes_a_word_better(ours: Comparison, actions: dict[str, str]) -> None:
    theirs = lower(ours, actions)
    for part in ("name", "dob", "phone"):
        assert GOODNESS[getattr(theirs, part)] <= GOODNESS[getattr(ours, part)]
    assert GOODNESS[theirs.outcome] <= GOODNESS[ours.outcome]
    assert not (ours.outcome is NOT_COMPARED and theirs.outcome is MATCHES)

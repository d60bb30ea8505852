"""What a mention says of a check: exactly what was meant, or nothing of it."""

import time
from datetime import date
from importlib.resources import files
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bot.domain.check.fields import check_number
from bot.domain.check.request import Form, parse
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.mentions.dates import is_month
from bot.domain.mentions.parser import NOT_READ, ParsedMessage, understand
from bot.domain.mentions.tokens import MAX_MENTION, Token
from bot.domain.mentions.vocabulary import Vocabulary

TODAY = date(2026, 11, 22)
ID_TYPES = IDTypes.parse((files("bot") / "data" / "id-types.csv").read_text("utf-8"))
BOT = "<@U0KYCBOT001>"
ADA = {"id_number": "00000000000", "first_name": "Ada", "last_name": "Obi", "dob": "1990-01-02"}
NAMED = {"id_number": "00000000000", "first_name": "Ada", "last_name": "Obi"}


def read(text: str, *, bot_user_id: str = "") -> ParsedMessage:
    return understand(text, ID_TYPES, today=TODAY, bot_user_id=bot_user_id)


@pytest.mark.parametrize(
    "text",
    [
        f"{BOT} NG BVN 00000000000 Ada Obi 1990-01-02",
        f"1990-01-02 Ada Obi bvn {BOT} ng 00000000000",
        f"{BOT} Nigeria, BVN, 00000000000, Ada, Obi, 2 January 1990",
        f"{BOT}\ncountry: Nigeria\nid type: bvn\nid no 000 0000 0000\nfirst name: Ada\nsurname: Obi\ndob=02 Jan 1990",
        f"{BOT} surname Obi first_name=Ada dob 2nd Jan 1990 bank verification number <tel:0|000 0000 0000>",
        f"{BOT} *NG* _BVN_ `00000000000` “Ada” ‘Obi’ January 2, 1990",
        f"{BOT}\n• NG\n• BVN 000-0000-0000\n• name: Ada Obi\n• born: 1990/1/2",
        f"NG\u00a0BVN\u200b 0000\u200b0000000 Ada\u2003Obi 2-Jan-1990 {BOT}",
        f"Hi {BOT}, please run a check for\n&gt; BVN: 00000000000\n&gt; Ada Obi\n&gt; 02-Jan-1990 :pray:",
    ],
)
def test_a_whole_check_in_one_mention_is_understood(text: str) -> None:
    found = read(text)

    assert (found.country, found.id_type, dict(found.texts), found.unclear) == ("NG", "BVN", ADA, ())
    form = Form(country="NG", id_type="BVN", texts=found.texts)
    assert set(parse(form, ID_TYPES, today=TODAY).faults) == {"selfie", "consent"}


@pytest.mark.parametrize(
    ("text", "country", "id_type"),
    [
        ("ghana card", "GH", "GHANA_CARD"),
        ("NIN V2", "NG", "NIN_V2"),
        ("national id (nin)", "NG", "NIN_V2"),
        ("nigeria voters id", "NG", "VOTER_ID"),
        ("Ghana Voter’s ID", "GH", "VOTER_ID"),
        ("new_voter-id", "GH", "NEW_VOTER_ID"),
        ("KE national id", "KE", "NATIONAL_ID"),
        ("south africa", "ZA", "NATIONAL_ID"),
        ("passport", None, None),
        ("voters id", None, None),
        ("NG", "NG", None),
        ("NG passport", "NG", None),
        ("NG KE bvn", None, None),
        ("Uganda passport", None, None),
        ("bvn ghana card", None, None),
    ],
)
def test_country_and_type_follow_from_each_other_only_where_they_must(
    text: str, country: str | None, id_type: str | None
) -> None:
    found = read(text)

    assert (found.country, found.id_type) == (country, id_type)
    assert not found.is_empty
    assert bool(found.unclear) == (id_type is None and text != "NG")


@pytest.mark.parametrize("name", ["Côte d'Ivoire", "cote d’ivoire", "COTE D'IVOIRE"])
def test_a_country_is_known_without_its_accents(name: str) -> None:
    table = IDTypes.parse(
        "country,country_name,id_type,label,required_fields,optional_fields,id_number_regex,test_id_number,"
        "supports_biometric_kyc\nCI,Cote d'Ivoire,CARD,Card,id_number,first_name|last_name,^[0-9]{11}$,,yes\n"
    )
    found = understand(f"{name} 00000000000 Ada Obi", table, today=TODAY)

    assert (found.country, found.id_type, found.unclear) == ("CI", "CARD", ())
    assert dict(found.texts) == NAMED


@pytest.mark.parametrize(
    ("text", "texts", "unclear"),
    [
        ("bvn 00000000000 02/03/1990", {"id_number": "00000000000"}, ("02/03/1990",)),
        ("bvn 00000000000 25/03/90", {"id_number": "00000000000"}, ("25/03/90",)),
        ("bvn 00000000000 dob: 02/03/1990", {"id_number": "00000000000"}, ("02/03/1990",)),
        ("bvn 00000000000 25/03/1990", {"id_number": "00000000000", "dob": "1990-03-25"}, ()),
        ("bvn 00000000000 03/03/1990", {"id_number": "00000000000", "dob": "1990-03-03"}, ()),
        ("bvn 00000000000 1990-01-02 1991-01-02", {"id_number": "00000000000"}, ("1990-01-02", "1991-01-02")),
        ("bvn 00000000000 2090-01-02", {"id_number": "00000000000"}, ("2090-01-02",)),
        ("bvn 00000000000 11111111111", {}, ("00000000000", "11111111111")),
        ("bvn 222 1234 5678 9", {}, ("222", "1234", "5678", "9")),
        ("bvn 00000000000 Ada", {"id_number": "00000000000"}, ("Ada",)),
        ("bvn 00000000000 Ada Grace Joy Obi", {"id_number": "00000000000"}, ("Ada", "Grace", "Joy", "Obi")),
        ("bvn 00000000000 Obi, Ada", {"id_number": "00000000000"}, ("Obi", "Ada")),
        ("bvn 00000000000 Ada Grace Ng", {"id_number": "00000000000"}, ("Ada", "Grace", "Ng")),
        ("bvn 00000000000 Ada <@U2> Obi <@U3>", NAMED, ("@U2", "@U3")),
        ("bvn 00000000000 first name: <@U2|zed> <@U3>", {"id_number": "00000000000"}, ("first", "name", "@zed", "@U3")),
        ("bvn 00000000000 <https://example.com|example.com>", {"id_number": "00000000000"}, ("example.com",)),
        ("bvn 00000000000 surname: Obi surname: Ike", {"id_number": "00000000000"}, ("Obi", "Ike")),
        ("bvn 00000000000 nationality: Ghana", {"id_number": "00000000000"}, ("nationality", "Ghana")),
        ("KE alien card 33-82-81 phone: 741111476", {"phone_number": "741111476"}, ("33-82-81",)),
        ("KE national id 1 phone: 0801 234 5678", {"id_number": "1", "phone_number": "0801 234 5678"}, ()),
        ("KE national id +14 137 868 95", {}, ("+14", "137", "868", "95")),
        ("passport U0 77 Wei Obi", {}, ("passport", "U0", "77", "Wei", "Obi")),
        ("bvn 00000000000 An\nAda Obi", {"id_number": "00000000000"}, ("An", "Ada", "Obi")),
        ("KE passport ABCDEFGH Ada Obi", {}, ("ABCDEFGH", "Ada", "Obi")),
        ("KE national id 25-03-1990", {}, ("25-03-1990",)),
    ],
)
def test_what_may_be_two_things_is_neither(text: str, texts: dict[str, str], unclear: tuple[str, ...]) -> None:
    found = read(text)

    assert dict(found.texts) == texts
    assert found.unclear == unclear


@pytest.mark.parametrize(
    ("text", "name", "kept"),
    [
        ("bvn 123", "id_number", "123"),
        ("NG BVN id number: abc", "id_number", "abc"),
        ("bvn dob: soon", "dob", "soon"),
        ("bvn dob: 1990-02-30", "dob", "1990-02-30"),
        ("bvn dob: 2090-01-02", "dob", "2090-01-02"),
        ("bvn phone: none", "phone_number", "none"),
    ],
)
def test_a_labelled_value_that_does_not_fit_is_kept_so_that_the_form_shows_it(text: str, name: str, kept: str) -> None:
    found = read(text)

    assert found.texts[name] == kept
    form = Form(country="NG", id_type="BVN", texts={"id_number": "00000000000"} | dict(found.texts))
    assert name in parse(form, ID_TYPES, today=TODAY).faults


def test_names_of_several_words_need_lines_of_their_own() -> None:
    found = read("bvn 00000000000\nfirst name: Mary Jane\nsurname: Ng\nref: <https://example.com|CUST.example>")

    assert dict(found.texts) == {"id_number": "00000000000", "first_name": "Mary Jane", "last_name": "Ng"}
    assert found.customer_reference == "CUST.example"


@pytest.mark.parametrize("text", ["", BOT, f"hello {BOT}", "help", f"{BOT} good morning", "what can you do?", "\0*_`"])
def test_a_greeting_says_nothing_of_a_check(text: str) -> None:
    assert read(text).is_empty


def test_the_bot_is_distinguished_from_other_people_by_its_id() -> None:
    found = read("<@U2> bvn 00000000000 <@U0KYCBOT001>", bot_user_id="U0KYCBOT001")

    assert found.unclear == ("@U2",)


def test_a_text_too_long_to_be_read_whole_says_so_and_gives_no_half_value() -> None:
    found = read("bvn 00000000000\nAda Obi\n" + "1" * MAX_MENTION)

    assert dict(found.texts) == {"id_number": "00000000000"}
    assert found.unclear == ("Ada", "Obi", NOT_READ)
    assert read("1" * (MAX_MENTION + 1)).unclear == (NOT_READ,)


def test_nothing_personal_is_in_its_repr() -> None:
    assert "Ada" not in repr(read("bvn 00000000000 Ada Obi ref: Ada"))


# Properties

VOCABULARY = Vocabulary(ID_TYPES)
LETTERS = st.sampled_from("aeiouAEIOUbdknrsxyzNÉéñÖøßçŁğẹọṣÀأحمد李王ดИв")
ODD_NAMES = [
    "Ng",
    "ng",
    "Ke",
    "Kenya",
    "May",
    "April",
    "Bvn",
    "An",
    "N’Guessan",
    "O'Brien",
    "Obi-Ike",
    "Obiageli",
    "Bo",
]
NAMES = st.one_of(st.sampled_from(ODD_NAMES), st.text(LETTERS, min_size=1, max_size=16))
LABELS = {
    "id_number": ["id number", "ID no", "number"],
    "first_name": ["first name", "first_name", "Given name"],
    "middle_name": ["middle name", "MIDDLE_NAME"],
    "last_name": ["last name", "surname", "Family name"],
    "dob": ["dob", "date of birth", "D.O.B"],
    "phone_number": ["phone", "phone number"],
}


class Said(NamedTuple):
    text: str
    country: str
    id_type: str
    truth: dict[str, str]
    reference: str


@st.composite
def numbers(draw: st.DrawFn, entry: IDType) -> str:
    assert entry.pattern is not None
    number = draw(st.from_regex(entry.pattern, fullmatch=True).filter(lambda n: not check_number(n, entry)[1]))
    assume(not any(map(means_something, number.split())))
    return " ".join(number.split())


def grouped(draw: st.DrawFn, number: str) -> str:
    size, joint = draw(st.integers(2, 5)), draw(st.sampled_from([" ", "-"]))
    groups = [number[n : n + size] for n in range(0, len(number), size)]
    return number if any(map(means_something, groups)) else joint.join(groups)


def written(draw: st.DrawFn, day: date) -> str:
    forms = [
        "%Y-%m-%d",
        "%d/%m/%Y",
        "%d.%m.%Y",
        "%d %B %Y",
        "%d-%b-%Y",
        "%B %d, %Y",
        "%Y/%m/%d",
        "%b %d %Y",
        "%d %b %y",
    ]
    return day.strftime(draw(st.sampled_from(forms)))


def cased(draw: st.DrawFn, text: str) -> str:
    return draw(st.sampled_from([text, text.lower(), text.upper(), text.title()]))


def meant(draw: st.DrawFn, entry: IDType) -> dict[str, str]:
    truth = {"id_number": draw(numbers(entry))}
    for name in draw(st.sampled_from([(), ("first_name", "last_name"), ("first_name", "middle_name", "last_name")])):
        truth[name] = draw(NAMES)
    if draw(st.booleans()):
        truth["dob"] = draw(st.dates(date(1930, 1, 1), date(2010, 1, 1))).isoformat()
    if draw(st.booleans()):
        truth["phone_number"] = draw(st.from_regex(r"\+?[0-9]{8,13}", fullmatch=True))
    return truth


@st.composite
def mentions(draw: st.DrawFn) -> Said:
    entry = draw(st.sampled_from(list(ID_TYPES.offered())))
    truth = meant(draw, entry)
    reference = draw(st.sampled_from(["", "CUST-17", "12345678", "K:9"]))
    names_labelled = draw(st.sampled_from([(), ("first_name",), ("first_name", "middle_name", "last_name")]))
    chunks = []
    if draw(st.booleans()):
        chunks.append(cased(draw, draw(st.sampled_from([entry.country, entry.country_name]))))
    if draw(st.booleans()):
        chunks.append(cased(draw, draw(st.sampled_from([entry.id_type, entry.label, entry.id_type.replace("_", "-")]))))
    if reference:
        chunks.append(f"ref: {reference}")
    names: list[str] = []
    labelled_names: list[str] = []
    for name, value in truth.items():
        shown = value
        labelled = draw(st.booleans())
        if name == "dob":
            shown = written(draw, date.fromisoformat(value))
        elif name == "id_number":
            shown = grouped(draw, value) if draw(st.booleans()) else value
        elif name == "phone_number":
            shown = f"<tel:{value}|{value}>" if draw(st.booleans()) else grouped(draw, value).replace("-", " ")
            labelled = labelled or not value.startswith("+")
        else:
            labelled = name in names_labelled or means_something(value)
        if labelled:
            label = cased(draw, draw(st.sampled_from(LABELS[name])))
            shown = label + draw(st.sampled_from([": ", ":", "=", " = "])) + shown
        if name.endswith("_name"):
            (labelled_names if labelled else names).append(shown)
        chunks.append(NAME_PLACE if name.endswith("_name") and not labelled else shown)
    order = draw(st.permutations([*chunks, BOT]))
    # Names without labels stand in the order in which they are said.
    some_bare = bool(names)
    ordered = [names.pop(0) if chunk is NAME_PLACE else chunk for chunk in order]
    text = ""
    for chunk in ordered:
        mark = draw(st.sampled_from(["", "", "*", "`", "_"])) if chunk != BOT else ""
        text += mark + chunk + mark
        # Only a line's end tells `surname: Obi` and a name without a label from a surname of two words.
        apart = some_bare and chunk in labelled_names
        text += "\n" if apart else draw(st.sampled_from([" ", " ", "\n", ", ", "; ", "\u00a0", "\n• ", " | "]))
    return Said(text, entry.country, entry.id_type, truth, reference)


NAME_PLACE = "\x01name"


def same(one: str, other: str, entry: IDType) -> bool:
    """Where the form has dashes of its own, as GHA-000000000-0, they say nothing either."""
    first, second = (check_number(number, entry)[0].replace("-", "").replace(" ", "") for number in (one, other))
    return first == second


def means_something(name: str) -> bool:
    """Nobody could tell such a name from what it means, so it has a label; no group of a number is such a word."""
    word = Token(text=name, line=0, segment=0)
    return VOCABULARY.at([word], 0) is not None or is_month(word)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mentions())
def test_each_understood_field_is_the_truth_and_what_is_not_understood_is_unclear(said: Said) -> None:
    found = read(said.text)
    entry = ID_TYPES.find(said.country, said.id_type)
    assert entry is not None

    assert found.country in (None, said.country)
    assert found.id_type in (None, said.id_type)
    for name, value in found.texts.items():
        if name == "id_number":
            assert same(value, said.truth[name], entry)
        elif name == "phone_number":
            assert value.replace(" ", "") == said.truth[name]
        else:
            assert value == said.truth[name]
    assert found.customer_reference in ("", said.reference)
    if not found.unclear:
        assert set(found.texts) == set(said.truth)
        assert found.customer_reference == said.reference


PARTS = [
    "NG",
    "bvn",
    "passport",
    "name:",
    "dob=",
    "1990-01-02",
    "2 May",
    "<@U1>",
    "<tel:+1|+1 2>",
    "&lt;",
    "\u202e",
    "ref",
]
WILD = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from(PARTS) | st.text(max_size=6), max_size=200).map(" ".join),
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(WILD)
def test_no_text_makes_it_fail(text: str) -> None:
    found = read(text)

    assert found.is_empty or found.country or found.id_type or found.texts or found.customer_reference or found.spoken


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        "1 ",
        "a ",
        "NG ",
        "A1 ",
        "1-",
        "<",
        "<@U1>",
        "name: ",
        "dob 1 May ",
        "ref:",
        "&amp;",
        "+1 ",
        ":a",
        "a,",
        "\u0301",
    ],
)
@pytest.mark.parametrize("lead", ["NG VOTER_ID ", "KE passport ", "ghana card ", ""])
def test_no_text_takes_long(part: str, lead: str) -> None:
    started = time.process_time()
    read(lead + part * 15_000)
    read((lead + part * MAX_MENTION)[: MAX_MENTION - 1])

    assert time.process_time() - started < 3


def test_what_was_chosen_in_the_form_identifies_number_and_names() -> None:
    text = "<@U0BOT> 00000000000 Ada-Invented Obi-Invented 1990-01-02"
    said = understand(text, ID_TYPES, today=TODAY, bot_user_id="U0BOT", chosen=("NG", "BVN"))
    assert (said.country, said.id_type) == ("NG", "BVN")
    assert said.texts == {
        "id_number": "00000000000",
        "first_name": "Ada-Invented",
        "last_name": "Obi-Invented",
        "dob": "1990-01-02",
    }


def test_a_number_that_does_not_fit_what_was_chosen_is_no_number_of_it() -> None:
    said = understand("<@U0BOT> 123 1990-01-02", ID_TYPES, today=TODAY, bot_user_id="U0BOT", chosen=("NG", "BVN"))
    assert "id_number" not in said.texts

"""docs/asvs.md: every requirement of OWASP ASVS 5.0, levels 1 and 2, once; every test that it names is there."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.locks import ROOT
from tests.test_readme import rows

CHAPTERS = {
    "V1": "Encoding and Sanitization",
    "V2": "Validation and Business Logic",
    "V3": "Web Frontend Security",
    "V4": "API and Web Service",
    "V5": "File Handling",
    "V6": "Authentication",
    "V7": "Session Management",
    "V8": "Authorization",
    "V9": "Self-contained Tokens",
    "V10": "OAuth and OIDC",
    "V11": "Cryptography",
    "V12": "Secure Communication",
    "V13": "Configuration",
    "V14": "Data Protection",
    "V15": "Secure Coding and Architecture",
    "V16": "Security Logging and Error Handling",
    "V17": "WebRTC",
}
SECTIONS = {
    "V1.1": ("Encoding and Sanitization Architecture", "22"),
    "V1.2": ("Injection Prevention", "1111122223"),
    "V1.3": ("Sanitization", "112222222223"),
    "V1.4": ("Memory, String, and Unmanaged Code", "222"),
    "V1.5": ("Safe Deserialization", "123"),
    "V2.1": ("Validation and Business Logic Documentation", "122"),
    "V2.2": ("Input Validation", "112"),
    "V2.3": ("Business Logic Security", "12223"),
    "V2.4": ("Anti-automation", "23"),
    "V3.1": ("Web Frontend Security Documentation", "3"),
    "V3.2": ("Unintended Content Interpretation", "113"),
    "V3.3": ("Cookie Setup", "12223"),
    "V3.4": ("Browser Security Mechanism Headers", "11222233"),
    "V3.5": ("Browser Origin Separation", "11122333"),
    "V3.6": ("External Resource Integrity", "3"),
    "V3.7": ("Other Browser Security Considerations", "22333"),
    "V4.1": ("Generic Web Service Security", "12233"),
    "V4.2": ("HTTP Message Structure Validation", "23333"),
    "V4.3": ("GraphQL", "22"),
    "V4.4": ("WebSocket", "1222"),
    "V5.1": ("File Handling Documentation", "2"),
    "V5.2": ("File Upload and Content", "112333"),
    "V5.3": ("File Storage", "113"),
    "V5.4": ("File Download", "222"),
    "V6.1": ("Authentication Documentation", "122"),
    "V6.2": ("Password Security", "111111112222"),
    "V6.3": ("General Authentication Security", "11223333"),
    "V6.4": ("Authentication Factor Lifecycle and Recovery", "112233"),
    "V6.5": ("General Multi-factor authentication requirements", "22222333"),
    "V6.6": ("Out-of-Band authentication mechanisms", "2223"),
    "V6.7": ("Cryptographic authentication mechanism", "33"),
    "V6.8": ("Authentication with an Identity Provider", "2222"),
    "V7.1": ("Session Management Documentation", "222"),
    "V7.2": ("Fundamental Session Management Security", "1111"),
    "V7.3": ("Session Timeout", "22"),
    "V7.4": ("Session Termination", "11222"),
    "V7.5": ("Defenses Against Session Abuse", "223"),
    "V7.6": ("Federated Re-authentication", "22"),
    "V8.1": ("Authorization Documentation", "1233"),
    "V8.2": ("General Authorization Design", "1123"),
    "V8.3": ("Operation Level Authorization", "133"),
    "V8.4": ("Other Authorization Considerations", "23"),
    "V9.1": ("Token source and integrity", "111"),
    "V9.2": ("Token content", "1222"),
    "V10.1": ("Generic OAuth and OIDC Security", "22"),
    "V10.2": ("OAuth Client", "223"),
    "V10.3": ("OAuth Resource Server", "22223"),
    "V10.4": ("OAuth Authorization Server", "1111122222233333"),
    "V10.5": ("OIDC Client", "22222"),
    "V10.6": ("OpenID Provider", "22"),
    "V10.7": ("Consent Management", "222"),
    "V11.1": ("Cryptographic Inventory and Documentation", "2233"),
    "V11.2": ("Secure Cryptography Implementation", "22233"),
    "V11.3": ("Encryption Algorithms", "11233"),
    "V11.4": ("Hashing and Hash-based Functions", "1222"),
    "V11.5": ("Random Values", "23"),
    "V11.6": ("Public Key Cryptography", "23"),
    "V11.7": ("In-Use Data Cryptography", "33"),
    "V12.1": ("General TLS Security Guidance", "12233"),
    "V12.2": ("HTTPS Communication with External Facing Services", "11"),
    "V12.3": ("General Service to Service Communication Security", "22223"),
    "V13.1": ("Configuration Documentation", "2333"),
    "V13.2": ("Backend Communication Configuration", "222223"),
    "V13.3": ("Secret Management", "2233"),
    "V13.4": ("Unintended Information Leakage", "1222233"),
    "V14.1": ("Data Protection Documentation", "22"),
    "V14.2": ("General Data Protection", "12223333"),
    "V14.3": ("Client-side Data Protection", "122"),
    "V15.1": ("Secure Coding and Architecture Documentation", "12233"),
    "V15.2": ("Security Architecture and Dependencies", "12233"),
    "V15.3": ("Defensive Coding", "1222222"),
    "V15.4": ("Safe Concurrency", "3333"),
    "V16.1": ("Security Logging Documentation", "2"),
    "V16.2": ("General Logging", "22222"),
    "V16.3": ("Security Events", "2222"),
    "V16.4": ("Log Protection", "222"),
    "V16.5": ("Error Handling", "2223"),
    "V17.1": ("TURN Server", "23"),
    "V17.2": ("Media", "22223333"),
    "V17.3": ("Signaling", "22"),
}
"""Heading of each section of version 5.0.0, and the levels of its requirements in their order. © OWASP Foundation,
CC BY-SA 4.0."""

WANTED = {
    f"{section}.{number}": level
    for section, (_name, levels) in SECTIONS.items()
    for number, level in enumerate(levels, start=1)
    if level in "12"
}
PAGE = (ROOT / "docs/asvs.md").read_text(encoding="utf-8")
STATES = ("met", "in part", "site", "unmet")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if re.match(r"\| V\d+\.\d+\.\d+ \|", line)
]
APART = re.findall(r"^- \*\*(V\d+\.\d+) (.+?)\*\* \((V[^)]+)\): (.+)\.$", PAGE, re.MULTILINE)
"""Lines of what does not apply: section, heading, numbers, reason."""

NAMED = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")
"""A test, and the file that it stands in."""


def numbers(text: str) -> Iterator[str]:
    """`V6.2.1, V6.2.3–V6.2.5`: each of them."""
    for part in text.split(", "):
        first, _, last = part.partition("–")
        section, _, start = first.rpartition(".")
        assert not last or last.rpartition(".")[0] == section
        for number in range(int(start), int((last or first).rpartition(".")[2]) + 1):
            yield f"{section}.{number}"


def test_the_list_is_that_of_version_5() -> None:
    assert (len(SECTIONS), sum(len(levels) for _name, levels in SECTIONS.values())) == (80, 345)
    assert Counter(WANTED.values()) == {"1": 70, "2": 183}


def test_every_requirement_of_levels_1_and_2_stands_there_once() -> None:
    told = [row[0] for row in ROWS]
    without = [number for section, _heading, listed, _why in APART for number in numbers(listed)]
    assert Counter(told + without) == Counter(dict.fromkeys(WANTED, 1))
    assert [row[:2] for row in ROWS] == [[number, WANTED[number]] for number in told]
    order = list(WANTED)
    assert sorted(told, key=order.index) == told
    for section, heading, listed, why in APART:
        assert heading == SECTIONS[section][0]
        assert all(number.startswith(f"{section}.") for number in numbers(listed))
        assert len(why) > 5


def test_the_headings_are_the_standards() -> None:
    assert re.findall(r"^## (V\d+) (.+)$", PAGE, re.MULTILINE) == list(CHAPTERS.items())
    named = re.findall(r"^\| \*\*(V[\d.]+)\*\* \| \| \| \*\*(.+?)\*\* \| \|$", PAGE, re.MULTILINE)
    assert {section: SECTIONS[section][0] for section, _heading in named} == dict(named)
    assert {section for section, _heading in named} == {row[0].rpartition(".")[0] for row in ROWS}


@pytest.mark.slow
def test_the_list_names_every_module_that_makes_hashes_or_seals() -> None:
    """What is encrypted, hashed and signed with what: an inventory that something is missing from is none."""
    listed = set(
        re.findall(r"`((?:bot|handlers|storage)/[\w/]+\.py)`", PAGE.partition("## V11 ")[2].partition("\n## ")[0])
    )
    assert {path for path in listed if not (ROOT / path).exists()} == set()
    sources = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for room in ("bot", "handlers", "storage")
        for path in (ROOT / room).rglob("*.py")
        if "sandbox" not in path.parts
    }
    makes = re.compile(r"^\s*(?:import|from) (?:hashlib|hmac|cryptography)\b", re.MULTILINE)
    assert {path for path, source in sources.items() if makes.search(source)} - listed == set(), "docs/asvs.md, V11"
    hashes = {(path, name) for path, source in sources.items() for name in re.findall(r"\bhashlib\.(\w+)", source)}
    assert {(path, name) for path, name in hashes if name not in {"sha256", "_Hash"}} == {
        ("storage/engine/record_versions.py", "blake2b")
    }
    keyed = re.compile(r"\bhmac\.(?:digest|new)\(.*, \"(\w+)\"\)")
    named = {name for source in sources.values() for name in keyed.findall(source)}
    assert named == {"sha256"}


def test_every_state_is_one_of_four_and_what_is_met_has_a_test() -> None:
    for number, _level, state, how, tests in ROWS:
        assert state in STATES, number
        assert len(how) > 5, number
        assert NAMED.findall(tests) or (state in ("site", "unmet") and tests == "–"), number


def test_the_counts_at_the_top_are_those_of_the_page() -> None:
    counted = Counter(row[2] for row in ROWS)
    without = sum(len(list(numbers(listed))) for _section, _heading, listed, _why in APART)
    told = {row[0]: int(row[-1]) for row in rows(PAGE, "state")[:-1]}
    assert told == {**{state: counted[state] for state in STATES}, "does not apply": without}
    assert sum(told.values()) == len(WANTED)


@pytest.mark.parametrize("file", sorted({file for _name, file in NAMED.findall(PAGE)}))
def test_every_test_that_is_named_is_there(file: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    named = {name for name, of in NAMED.findall(PAGE) if of == file}
    assert {name for name in named if not re.search(rf"^(async )?def {name}\(", source, re.MULTILINE)} == set()


def test_tests_are_named_one_by_one() -> None:
    assert PAGE.count("](../tests/") == len(NAMED.findall(PAGE)) > 100

"""Ready words for the customer: every language of the page, the link last, and nothing that only we understand."""

import re
from importlib.resources import files

import pytest

from bot.domain.capture.customer_words import LinkMessages
from bot.errors import SettingsFault

TABLE = (files("bot") / "data" / "link-messages.csv").read_text("utf-8")
LINK = "https://kyc.example.com/c#" + "a-_B" * 10 + "a4w"


def test_ours_are_in_every_language_of_the_page_and_no_speaker_has_read_them() -> None:
    table = LinkMessages.parse(TABLE)
    assert list(table.by_language) == ["en", "fr", "pt", "sw"]
    assert not [words for words in table.words(company="Example Bank", hours=24, link=LINK) if words.is_read]


def test_each_names_the_company_and_the_hours_and_ends_with_the_link() -> None:
    for hours, said in (
        (24, ["24 hours", "24 heures", "24 horas", "saa 24"]),
        (1, ["1 hour ", "1 heure", "1 hora ", "saa 1 "]),
    ):
        for words, span in zip(
            LinkMessages.parse(TABLE).words(company="Ex & {hours}", hours=hours, link=LINK), said, strict=True
        ):
            assert "Ex & {hours}" in words.text
            assert span in words.text
            assert words.text.endswith(f"\n{LINK}")
            assert LINK not in repr(words)


def test_each_is_short_and_says_nothing_of_the_customer_or_of_machines() -> None:
    for row in LinkMessages.parse(TABLE).by_language.values():
        bare = row["text"].replace("{company}", "").replace("{hours}", "")
        assert not re.search(r"\d|[{}<>*_`!]|Smile|kyc|selfie", bare), row["language"]
        assert len(bare) < 400, "one screen of a phone, with the link"


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("{company} asks", "We ask", "text lacks {company} or {hours}"),
        ("{number} hours", "many hours", "hours lacks {number}"),
        ("1 hour,", ",", "one_hour lacks its words"),
        ("fr,French", "en,French", "a second text in en"),
        ("Hello.", "Hello" * 100 + ".", "more than 600 characters"),
        ("read_by", "reader", "a column is missing"),
    ],
)
def test_a_table_that_lacks_something_is_refused_by_name(before: str, after: str, fault: str) -> None:
    with pytest.raises(SettingsFault, match=f"link messages, line .*{re.escape(fault)}"):
        LinkMessages.parse(TABLE.replace(before, after, 1))

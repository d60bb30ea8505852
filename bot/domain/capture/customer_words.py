"""Ready words with which a requester sends a link to a customer, in each language of the page.

The table (`bot/data/link-messages.csv`) has a row for each language: `text` names the `{company}` and for how many
`{hours}` the link works, `one_hour` and `hours` say that number, and `read_by` names the speaker who has read the row;
empty until one has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.reference_csv import rows
from bot.errors import SettingsFault

MOST_CHARACTERS = 600
"""Of a text before it is filled in: a few of them stand in one message, each to be read on a phone."""
_COLUMNS = ("language", "language_name", "text", "one_hour", "hours", "read_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerWords:
    """What to send, in one language; with the link, so for its requester's eyes alone."""

    language_name: str
    text: str = field(repr=False)
    is_read: bool
    """A speaker has read it."""


@dataclass(frozen=True, slots=True)
class LinkMessages:
    """The rows of the table, in their order."""

    by_language: Mapping[str, Mapping[str, str]]

    @classmethod
    def parse(cls, csv_text: str) -> "LinkMessages":
        """Raises SettingsFault naming the line that does not fit."""
        found: dict[str, Mapping[str, str]] = {}
        for where, fields in rows(csv_text, "link messages", _COLUMNS):
            if fields["language"] in found:
                raise SettingsFault(f"{where}: a second text in {fields['language']}")
            for column, marks in (("text", ("{company}", "{hours}")), ("one_hour", ()), ("hours", ("{number}",))):
                if not fields[column] or any(fields[column].count(mark) != 1 for mark in marks):
                    raise SettingsFault(f"{where}: {column} lacks {' or '.join(marks) or 'its words'}")
            if len(fields["text"]) > MOST_CHARACTERS:
                raise SettingsFault(f"{where}: the text has more than {MOST_CHARACTERS} characters")
            found[fields["language"]] = fields
        return cls(found)

    def words(self, *, company: str, hours: int, link: str) -> Sequence[CustomerWords]:
        """In every language. The link ends each text, on a line of its own: nothing behind it is read as part of it."""
        return [
            CustomerWords(
                language_name=row["language_name"],
                text=f"{_filled(row, company, hours)}\n{link}",
                is_read=bool(row["read_by"]),
            )
            for row in self.by_language.values()
        ]


def _filled(row: Mapping[str, str], company: str, hours: int) -> str:
    said = row["one_hour"] if hours == 1 else row["hours"].replace("{number}", str(hours))
    # The company's name last: whatever stands in it is nothing to be filled in.
    return row["text"].replace("{hours}", said).replace("{company}", company)

"""Which ID types can be offered, and what each needs.

The table (`bot/data/id-types.csv`) is Smile ID's as far as it is documented; an operator may name a copy.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.errors import SettingsFault


@dataclass(frozen=True, slots=True, kw_only=True)
class IDType:
    """One ID type of one country."""

    country: str
    """Two capital letters."""
    country_name: str
    id_type: str
    label: str
    required: tuple[str, ...]
    """Field names of Smile ID's `id_info`, `id_number` among them."""
    optional: tuple[str, ...]
    pattern: re.Pattern[str] | None
    example: str
    """Smile ID's published test number: shows the form, names nobody. May be empty."""
    supported: bool
    """For Biometric KYC by a server; what is unknown counts as no."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Required fields, then optional ones."""
        return self.required + self.optional

    @property
    def short(self) -> str:
        """How people call it in a line: `BVN`, `Ghana Card`."""
        return self.label if len(self.label) <= len(self.id_type) or "_" in self.id_type else self.id_type


_NEEDED = ("country", "country_name", "id_type", "label", "required_fields", "supports_biometric_kyc")
_OTHER = ("optional_fields", "id_number_regex", "test_id_number")


class IDTypes:
    """The table, with what this partner may use laid over it once that is known."""

    def __init__(self, rows: Mapping[tuple[str, str], IDType]) -> None:
        self._rows = rows
        self._enabled: Mapping[str, frozenset[str]] | None = None

    @classmethod
    def parse(cls, csv_text: str) -> "IDTypes":
        """Read the table; raises SettingsFault naming the line that does not fit."""
        rows: dict[tuple[str, str], IDType] = {}
        reader = csv.DictReader(io.StringIO(csv_text.removeprefix("\ufeff"), newline=""), strict=True)
        read = 1
        try:
            for row in reader:
                read = reader.line_num
                entry = _row(row, read)
                if (entry.country, entry.id_type) in rows:
                    raise SettingsFault(f"ID types, line {read}: a second row for {entry.country} {entry.id_type}")
                rows[entry.country, entry.id_type] = entry
        except csv.Error as fault:
            raise SettingsFault(f"ID types, line {read + 1}: {fault}") from fault
        if not any(entry.supported for entry in rows.values()):
            raise SettingsFault("ID types: no row supports Biometric KYC")
        return cls(rows)

    def enable_only(self, enabled: Mapping[str, frozenset[str]] | None) -> None:
        """Narrow what is offered to what this partner may use; None means not known: offer the table.

        A partner's list that would leave nothing to offer is not believed, since an empty form helps nobody and
        Smile ID refuses what is not allowed anyway.
        """
        self._enabled = enabled
        if enabled is not None and not list(self.offered()):
            self._enabled = None

    def offered(self) -> Iterator[IDType]:
        """What the form offers, in the table's order."""
        for entry in self._rows.values():
            if entry.supported and (
                self._enabled is None or entry.id_type in self._enabled.get(entry.country, frozenset())
            ):
                yield entry

    def countries(self) -> dict[str, str]:
        """Code to name, of countries with something to offer."""
        return {entry.country: entry.country_name for entry in self.offered()}

    def of_country(self, country: str) -> list[IDType]:
        return [entry for entry in self.offered() if entry.country == country]

    def find(self, country: str, id_type: str) -> IDType | None:
        """Any row, offered or not: an old check must still be told of."""
        return self._rows.get((country, id_type))

    def find_offered(self, country: str, id_type: str) -> IDType | None:
        return next((e for e in self.of_country(country) if e.id_type == id_type), None)


def _row(row: Mapping[str, str], line: int) -> IDType:
    where = f"ID types, line {line}"
    if None in row:
        raise SettingsFault(f"{where}: more fields than columns; a text with a comma needs quotes")
    try:
        fields = {name: row[name].strip() for name in _NEEDED + _OTHER}
        pattern = re.compile(fields["id_number_regex"], re.ASCII) if fields["id_number_regex"] else None
    except (KeyError, AttributeError) as fault:
        raise SettingsFault(f"{where}: a column is missing") from fault
    except re.error as fault:
        raise SettingsFault(f"{where}: id_number_regex: {fault}") from fault
    empty = [name for name in _NEEDED if not fields[name]]
    if empty:
        raise SettingsFault(f"{where}: {', '.join(empty)} must not be empty")
    required = _names(fields["required_fields"])
    return IDType(
        country=fields["country"],
        country_name=fields["country_name"],
        id_type=fields["id_type"],
        label=fields["label"],
        required=required,
        optional=tuple(name for name in _names(fields["optional_fields"]) if name not in required),
        pattern=pattern,
        example=fields["test_id_number"],
        # `session_id` needs a one-time code typed by the person: not possible from here.
        supported=fields["supports_biometric_kyc"] == "yes" and "session_id" not in required,
    )


def _names(listed: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in listed.split("|") if name.strip()))

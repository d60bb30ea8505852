"""Which ID types can be offered, and what each needs.

The table (`bot/data/id-types.csv`) is Smile ID's as far as it is documented; an operator may name a copy. Over it
lies what Smile ID itself says: its public list of ID types (`lay_over`) and what this partner may use (`enable_only`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bot.domain.check.masking import same_number
from bot.domain.id_types.patterns import harmless
from bot.domain.id_types.services import OfferedIdType, PartnerIDTypes, Services
from bot.domain.reference_csv import parts, rows
from bot.errors import SettingsFault

_PLAIN_DIGITS = re.compile(r"\^\[0-9\]\{(\d+)(?:,(\d+))?\}\$")


@dataclass(frozen=True, slots=True, kw_only=True)
class IDType:
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
    consent_screen: bool = False
    """Smile ID's own pages show its consent screen first. Whether a server may do without is Smile ID's to say."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Required fields, then optional ones."""
        return self.required + self.optional

    @property
    def digits(self) -> tuple[int, int] | None:
        """The fewest and the most digits, where a number of this type is nothing else."""
        found = _PLAIN_DIGITS.fullmatch(self.pattern.pattern) if self.pattern else None
        return (int(found[1]), int(found[2] or found[1])) if found else None

    def is_test_number(self, number: str) -> bool:
        """Smile ID's own example: in its sandbox it stands for nobody."""
        return bool(self.example) and same_number("", number) == same_number("", self.example)

    @property
    def short(self) -> str:
        """How people call it in a line: `BVN`, `Ghana Card`."""
        return self.label if len(self.label) <= len(self.id_type) or "_" in self.id_type else self.id_type


_NEEDED = ("country", "country_name", "id_type", "label", "required_fields", "supports_biometric_kyc")
_OTHER = ("optional_fields", "id_number_regex", "test_id_number")
_NEWER = ("consent_screen",)


class IDTypes:
    """The table, with Smile ID's lists laid over it once they are known."""

    def __init__(self, rows: Mapping[tuple[str, str], IDType]) -> None:
        self._table = rows
        self._rows = rows
        self._partner: PartnerIDTypes | None = None

    @classmethod
    def parse(cls, csv_text: str) -> "IDTypes":
        """Read the table; raises SettingsFault naming the line that does not fit."""
        found: dict[tuple[str, str], IDType] = {}
        for where, fields in rows(csv_text, "ID types", _NEEDED + _OTHER, newer=_NEWER):
            entry = _id_type(fields, where)
            if (entry.country, entry.id_type) in found:
                raise SettingsFault(f"{where}: a second row for {entry.country} {entry.id_type}")
            found[entry.country, entry.id_type] = entry
        if not any(entry.supported for entry in found.values()):
            raise SettingsFault("ID types: no row supports Biometric KYC")
        return cls(found)

    def enable_only(self, partner: PartnerIDTypes | None) -> None:
        """Narrow what is offered to what this partner may use; None means not known: offer everything.

        A partner's list that would leave nothing to offer is not believed, since an empty form helps nobody and
        Smile ID refuses what is not allowed anyway. A consent screen that either the table or Smile ID wants is wanted.
        """
        self._partner = partner

    def lay_over(self, services: Services | None) -> None:
        """Follow Smile ID's public list where that is safe, in place of any list before; None: the table alone.

        - A type that the table does not support stays so, whatever the list says: the list is made for Smile ID's
          own pages, which can do what a server cannot.
        - A supported type requires what either of both requires: one field too many costs a moment, one too few a
          check that Smile ID refuses. What nobody can type into a form (`session_id`) takes the type away.
        - The number's pattern is the list's, which is what Smile ID checks against today, if it is `harmless` and
          takes a published test number; else the table's. The label stays the table's, which people know.
        - A type that the table lacks is offered with what the list requires and nothing else.
        - What does not read like an ID type is passed over, and so is a list that would leave nothing to offer.
        """
        listed = services.biometric_kyc if services else {}
        rows = {
            key: _followed(entry, service) if (service := listed.get(key[0], {}).get(key[1])) else entry
            for key, entry in self._table.items()
        }
        listed_names = services.country_names if services else {}
        names = {country: _shown(name) for country, name in listed_names.items()}
        names |= {entry.country: entry.country_name for entry in rows.values()}
        for country, id_types in sorted(listed.items()):
            for id_type, service in sorted(id_types.items()):
                if (country, id_type) not in rows and _readable(country, id_type, service):
                    rows[country, id_type] = _new(country, names.get(country) or country, id_type, service)
        self._rows = rows if any(entry.supported for entry in rows.values()) else self._table

    def offered(self) -> Iterator[IDType]:
        """What the form offers, in the table's order; what the table lacks comes after."""
        supported = [entry for entry in self._rows.values() if entry.supported]
        partner = self._partner
        if partner is not None:
            supported = [entry for entry in supported if _lists(partner.enabled, entry)] or supported
            supported = [
                replace(entry, consent_screen=True) if _lists(partner.consent_screen, entry) else entry
                for entry in supported
            ]
        yield from supported

    def countries(self) -> dict[str, str]:
        """Code to name, of countries with something to offer."""
        return {entry.country: entry.country_name for entry in self.offered()}

    def known(self) -> Iterator[IDType]:
        """Every row, offered or not: old checks are of them."""
        yield from self._rows.values()

    def known_countries(self) -> frozenset[str]:
        """Every country of the table, offered or not: old checks are of them."""
        return frozenset(country for country, _id_type in self._rows)

    def of_country(self, country: str) -> list[IDType]:
        return [entry for entry in self.offered() if entry.country == country]

    def find(self, country: str, id_type: str) -> IDType | None:
        """Any row, offered or not: an old check must still be displayed."""
        return self._rows.get((country, id_type))

    def subject(self, country: str, id_type: str) -> str:
        """Nigeria · BVN; of a type that nobody knows any more its own letters."""
        entry = self.find(country, id_type)
        return f"{entry.country_name} · {entry.short}" if entry else f"{country} · {id_type}"

    def country_name(self, country: str) -> str:
        """Nigeria; of a country that nobody knows any more its own letters."""
        return next((entry.country_name for entry in self._rows.values() if entry.country == country), country)

    def find_offered(self, country: str, id_type: str) -> IDType | None:
        return next((e for e in self.of_country(country) if e.id_type == id_type), None)


def _lists(listed: Mapping[str, frozenset[str]], entry: IDType) -> bool:
    return entry.id_type in listed.get(entry.country, frozenset())


def _id_type(fields: Mapping[str, str], where: str) -> IDType:
    try:
        pattern = re.compile(fields["id_number_regex"], re.ASCII) if fields["id_number_regex"] else None
    except re.error as fault:
        raise SettingsFault(f"{where}: id_number_regex: {fault}") from fault
    empty = [name for name in _NEEDED if not fields[name]]
    if empty:
        raise SettingsFault(f"{where}: {', '.join(empty)} must not be empty")
    if fields["consent_screen"] not in ("yes", "no", ""):
        raise SettingsFault(f"{where}: consent_screen is {fields['consent_screen']!r}, not yes or no")
    required = parts(fields["required_fields"])
    return IDType(
        country=fields["country"],
        country_name=fields["country_name"],
        id_type=fields["id_type"],
        label=fields["label"],
        required=required,
        optional=tuple(name for name in parts(fields["optional_fields"]) if name not in required),
        pattern=pattern,
        example=fields["test_id_number"],
        # `session_id` needs a one-time code typed by the person: not possible from here.
        supported=fields["supports_biometric_kyc"] == "yes" and "session_id" not in required,
        consent_screen=fields["consent_screen"] == "yes",
    )


_COUNTRY = re.compile(r"[A-Z]{2}")
_ID_TYPE = re.compile(r"[A-Z][A-Z0-9_]{1,49}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NOT_TYPED = frozenset({"session_id"})
"""It needs a one-time code that the person must type themselves."""
_TAKEN = frozenset(
    {"channel", "consent", "country", "customer_reference", "entered", "id_type", "liveness", "selfie", "warning"}
    | {"again", "not_before", "place", "seen"}
)
"""Names that mean something else in the form or next to the fields of `id_info`."""
_FIELD_ORDER = ("id_number", "first_name", "middle_name", "last_name", "dob", "phone_number")
_MOST_FIELDS = 20
_MOST_SHOWN = 75
"""Slack's limit for the text of an option."""


def _followed(entry: IDType, service: OfferedIdType) -> IDType:
    if not entry.supported or not _named_well(service):
        return entry
    if service.required_fields & _NOT_TYPED:
        return replace(entry, supported=False)
    required = entry.required + _ordered(service.required_fields - frozenset(entry.required))
    pattern = _pattern(service, entry)
    return replace(
        entry,
        required=required,
        optional=tuple(name for name in entry.optional if name not in required),
        pattern=pattern,
        example=_example(pattern, entry.example, service.example),
    )


def _new(country: str, country_name: str, id_type: str, service: OfferedIdType) -> IDType:
    """A row for what the table lacks; no optional fields, since nobody says that they are of use."""
    pattern = _pattern(service, None)
    return IDType(
        country=country,
        country_name=country_name,
        id_type=id_type,
        label=_shown(service.label) or id_type,
        required=_ordered(service.required_fields),
        optional=(),
        pattern=pattern,
        example=_example(pattern, service.example),
        supported=not service.required_fields & _NOT_TYPED,
    )


def _readable(country: str, id_type: str, service: OfferedIdType) -> bool:
    names = _COUNTRY.fullmatch(country) and _ID_TYPE.fullmatch(id_type)
    # Everything downstream knows a check by its number: what has none is not for us.
    return bool(names) and _named_well(service) and "id_number" in service.required_fields


def _named_well(service: OfferedIdType) -> bool:
    fields = service.required_fields
    return len(fields) <= _MOST_FIELDS and not fields & _TAKEN and all(_FIELD.fullmatch(name) for name in fields)


def _pattern(service: OfferedIdType, entry: IDType | None) -> re.Pattern[str] | None:
    """A pattern that refuses all of Smile ID's own test numbers would refuse everybody's."""
    found = harmless(service.regex) if service.regex else None
    tests = [number for number in (entry.example if entry else "", service.example) if number]
    if found and (not tests or any(found.fullmatch(number) for number in tests)):
        return found
    return entry.pattern if entry else None


def _example(pattern: re.Pattern[str] | None, *numbers: str) -> str:
    """The first that the form would take itself."""
    fit = (number for number in map(_shown, numbers) if number and (pattern is None or pattern.fullmatch(number)))
    return next(fit, "")


def _ordered(names: frozenset[str]) -> tuple[str, ...]:
    known = tuple(name for name in _FIELD_ORDER if name in names)
    return known + tuple(sorted(names.difference(known)))


def _shown(text: str) -> str:
    """The text if a form can display it as it is; empty otherwise."""
    text = text.strip()
    return text if len(text) <= _MOST_SHOWN and text.isprintable() else ""

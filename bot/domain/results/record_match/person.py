"""A person as somebody typed them or an authority holds them, and the words for how well the two agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RecordMatch(StrEnum):
    """Best first, but for the last, which is no judgement."""

    MATCHES = "matches"
    """The same; nothing to check."""
    PARTLY = "partly"
    """May well be the same; a person must compare them."""
    DIFFERS = "differs"
    """Not the same as far as can be seen."""
    NOT_COMPARED = "not_compared"
    """Nothing was typed, nothing is held, or it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EnteredPerson:
    """Text as it came, not cleaned. Who has separate names needs no `full_name`, and the other way round."""

    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    """In any order of names, unless the separate names say more."""
    dob: str | None = None
    phones: tuple[str, ...] = ()


def entered_person(id_info: Mapping[str, str]) -> EnteredPerson:
    """The person of a request, from Smile ID's `id_info`."""
    return EnteredPerson(
        first_name=id_info.get("first_name"),
        middle_name=id_info.get("middle_name"),
        last_name=id_info.get("last_name"),
        dob=id_info.get("dob"),
        phones=tuple(filter(None, [id_info.get("phone_number")])),
    )


_FULL_DATA = {
    "first_name": "firstname firstnames forename forenames givenname givennames",
    "middle_name": "middlename middlenames othername othernames secondname",
    "last_name": "lastname lastnames surname familyname",
    "full_name": "fullname",
    "dob": "dateofbirth dob birthdate",
}
_FIELDS = {name: field for field, names in _FULL_DATA.items() for name in names.split()}


def record_person(
    *,
    full_name: str | None,
    dob: str | None,
    phones: tuple[str | None, ...] = (),
    full_data: Mapping[str, object] | None = None,
) -> EnteredPerson:
    """The person of an authority's record, from the fields of Smile ID's ID message.

    `FullData` is what the authority itself sent, in its own words (Smile ID documents no list, and sends an empty
    object today). It counts where Smile ID's fields are silent, and says which of the names is the surname.
    """
    extra: dict[str, str] = {}
    for name, value in (full_data or {}).items():
        field = _FIELDS.get("".join(filter(str.isalnum, name)).casefold())
        if field and isinstance(value, str) and value.strip():
            extra.setdefault(field, value)
    return EnteredPerson(
        first_name=extra.get("first_name"),
        middle_name=extra.get("middle_name"),
        last_name=extra.get("last_name"),
        full_name=full_name or extra.get("full_name"),
        dob=dob or extra.get("dob"),
        phones=tuple(phone for phone in phones if phone),
    )

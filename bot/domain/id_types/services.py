"""Smile ID's lists of ID types, and how they are kept: how much of them is believed is `id_types`' part.

They are kept in the shape in which v1 of Smile ID's API sends them, as databases since the first version hold them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedIdType:
    """What the list says of one ID type."""

    label: str
    required_fields: frozenset[str]
    """Without country, id_type, user_id and job_id, which every type requires."""
    regex: str | None
    """Of the whole number; begins with `(?i)` where case does not matter. Not checked yet."""
    example: str = ""
    """Smile ID's test number; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """ID types that Smile ID offers for Biometric KYC, to anyone: country -> ID type."""

    biometric_kyc: Mapping[str, Mapping[str, OfferedIdType]]
    country_names: Mapping[str, str] = field(default_factory=dict)
    """As far as they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerIDTypes:
    """What Smile ID says of one partner's ID types for Biometric KYC, by country."""

    enabled: Mapping[str, frozenset[str]]
    """Those that the partner may use."""
    consent_screen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Those before which Smile ID's own pages show its consent screen (`consentRequired`)."""


def dump_services(services: Services) -> dict[str, object]:
    """As JSON, for `load_services`."""
    return {
        "hosted_web": {
            "biometric_kyc": {
                country: {
                    "name": services.country_names.get(country),
                    "id_types": {
                        id_type: {
                            "label": offered.label,
                            "required_fields": sorted(offered.required_fields),
                            "id_number_regex": offered.regex,
                            "test_data": offered.example,
                        }
                        for id_type, offered in id_types.items()
                    },
                }
                for country, id_types in services.biometric_kyc.items()
            }
        }
    }


def load_services(kept: Mapping[str, Any]) -> Services:
    """Raises ValueError where what was kept is damaged."""
    try:
        countries = kept["hosted_web"]["biometric_kyc"]
        return Services(
            biometric_kyc={
                country: {id_type: _kept_id_type(offered) for id_type, offered in listed["id_types"].items()}
                for country, listed in countries.items()
            },
            country_names={country: str(listed["name"]) for country, listed in countries.items() if listed["name"]},
        )
    except (KeyError, TypeError, AttributeError) as fault:
        raise ValueError("kept list of ID types on offer") from fault


def _kept_id_type(offered: Mapping[str, Any]) -> OfferedIdType:
    regex = offered["id_number_regex"]
    return OfferedIdType(
        label=str(offered["label"]),
        required_fields=frozenset(str(name) for name in offered["required_fields"]),
        regex=None if regex is None else str(regex),
        example=str(offered["test_data"]),
    )


def dump_enabled(partner: PartnerIDTypes) -> dict[str, object]:
    return {
        "idSelection": {"biometric_kyc": _sorted(partner.enabled)},
        "consentRequired": _sorted(partner.consent_screen),
    }


def load_enabled(kept: Mapping[str, Any]) -> PartnerIDTypes:
    """Raises ValueError where what was kept is damaged. The first versions kept no list of consent screens."""
    try:
        return PartnerIDTypes(
            enabled=_sets(kept["idSelection"]["biometric_kyc"]), consent_screen=_sets(kept.get("consentRequired", {}))
        )
    except (KeyError, TypeError, AttributeError) as fault:
        raise ValueError("kept list of enabled ID types") from fault


def _sorted(listed: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    return {country: sorted(id_types) for country, id_types in listed.items()}


def _sets(kept: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {country: frozenset(str(one) for one in id_types) for country, id_types in kept.items()}

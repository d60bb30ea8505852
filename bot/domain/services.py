"""Smile ID's public list of ID types, as it came: how much of it is believed is `id_types`' part."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedIdType:
    """What the list says of one ID type."""

    label: str
    required_fields: frozenset[str]
    """Without country, id_type, user_id and job_id, which every type requires."""
    regex: str | None
    """Of the whole number; begins with `(?i)` where case does not matter. Not looked into yet."""
    example: str = ""
    """Smile ID's test number; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """ID types that Smile ID offers for Biometric KYC, to anyone: country -> ID type."""

    biometric_kyc: Mapping[str, Mapping[str, OfferedIdType]]
    country_names: Mapping[str, str] = field(default_factory=dict)
    """As far as they are told."""

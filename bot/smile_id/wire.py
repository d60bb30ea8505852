"""Parses what Smile ID sends, with tolerance.

Sources disagree on types (a code as text or number, a flag as text or bool), so scalars of any kind are accepted,
and what cannot be read is left out rather than guessed. Nothing is judged here: not whether a code approves,
nor whether a message is fresh, signed or ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.domain.id_types.services import OfferedIdType, Services
from bot.errors import SmileIDAnswerInvalid
from bot.smile_id.interface import Authority, Suspect

NO_ZIP = "2314"
"""job_status: the zip is not there, or not processed yet."""

_CODE = re.compile(r"[0-9A-Za-z_.-]{1,16}")
_NOTHING = frozenset({"", "not available"})
_ALWAYS_REQUIRED = frozenset({"country", "id_type", "user_id", "job_id"})
_BIRTH_PARTS = frozenset({"day", "month", "year"})
"""The three boxes in which Smile ID's own page asks for `dob` (services.json, NG DRIVERS_LICENSE)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Smile ID's answer to an upload request: a job that waits for its zip."""

    smile_job_id: str
    upload_url: str = field(repr=False)
    """Pre-signed and secret; lives for a time that is not documented."""
    answer: Mapping[str, object] = field(repr=False)
    """The whole answer, which travels on as `server_information`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What Smile ID's own record says of one job, its signature checked."""

    code: str
    complete: bool = False
    """A status was reported; *not* that it is final."""
    result: Mapping[str, object] | None = field(default=None, repr=False)
    """The last result message as it was received; None while there is none."""
    history: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    """Every message that went to the callback, in Smile ID's order."""
    image_links: Mapping[str, str] = field(default_factory=dict, repr=False)
    unknown_job: bool = False
    """Smile ID does not know the job (told by an error, which is never signed)."""

    @property
    def no_zip(self) -> bool:
        return self.code == NO_ZIP


def text_of(value: object) -> str | None:
    """A scalar as text; None for anything else. Half surrogate pairs, which no database takes, become `?`."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return value.encode("utf-8", "replace").decode()
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return None


def code_of(value: object) -> str | None:
    """Four digits as text, also from a number or with its zeros lost; an unknown kind of code stays as it is."""
    text = None if isinstance(value, bool) else text_of(value)
    if text is None or not _CODE.fullmatch(text := text.strip()):
        return None
    return text.zfill(4) if text.isdigit() else text


def flag_of(value: object) -> bool | None:
    """A bool, also from the text or number that some messages use for one."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text_of(value) or "").strip().lower())


def _known(value: object) -> str | None:
    text = text_of(value)
    return None if text is None or text.strip().lower() in _NOTHING else text


def _job_number(value: object) -> str | None:
    """`smile_job_id` has ten digits, zero padded; a number has lost them."""
    text = _known(value)
    return text.zfill(10) if text is not None and not isinstance(value, str) else text


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := text_of(item)) is not None)


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> tuple[dict[str, object], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _objects_by_name(value: object) -> dict[str, dict[str, object]]:
    return {str(name): item for name, item in _object(value).items() if isinstance(item, dict)}


def _scalars(value: object) -> dict[str, str]:
    return {key: text for key, item in _object(value).items() if (text := text_of(item)) is not None}


def _sets(value: object) -> dict[str, frozenset[str]]:
    return {key: frozenset(_texts(items)) for key, items in _object(value).items()}


def _suspects(antifraud: object) -> tuple[Suspect, ...]:
    """Two shapes: `SuspectUsers` in a message of its own, and inside `smile_secure` of a combined one."""
    whole = _object(antifraud)
    nested = _object(whole.get("smile_secure"))
    return tuple(
        Suspect(user_id=user_id, reasons=_texts(item.get("reasons", item.get("reason"))))
        for item in _objects(whole.get("SuspectUsers")) + _objects(nested.get("SuspectUsers"))
        if (user_id := text_of(item.get("user_id"))) is not None
    )


Text = Annotated[str | None, BeforeValidator(text_of)]
Known = Annotated[str | None, BeforeValidator(_known)]
Flag = Annotated[bool | None, BeforeValidator(flag_of)]
Code = Annotated[str, BeforeValidator(code_of)]
JobNumber = Annotated[str | None, BeforeValidator(_job_number)]
Scalars = Annotated[dict[str, str], BeforeValidator(_scalars)]
Sets = Annotated[dict[str, frozenset[str]], BeforeValidator(_sets)]
Object = Annotated[dict[str, Any], BeforeValidator(_object)]
ObjectsByName = Annotated[dict[str, dict[str, Any]], BeforeValidator(_objects_by_name)]


class _Wire(BaseModel):
    # a validation error must not quote a person's data
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class _Prepared(_Wire):
    smile_job_id: Annotated[str, BeforeValidator(_job_number)]
    upload_url: str = Field(min_length=1)


class _Status(_Wire):
    code: Code
    job_complete: Flag = None
    result: object = None
    history: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_objects)] = ()
    image_links: Scalars = Field(default_factory=dict)


class _Authority(_Wire):
    country: Known = Field(None, alias="Country")
    id_type: Known = Field(None, alias="IDType")
    id_number: Known = Field(None, alias="IDNumber")
    secondary_id_number: Known = Field(None, alias="Secondary_ID_Number")
    full_name: Known = Field(None, alias="FullName")
    dob: Known = Field(None, alias="DOB")
    gender: Known = Field(None, alias="Gender")
    address: Known = Field(None, alias="Address")
    phone: Known = Field(None, alias="PhoneNumber")
    phone2: Known = Field(None, alias="PhoneNumber2")
    issuance_date: Known = Field(None, alias="IssuanceDate")
    expiration_date: Known = Field(None, alias="ExpirationDate")
    photo: Known = Field(None, alias="Photo")
    document: Known = Field(None, alias="Document")
    is_alive: Flag = Field(None, alias="IsAlive")
    previously_registered: Flag = Field(None, alias="IDNumberPreviouslyRegistered")
    previous_user_ids: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        (), alias="UserIDsOfPreviousRegistrants"
    )
    full_data: Object = Field(default_factory=dict, alias="FullData")


class WireMessage(_Wire):
    """A result message, as far as it counts: the body of a callback, the result or a history entry of job_status."""

    code: Code = Field(alias="ResultCode")
    """Four digits, or whatever else Smile ID may come to send."""
    text: Annotated[str, BeforeValidator(lambda value: text_of(value) or "")] = Field("", alias="ResultText")
    smile_job_id: JobNumber = Field(None, alias="SmileJobID")
    job_id: Annotated[str | None, BeforeValidator(lambda value: _scalars(value).get("job_id"))] = Field(
        None, alias="PartnerParams"
    )
    actions: Scalars = Field(default_factory=dict, alias="Actions")
    confidence: Text = Field(None, alias="ConfidenceValue")
    is_final: Flag = Field(None, alias="IsFinalResult")
    """None when the message does not say."""
    suspects: Annotated[tuple[Suspect, ...], BeforeValidator(_suspects)] = Field((), alias="Antifraud", repr=False)
    authority: Authority = Field(repr=False)


class _Service(_Wire):
    label: Known = None
    required_fields: Annotated[frozenset[str], BeforeValidator(_texts)] = frozenset()
    id_number_regex: Known = None
    test_data: Known = None


class _ServiceCountry(_Wire):
    name: Known = None
    id_types: ObjectsByName = Field(default_factory=dict)


class _HostedWeb(_Wire):
    biometric_kyc: ObjectsByName


class _Services(_Wire):
    hosted_web: _HostedWeb


class _IdSelection(_Wire):
    biometric_kyc: Sets = Field(default_factory=dict)


class _Products(_Wire):
    id_selection: _IdSelection = Field(alias="idSelection")


def parse_prepared(body: Mapping[str, object]) -> Prepared:
    """Raises SmileIDAnswerInvalid without a job id and an upload URL."""
    try:
        prepared = _Prepared.model_validate(body)
    except ValidationError as error:
        raise SmileIDAnswerInvalid("upload answer without smile_job_id or upload_url") from error
    return Prepared(smile_job_id=prepared.smile_job_id, upload_url=prepared.upload_url, answer=dict(body))


def parse_status(body: Mapping[str, object]) -> JobStatus:
    """Raises SmileIDAnswerInvalid without a code. The signature is the client's to check."""
    try:
        status = _Status.model_validate(body)
    except ValidationError as error:
        raise SmileIDAnswerInvalid("job_status answer without a code") from error
    return JobStatus(
        code=status.code,
        complete=status.job_complete is True,
        result=_object(status.result) or None,
        history=status.history,
        image_links={name: link for name, link in status.image_links.items() if name != "error"},
    )


def parse_message(body: object) -> WireMessage:
    """Read a result message, from a callback or from job_status.

    Raises SmileIDAnswerInvalid when it is no object or has no usable ResultCode.
    """
    if not isinstance(body, Mapping):
        raise SmileIDAnswerInvalid("result message that is not an object")
    try:
        authority = Authority(**dict(_Authority.model_validate(body)))
        return WireMessage.model_validate({**body, "authority": authority})
    except ValidationError as error:
        raise SmileIDAnswerInvalid("result message without a usable ResultCode") from error


def parse_services(body: Mapping[str, object]) -> Services:
    """Entries that cannot be read are left out; raises SmileIDAnswerInvalid if none is left."""
    try:
        listed = _Services.model_validate(body).hosted_web.biometric_kyc
        countries = {code: _ServiceCountry.model_validate(country) for code, country in listed.items()}
        services = Services(
            biometric_kyc={
                code: {id_type: _service(id_type, service) for id_type, service in country.id_types.items()}
                for code, country in countries.items()
                if country.id_types
            },
            country_names={code: country.name for code, country in countries.items() if country.name},
        )
    except ValidationError as error:
        raise SmileIDAnswerInvalid("services answer without biometric_kyc") from error
    if not services.biometric_kyc:
        raise SmileIDAnswerInvalid("services answer without an ID type for biometric_kyc")
    return services


def _service(id_type: str, body: Mapping[str, object]) -> OfferedIdType:
    service = _Service.model_validate(body)
    required = service.required_fields - _ALWAYS_REQUIRED
    if required >= _BIRTH_PARTS:
        required = required - _BIRTH_PARTS | {"dob"}
    return OfferedIdType(
        label=service.label or id_type,
        required_fields=required,
        regex=_regex(service.id_number_regex),
        example=service.test_data or "",
    )


def _regex(source: str | None) -> str | None:
    """Some come as a JavaScript literal that lost its first slash: `^[0-9]{11}$/i`."""
    if source is None or not source.endswith("/i"):
        return source
    return f"(?i){source.removeprefix('/').removesuffix('/i')}"


def parse_products(body: Mapping[str, object]) -> Mapping[str, frozenset[str]]:
    """ID types enabled for this partner, by country; a partner without Biometric KYC has an empty one.

    Raises SmileIDAnswerInvalid without `idSelection`.
    """
    try:
        products = _Products.model_validate(body)
    except ValidationError as error:
        raise SmileIDAnswerInvalid("products answer without idSelection") from error
    return products.id_selection.biometric_kyc


def canonical_hash(body: Mapping[str, object]) -> str:
    """SHA-256 (hex) of the message itself, equal for a replay that was only signed anew."""
    rest = {name: value for name, value in body.items() if name not in {"timestamp", "signature"}}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()

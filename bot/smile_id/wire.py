"""Parses what Smile ID sends, with tolerance.

Sources disagree on types (a code as text or number, a flag as text or bool), so scalars of any kind are accepted,
and what cannot be read is left out rather than guessed. Nothing is judged here: not whether a code approves,
nor whether a message is fresh, signed or ours.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.domain.id_types.services import OfferedIdType, PartnerIDTypes, Services
from bot.errors import SmileIDAnswerInvalid
from bot.smile_id.interface import Authority, Suspect

NO_ZIP = "2314"
"""job_status: the zip is not there, or not processed yet."""

_CODE = re.compile(r"[0-9A-Za-z_.-]{1,16}")
_NOTHING = frozenset({"", "not available"})
_NEW_EACH_TIME = frozenset({"timestamp", "signature", "ImageLinks", "image_links"})
_NO_CODE = "result message without a usable ResultCode"
_ALWAYS_REQUIRED = frozenset({"country", "id_type", "user_id", "job_id"})
_BIRTH_PARTS = frozenset({"day", "month", "year"})
"""The three boxes in which Smile ID's own page asks for `dob` (services.json, NG DRIVERS_LICENSE)."""


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


def _our_job(partner_params: object) -> str | None:
    return text_of(_object(partner_params).get("job_id"))


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := text_of(item)) is not None)


def _object(value: object) -> dict[str, object]:
    """Its names as `text_of` has texts: half a surrogate pair in one would make the whole unreadable."""
    return {text_of(name) or "": item for name, item in value.items()} if isinstance(value, dict) else {}


def _objects(value: object) -> tuple[dict[str, object], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _objects_by_name(value: object) -> dict[str, dict[str, object]]:
    return {str(name): item for name, item in _object(value).items() if isinstance(item, dict)}


def _scalars(value: object) -> dict[str, str]:
    return {key: text for key, item in _object(value).items() if (text := text_of(item)) is not None}


def _links(value: object) -> dict[str, str]:
    """In their place there may be an error."""
    return {name: link for name, link in _scalars(value).items() if name != "error"}


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


class _Wire(BaseModel):
    # a validation error must not quote a person's data
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


W = TypeVar("W", bound=_Wire)


class Prepared(_Wire):
    """Smile ID's answer to an upload request: a job that waits for its zip."""

    smile_job_id: Annotated[str, BeforeValidator(_job_number)]
    upload_url: str = Field(min_length=1, repr=False)
    """Pre-signed and secret; lives for a time that is not documented."""
    answer: dict[str, Any] = Field(repr=False)
    """The whole answer, which travels on as `server_information`."""


class JobStatus(_Wire):
    """What Smile ID's own record says of one job, its signature checked."""

    code: Code
    job_complete: Flag = None
    """A status was reported; *not* that it is final."""
    result: Object = Field(default_factory=dict, repr=False)
    """The last result message as it was received; empty while there is none."""
    history: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_objects)] = Field((), repr=False)
    """Every message that went to the callback, in Smile ID's order."""
    image_links: Annotated[dict[str, str], BeforeValidator(_links)] = Field(default_factory=dict, repr=False)

    @property
    def no_zip(self) -> bool:
        return self.code == NO_ZIP


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


class Head(NamedTuple):
    """What of a result message is read at the door."""

    code: str
    job_id: str | None
    smile_job_id: str | None


class WireMessage(_Wire):
    """A result message, as far as it counts: the body of a callback, the result or a history entry of job_status."""

    code: Code = Field(alias="ResultCode")
    """Four digits, or whatever else Smile ID may come to send."""
    text: Annotated[str, BeforeValidator(lambda value: text_of(value) or "")] = Field("", alias="ResultText")
    smile_job_id: JobNumber = Field(None, alias="SmileJobID")
    job_id: Annotated[str | None, BeforeValidator(_our_job)] = Field(None, alias="PartnerParams")
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
    id_types: Annotated[dict[str, _Service], BeforeValidator(_objects_by_name)] = Field(default_factory=dict)


class _Services(_Wire):
    countries: Annotated[dict[str, _ServiceCountry], BeforeValidator(_objects_by_name)] = Field(
        validation_alias=AliasPath("hosted_web", "biometric_kyc")
    )


class _IdSelection(_Wire):
    biometric_kyc: Sets = Field(default_factory=dict)


class _Products(_Wire):
    id_selection: _IdSelection = Field(alias="idSelection")
    consent_required: Sets = Field(default_factory=dict, alias="consentRequired")


def parse_prepared(body: Mapping[str, object]) -> Prepared:
    """Raises SmileIDAnswerInvalid without a job id and an upload URL."""
    return _parse(Prepared, {**body, "answer": body}, "upload answer without smile_job_id or upload_url")


def parse_status(body: Mapping[str, object]) -> JobStatus:
    """Raises SmileIDAnswerInvalid without a code. The signature is the client's to check."""
    return _parse(JobStatus, body, "job_status answer without a code")


def _parse(model: type[W], body: Mapping[str, object], fault: str) -> W:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise SmileIDAnswerInvalid(fault) from error


def parse_message(body: object) -> WireMessage:
    """Read a result message, from a callback or from job_status.

    Raises SmileIDAnswerInvalid when it is no object or has no usable ResultCode.
    """
    if not isinstance(body, Mapping):
        raise SmileIDAnswerInvalid("result message that is not an object")
    authority = Authority(**dict(_parse(_Authority, body, _NO_CODE)))
    return _parse(WireMessage, {**body, "authority": authority}, _NO_CODE)


def read_head(body: Mapping[str, object]) -> Head:
    """What of a result message says which job it is of, and with which code.

    Raises SmileIDAnswerInvalid where `parse_message` does: whatever else stands in a message, that can read it.
    """
    code = code_of(body.get("ResultCode"))
    if code is None:
        raise SmileIDAnswerInvalid(_NO_CODE)
    return Head(code=code, job_id=_our_job(body.get("PartnerParams")), smile_job_id=_job_number(body.get("SmileJobID")))


def parse_services(body: Mapping[str, object]) -> Services:
    """Entries that cannot be read are left out; raises SmileIDAnswerInvalid if none is left."""
    countries = _parse(_Services, body, "services answer without biometric_kyc").countries
    services = Services(
        biometric_kyc={
            code: {id_type: _offered(id_type, service) for id_type, service in country.id_types.items()}
            for code, country in countries.items()
            if country.id_types
        },
        country_names={code: country.name for code, country in countries.items() if country.name},
    )
    if not services.biometric_kyc:
        raise SmileIDAnswerInvalid("services answer without an ID type for biometric_kyc")
    return services


def _offered(id_type: str, service: _Service) -> OfferedIdType:
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


def parse_products(body: Mapping[str, object]) -> PartnerIDTypes:
    """What this partner may use, by country; a partner without Biometric KYC has an empty list.

    Raises SmileIDAnswerInvalid without `idSelection`.
    """
    found = _parse(_Products, body, "products answer without idSelection")
    return PartnerIDTypes(enabled=found.id_selection.biometric_kyc, consent_screen=found.consent_required)


def canonical_hash(body: Mapping[str, object]) -> str:
    """SHA-256 (hex) of what a message says, equal for a replay that was only signed anew."""
    rest = {name: value for name, value in body.items() if name not in _NEW_EACH_TIME}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()

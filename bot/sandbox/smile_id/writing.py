"""Turns a template into the message about one job."""

from collections.abc import Mapping
from typing import Any

from .info_json import id_entered, liveness_count
from .messages import PERSON, Template
from .records import Message, SandboxJob

_WITHOUT_ID_NUMBER = {
    "Return_Personal_Info": "Not Applicable",
    "Selfie_To_ID_Authority_Compare": "Not Applicable",
    "Selfie_To_ID_Card_Compare": "Completed",
    "Verify_ID_Number": "Not Applicable",
}


def write(templates: tuple[Template, ...], job: SandboxJob) -> list[Message]:
    """The messages about this job, without time and signature; no look-up is told where none was made."""
    return [_write(one, job) for one in templates if _id_info(job) or not one.looked_up]


def _write(template: Template, job: SandboxJob) -> Message:
    message: Message = {
        "JSONVersion": "1.0.0",
        "SmileJobID": job.smile_job_id,
        "PartnerParams": dict(job.partner_params),
        "ResultType": template.result_type,
        "ResultCode": template.code,
        "ResultText": template.text,
        "IsFinalResult": "true" if template.final else "false",
        "IsMachineResult": "false" if template.result_type == "DIVA" else "true",
        "Actions": _actions(template, job),
        "Source": "WebAPI",
    }
    if template.confidence is not None:
        message["ConfidenceValue"] = template.confidence
    id_info = _id_info(job)
    if template.result_type == "ID Verification" and id_info:
        message |= {
            "Country": id_info["country"],
            "IDType": id_info["id_type"],
            "IDNumber": id_info["id_number"],
        }
    if template.looked_up and id_info:
        message |= _person(id_info, job.partner_params)
    return {**message, **template.extra}


def _id_info(job: SandboxJob) -> Mapping[str, Any] | None:
    """The ID information of a sound package that has some."""
    if not job.usable or job.info is None or not id_entered(job.info):
        return None
    id_info: dict[str, Any] = job.info["id_info"]
    return id_info


def _actions(template: Template, job: SandboxJob) -> dict[str, str]:
    actions = template.actions
    if not job.usable or job.info is None:
        return actions
    if actions["Verify_ID_Number"] == "Verified" and not id_entered(job.info):
        actions |= _WITHOUT_ID_NUMBER
    if actions["Liveness_Check"] == "Passed" and not liveness_count(job.info):
        actions["Liveness_Check"] = "Not Applicable"
    return actions


def _person(id_info: Mapping[str, Any], partner_params: Mapping[str, Any]) -> dict[str, Any]:
    """The invented person, named and born as entered (ours); for numbers ending in 4 as partner_params change it.

    Smile ID's page on customising sandbox test data: keys of the result at the top level of partner_params.
    """
    custom = partner_params if id_info["id_number"].endswith("4") else {}
    changed = {key: custom[key] for key in PERSON if key in custom}
    return {**PERSON, **_as_entered(id_info), **changed, "FullData": {}}


def _as_entered(id_info: Mapping[str, Any]) -> dict[str, str]:
    """Surname first and in capitals, as authorities like to write."""
    names = [str(id_info.get(name) or "") for name in ("last_name", "first_name", "middle_name")]
    told = {"DOB": str(id_info.get("dob") or ""), "PhoneNumber": str(id_info.get("phone_number") or "")}
    if names[0] and names[1]:
        told["FullName"] = " ".join(filter(None, names)).upper()
    return {key: value for key, value in told.items() if value}

"""Smile ID's documented error codes of submission and status calls: whose turn it is, and what to say.

Source: docs.usesmileid.com/further-reading/result-codes/error-codes (2026-11). Codes of *results* are another
table. 2314 (no zip yet) is an answer of job_status, not a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import Fault


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one code asks of us."""

    fault: Fault
    words: str
    """For a person; the operator's when the fault is the operator's."""
    retry: bool = False
    """Smile ID's own trouble: the same request may succeed later."""


_DOWN = Refusal(Fault.OPERATOR, "Smile ID has a fault on its side; we try again by ourselves.", retry=True)
_CREDENTIALS = Refusal(
    Fault.OPERATOR,
    "Smile ID does not accept our credentials. Check the partner id (leading zeros matter), the API key, "
    "and that both belong to the environment in use.",
)
_MISSING = Refusal(
    Fault.OPERATOR,
    "Smile ID misses a required field. The table of ID types may be out of date, or this is a fault of ours.",
)
_NAMELESS = Refusal(Fault.OPERATOR, "Smile ID refused with a code that it does not explain. Ask Smile ID's support.")

REFUSALS: Mapping[str, Refusal] = {
    "2201": _DOWN,
    "2203": Refusal(Fault.OPERATOR, "Smile ID could not read our package (info.json). This is a fault of ours."),
    "2204": Refusal(
        Fault.OPERATOR,
        "Smile ID does not accept the form of a value that we sent, or our credentials. "
        "Check the API key and the base URL first.",
    ),
    "2205": _CREDENTIALS,
    "2207": Refusal(
        Fault.OPERATOR, "This user is disabled at Smile ID. Someone must enable it in Smile ID's portal first."
    ),
    "2208": Refusal(Fault.USER_ID, "This user was deleted at Smile ID; another user id is needed."),
    "2209": Refusal(Fault.USER_ID, "This user is already enrolled at Smile ID; another user id is needed."),
    "2210": Refusal(Fault.OPERATOR, "Smile ID expected an enrolled user, and there is none."),
    "2211": Refusal(
        Fault.OPERATOR, "Smile ID has marked this user for re-enrolment. Look the user up in Smile ID's portal."
    ),
    "2212": Refusal(Fault.OPERATOR, "Smile ID does not offer this kind of job to us."),
    "2213": _MISSING,
    "2214": _NAMELESS,
    "2215": Refusal(Fault.JOB_ID, "Smile ID already knows a job with this id."),
    "2216": Refusal(Fault.OPERATOR, "Smile ID holds no photo of this user."),
    "2220": Refusal(Fault.OPERATOR, "Smile ID has not enabled production for us. Ask Smile ID, or use the sandbox."),
    "2221": _NAMELESS,
    "2301": _DOWN,
    "2401": _DOWN,
    "2405": _CREDENTIALS,
    "2413": _MISSING,
    "2414": _NAMELESS,
}

UNEXPLAINED = Refusal(
    Fault.OPERATOR,
    "Smile ID refused our request without a reason that it documents. Check the base URL, then ask its support.",
)

NOT_FOR_US = frozenset({"2205", "2220", "2405"})
"""Codes that deny us the call itself, whatever job it is about."""

"""Smile ID's documented error codes of submission and status calls: who must act, and why.

Source: docs.usesmileid.com/further-reading/result-codes/error-codes (2026-11), without 2314 (no zip yet), an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import Fault, SmileIDRefusal


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    fault: Fault
    why: SmileIDRefusal
    retry: bool = False
    """Smile ID's own trouble: the same request may succeed later."""


_DOWN = CodeMeaning(Fault.OPERATOR, SmileIDRefusal.DOWN, retry=True)
_CREDENTIALS = CodeMeaning(Fault.OPERATOR, SmileIDRefusal.CREDENTIALS)
_MISSING = CodeMeaning(Fault.OPERATOR, SmileIDRefusal.FIELD_MISSING)
_NAMELESS = CodeMeaning(Fault.OPERATOR, SmileIDRefusal.NO_MEANING)

REFUSALS: Mapping[str, CodeMeaning] = {
    "2201": _DOWN,
    "2203": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.PACKAGE),
    "2204": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.VALUE_FORM),
    "2205": _CREDENTIALS,
    "2207": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.USER_DISABLED),
    "2208": CodeMeaning(Fault.USER_ID, SmileIDRefusal.USER_DELETED),
    "2209": CodeMeaning(Fault.USER_ID, SmileIDRefusal.USER_ENROLLED),
    "2210": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.USER_NOT_ENROLLED),
    "2211": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.USER_TO_REENROL),
    "2212": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.JOB_TYPE),
    "2213": _MISSING,
    "2214": _NAMELESS,
    "2215": CodeMeaning(Fault.JOB_ID, SmileIDRefusal.JOB_KNOWN),
    "2216": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.NO_PHOTO_OF_USER),
    "2220": CodeMeaning(Fault.OPERATOR, SmileIDRefusal.NO_PRODUCTION),
    "2221": _NAMELESS,
    "2301": _DOWN,
    "2401": _DOWN,
    "2405": _CREDENTIALS,
    "2413": _MISSING,
    "2414": _NAMELESS,
}

UNEXPLAINED = CodeMeaning(Fault.OPERATOR, SmileIDRefusal.UNEXPLAINED)

NOT_FOR_US = frozenset({"2205", "2220", "2405"})
"""Codes that deny us the call itself, whatever job it is about."""

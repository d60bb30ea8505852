"""Compares what was entered with the authority's record, as far as Smile ID's messages about one job hold it."""

from collections.abc import Iterable, Mapping

from bot.domain.results.record_match import Comparison, RecordMatch, compare, entered_person, lower
from bot.smile_id.interface import Authority, ResultMessage, SmileID
from storage import receipts
from storage.engine.database import Transaction

_WORST_FIRST = (RecordMatch.DIFFERS, RecordMatch.PARTLY, RecordMatch.MATCHES)


def tells_of_a_person(message: ResultMessage) -> bool:
    """Whether a message holds anything that could be compared."""
    return message.authority != Authority()


def comparison_of_job(
    tx: Transaction, smile_id: SmileID, job_id: str, id_info: Mapping[str, str], *, country: str
) -> Comparison:
    """Field by field the worst outcome of all trusted messages about a job.

    A callback's signature does not cover its body. With the worst outcome a forged record can call a reviewer, but
    never turn *differs* into *matches*.
    """
    messages = [smile_id.read_message(kept.body) for kept in receipts.of_job(tx, job_id)]
    found = [_comparison(message, id_info, country) for message in messages]
    return Comparison(
        name=_worst(one.name for one in found),
        dob=_worst(one.dob for one in found),
        phone=_worst(one.phone for one in found),
    )


def _comparison(message: ResultMessage, id_info: Mapping[str, str], country: str) -> Comparison:
    found = compare(entered_person(id_info), message.authority.person, country=country)
    return lower(found, message.reading.actions)


def _worst(words: Iterable[RecordMatch]) -> RecordMatch:
    found = frozenset(words)
    return next((word for word in _WORST_FIRST if word in found), RecordMatch.NOT_COMPARED)

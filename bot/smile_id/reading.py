"""From a message on the wire to what it means, by the table of result codes."""

from bot.domain.outcomes import Reading, ResultCodes
from bot.domain.record_match import Person, record_person
from bot.smile_id.wire import Authority, Message


def reading_of(message: Message, codes: ResultCodes) -> Reading:
    return codes.read(
        code=message.code,
        text=message.text,
        actions=message.actions,
        said_final=message.is_final,
        confidence=message.confidence,
    )


def recorded(held: Authority) -> Person:
    """Whom a message is about, also where only the authority's own fields say so."""
    return record_person(
        full_name=held.full_name, dob=held.dob, phones=(held.phone, held.phone2), full_data=held.full_data
    )

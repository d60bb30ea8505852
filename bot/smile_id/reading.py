"""From a message on the wire to what it means, by the table of result codes."""

from bot.domain.outcomes import Reading, ResultCodes
from bot.smile_id.wire import Message


def reading_of(message: Message, codes: ResultCodes) -> Reading:
    return codes.read(
        code=message.code,
        text=message.text,
        actions=message.actions,
        said_final=message.is_final,
        confidence=message.confidence,
    )

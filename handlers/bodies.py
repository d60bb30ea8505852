"""The bodies of requests, read in memory and in bounds."""

from starlette.requests import Request


async def read_body(request: Request, most: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than `most` bytes."""
    if length_of(request) > most:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def length_of(request: Request) -> int:
    """How many bytes it says that its body has; 0 where it does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0

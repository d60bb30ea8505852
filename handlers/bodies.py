"""The bodies of requests, read in memory and in bounds."""

from starlette.requests import Request


async def read_body(request: Request, most: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than `most` bytes."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)

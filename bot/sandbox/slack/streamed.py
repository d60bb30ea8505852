"""Answers too large to hold twice: sent piece by piece, of a length that is said beforehand."""

from collections.abc import AsyncIterator, Callable

from aiohttp import web

Pieces = AsyncIterator[bytes | memoryview]


class Streamed(web.Response):
    """The length is said, so that a caller can see an answer break in the middle."""

    def __init__(self, pieces: Callable[[], Pieces], *, size_bytes: int, content_type: str) -> None:
        super().__init__(body=pieces(), headers={"Content-Length": str(size_bytes), "Content-Type": content_type})
        self.pieces = pieces


async def pieces_of(response: web.Response) -> Pieces:
    """The body of any answer, from its beginning."""
    if isinstance(response, Streamed):
        async for piece in response.pieces():
            yield piece
    elif isinstance(response.body, bytes):
        yield response.body

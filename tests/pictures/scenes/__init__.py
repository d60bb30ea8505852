"""What is to be seen, a module for each room of `bot/slack/blocks`: each has a function `sheets()`.

A new room: a module here, and its name in `ROOMS`.
"""

from tests.pictures.scene import Sheet
from tests.pictures.scenes import (
    audit,
    batch,
    capture,
    erased,
    export,
    find,
    form,
    held,
    home,
    message,
    phone,
    photos,
    private,
    review,
    sentences,
    summary,
    thread,
)

ROOMS = (
    thread,
    review,
    photos,
    held,
    capture,
    batch,
    summary,
    export,
    audit,
    home,
    form,
    message,
    private,
    erased,
    find,
    sentences,
    phone,
)
"""In the order in which `docs/pictures.md` shows them."""


def sheets() -> list[Sheet]:
    return [sheet for room in ROOMS for sheet in room.sheets()]

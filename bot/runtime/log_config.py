"""Log lines: one event each, with ids and states, never personal data, tokens or addresses.

Libraries that log what they send or receive are silenced. A traceback is cut to types and places, since the text of
a foreign exception may quote what was being worked on.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from bot.errors import KycError
from bot.settings import LogFormat

_LOUD = (
    *("httpx", "httpcore", "slack_sdk", "slack_bolt", "aiohttp", "uvicorn", "apscheduler", "asyncio", "PIL"),
    # It asks its own logger for its own level, and writes each request and answer out for lines that are then dropped.
    "slack_sdk.web.async_base_client",
)


class _LossyStream:
    """Drops what cannot be written: a full disk or a closed pipe behind the log must stop no check."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write(text)

    def flush(self) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()


def configure(format_: LogFormat, stream: TextIO | None = None) -> None:
    """Set up structlog for the whole process; what libraries log is dropped below CRITICAL."""
    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if format_ is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            shape_exception,
            structlog.processors.EventRenamer("event"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _LossyStream(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )


def shape_exception(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn `exc_info` into where it happened and what kind it was; the text only of errors that we worded."""
    info = event.pop("exc_info", None)
    if not info:
        return event
    error = info if isinstance(info, BaseException) else sys.exc_info()[1]
    if error is None:
        return event
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 5:
        chain.append(f"{type(seen).__name__}: {seen}" if isinstance(seen, KycError) else type(seen).__name__)
        seen = seen.__cause__ or seen.__context__
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    event["error"] = " <- ".join(chain)
    event["at"] = [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno}:{frame.name}" for frame in frames]
    return event

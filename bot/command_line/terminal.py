"""How every command ends: in words and an exit code, whatever becomes of the terminal, the pipe or the disk behind it.

A traceback is for our own faults alone. Exit codes above 128 are those of shells: 128 and the number of a signal.
"""

from __future__ import annotations

import codecs
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, NoReturn, TextIO, TypeVar

import click

T = TypeVar("T")

_SPELLED_OUT = "kyc-bot: spelled out"
_ENDS = (signal.SIGTERM, signal.SIGHUP)
"""Python dies of these without ending what it began: a piece of a file would stay."""


class CommandLine(click.Group):
    """A group of commands that writes to any terminal, and ends without a traceback where the outside world fails."""

    def __call__(self, *args: Any, **options: Any) -> NoReturn:
        """Take the arguments of `main`, or those of the process; always ends in SystemExit."""
        for stream in (sys.stdout, sys.stderr):
            _write_anything_to(stream)
        # Not standalone: click's own ending knows no full disk, and takes Ctrl-C for a failure like others.
        run: Callable[[], object] = partial(self.main, *args, **options, standalone_mode=False)
        with _ended_by_signals():
            code = _code_of(run)
        sys.exit(code)


def _code_of(run: Callable[[], object]) -> int:
    try:
        code = _outcome_of(run)
        # Python would do it after us, and could only say that it failed.
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough; click, which sees to most of it, exits with 1 too.
        code = 1
    except OSError as fault:
        where = f" ({fault.filename})" if fault.filename else ""
        _say(f"kyc-bot cannot go on: {fault.strerror or fault}{where}")
        code = 1
    _forget_what_is_not_written()
    return code


def _outcome_of(run: Callable[[], object]) -> int:
    try:
        outcome = run()
    except click.ClickException as fault:
        with suppress(OSError):
            fault.show()
        return fault.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted.")
        return 128 + signal.SIGINT
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        _say(end.code)
        return 1
    # An `Exit` of click's, as after help, is returned as its code; commands return nothing.
    return outcome if isinstance(outcome, int) else 0


def is_agreed(question: str) -> bool:
    """Ask who sits at the terminal. Raises UsageError where nobody can answer: in a script, say, without --yes."""
    nobody = click.UsageError("Nobody is there to answer: add --yes.")
    if sys.stdin is None:
        raise nobody
    try:
        return click.confirm(question)
    except click.Abort as abort:
        # Of Ctrl-C click makes the same.
        if isinstance(abort.__context__, EOFError) and not sys.stdin.isatty():
            raise nobody from None
        raise


def run_until_told(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, where SIGTERM and SIGHUP end the work in its own time, as asyncio lets Ctrl-C do.

    Raises SystemExit for them, KeyboardInterrupt for Ctrl-C.
    """
    import asyncio

    async def until_told() -> T:
        told: list[int] = []
        task = asyncio.current_task()
        assert task is not None

        def end(number: int) -> None:
            told.append(number)
            task.cancel()

        for number in _ENDS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, end, number)
        try:
            return await work
        except asyncio.CancelledError:
            if told:
                raise SystemExit(128 + told[0]) from None
            raise

    before = {number: signal.getsignal(number) for number in _ENDS}
    try:
        return asyncio.run(until_told())
    finally:
        # The loop leaves Python's own way behind, by which what the command does next would not end what it began.
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does; what serves until then brings a handler of its own."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    # Whoever is to outlive its terminal (`nohup`) ignores SIGHUP, and goes on doing so.
    before = {number: signal.getsignal(number) for number in _ENDS}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_anything_to(stream: TextIO | None) -> None:
    """Spell out what the terminal's encoding has no sign for: `…` as `...`, instead of a UnicodeEncodeError."""
    if stream is not None and hasattr(stream, "reconfigure"):
        codecs.register_error(_SPELLED_OUT, _spell_out)
        stream.reconfigure(errors=_SPELLED_OUT)


def _spell_out(fault: UnicodeError) -> tuple[str, int]:
    if not isinstance(fault, UnicodeEncodeError):
        raise fault
    # Seldom needed, and never by help or version.
    from anyascii import anyascii

    signs = fault.object[fault.start : fault.end]
    # A name of a file that is no text in this encoding is held as half surrogates, which nothing can spell out.
    spelled = (anyascii(sign) or sign.encode("ascii", "backslashreplace").decode("ascii") for sign in signs)
    return "".join(spelled), fault.end


def _say(words: object) -> None:
    # Where nothing can be said, the exit code says it alone.
    with suppress(OSError):
        click.echo(words, err=True)


def _forget_what_is_not_written() -> None:
    """Leave nothing for Python to write at its end, which would fail once more, with words of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
            os.close(nowhere)

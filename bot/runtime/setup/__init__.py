"""`kyc-bot setup`: asks for what the bot needs, tries each answer at once, and writes the settings file at the end.

Until then nothing is written; what the file has already is kept, line by line. Nothing is changed in Slack or at
Smile ID.
"""

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bot import settings_file
from bot.domain import database_address
from bot.errors import DatabaseFault, SettingsFault, WrongKey
from bot.network import Outbound
from bot.runtime.doctor.findings import DoctorTimeouts
from bot.runtime.setup.draft import Draft
from bot.runtime.setup.remaining import USUAL_FILE, remaining
from bot.runtime.setup.roles import ChoiceQuestions
from bot.runtime.setup.secrets import NONE
from bot.runtime.setup.slack import SlackTrial, ask_tokens
from bot.runtime.setup.smile_id import ask_smile_id, try_credentials
from bot.runtime.setup.terminal import InputEnded, Terminal, printable
from bot.runtime.setup.writing import cannot_write, write
from storage.engine import inspect
from storage.engine.sealing import Sealer

__all__ = ["USUAL_FILE", "run"]

ASKED = frozenset({
    "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SMILE_ID_PARTNER_ID", "SMILE_ID_API_KEY",
    "SMILE_ID_ENVIRONMENT", "KYC_REQUESTERS", "KYC_REVIEWERS", "KYC_MANAGERS", "KYC_VIEWERS", "KYC_ADMINS",
    "KYC_CHANNELS", "KYC_REVIEW_CHANNEL", "KYC_SUMMARY_CHANNEL", "KYC_PUBLIC_URL", "KYC_DATABASE",
})  # fmt: skip
"""What does not fit of these is no reason to stop: it is asked for."""

_USUAL_DATABASE = Path("/var/lib/kyc-bot/kyc.db")
_HEAD = "# Settings of kyc-bot, written by `kyc-bot setup`. docs/settings.md has all of them.\n"
_STOPPED = "Stopped. Nothing was written."


def run(
    file: Path, environ: Mapping[str, str], *, terminal: Terminal | None = None, limits: DoctorTimeouts | None = None
) -> int:
    """The exit code: 0 written, 1 not written, 2 a settings file that does not fit."""
    terminal = terminal or Terminal()
    # asyncio's own handler cancels the call that is under way; one that ends at that moment would swallow Ctrl-C.
    signal.signal(signal.SIGINT, _interrupt)
    try:
        with asyncio.Runner() as runner:
            return _Setup(file, environ, terminal, limits or DoctorTimeouts(), runner).run()
    except InputEnded:
        terminal.say(f"\n{_STOPPED}")
        return 1
    except KeyboardInterrupt:
        terminal.say(f"\n{_STOPPED}")
        raise


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


class _Setup:
    def __init__(
        self,
        file: Path,
        environ: Mapping[str, str],
        terminal: Terminal,
        limits: DoctorTimeouts,
        runner: asyncio.Runner,
    ) -> None:
        self._file = file
        self._environ = environ
        self._terminal = terminal
        self._limits = limits
        self._runner = runner
        self._text = ""

    def run(self) -> int:
        say = self._terminal.say
        if wrong := cannot_write(self._file):
            say(wrong)
            return 1
        try:
            self._text = settings_file.text_of(self._file) if self._file.exists() else ""
            draft = Draft(settings_file.values_in(self._text, self._file), self._environ)
            outbound = Outbound.of(draft.network(), own=map(draft.get, ("SLACK_API_URL", "SMILE_ID_API_URL")))
        except SettingsFault as fault:
            say(f"Correct this first: {fault}")
            return 2
        faults = draft.faults()
        if unasked := [line for name, line in faults.items() if name not in ASKED]:
            say("Correct these first:")
            for line in unasked:
                say(f"  {line}")
            return 2
        say(f"This asks for what kyc-bot needs, tries it at once, and writes {self._file} at the end.")
        say("Enter takes what stands in [brackets]; Ctrl-C leaves everything as it was.")
        if draft.from_environment:
            say(f"Taken over from the environment: {', '.join(draft.from_environment)}")
        for name, line in faults.items():
            say(f"To be answered anew: {line}")
            draft.put(name, "")
        return self._ask_and_write(draft, outbound)

    def _ask_and_write(self, draft: Draft, outbound: Outbound) -> int:
        trial = SlackTrial(draft, outbound, self._limits)
        ask_tokens(draft, self._terminal, trial, self._runner)
        ask_smile_id(draft, self._terminal, lambda: self._runner.run(try_credentials(draft, outbound, self._limits)))
        questions = ChoiceQuestions(draft, self._terminal, trial, self._runner)
        questions.ask()
        self._terminal.say("\nThe machine")
        self._ask_address(draft)
        self._ask_database(draft)
        new_key = self._provide_key(draft)
        if not self._write(draft):
            return 1
        self._terminal.say("\nWhat is left to do:")
        for number, step in enumerate(remaining(draft, questions.directory, self._file, new_key=new_key), 1):
            self._terminal.say(f"  {number}. {step}")
        return 0

    def _ask_address(self, draft: Draft) -> None:
        """Without one Smile ID is polled; Slack over HTTP cannot do without."""
        name, needed = "KYC_PUBLIC_URL", not draft.get("SLACK_APP_TOKEN")
        while True:
            question = "Public https address of this bot, for Smile ID's callbacks" + (
                " and Slack's requests" if needed else f" ({NONE} for none: results are polled for)"
            )
            answer = self._terminal.ask(question, default=draft.get(name) or ("" if needed else NONE))
            if answer == NONE and not needed:
                draft.put(name, "")
                return
            before = draft.get(name)
            draft.put(name, answer.rstrip("/"))
            fault = draft.faults().get(name) if urlsplit(answer).scheme else "It begins with https://"
            if fault is None:
                return
            draft.put(name, before)
            self._terminal.say(f"  {fault}")

    def _ask_database(self, draft: Draft) -> None:
        name = "KYC_DATABASE"
        usual = _USUAL_DATABASE if self._file.is_relative_to("/etc") else self._file.resolve().with_name("kyc.db")
        while True:
            answer = self._terminal.ask("Database file", default=draft.get(name) or str(usual))
            if database_address.is_address(answer):
                if self._takes_address(draft, answer):
                    return
                continue
            path = Path(answer)
            # No home is known of a ~user who is not there.
            with contextlib.suppress(RuntimeError):
                path = path.expanduser()
            # The service has another current folder than whoever types this.
            path = path.absolute()
            if printable(answer) != answer:
                self._terminal.say("  It has an unseen sign within, as an arrow key leaves one. Type it again.")
            elif path.is_dir():
                self._terminal.say(f"  {path} is a folder. Name a file in it, for example {path / 'kyc.db'}.")
            else:
                draft.put(name, str(path))
                return

    def _takes_address(self, draft: Draft, answer: str) -> bool:
        name, before = "KYC_DATABASE", draft.get("KYC_DATABASE")
        draft.put(name, answer)
        if (fault := draft.faults().get(name)) is not None:
            draft.put(name, before)
            self._terminal.say(f"  {fault}")
            return False
        if (fault := draft.faults().get("KYC_BACKUP_DIR")) is not None:
            self._terminal.say(f"  It is taken out: {fault}")
            draft.put("KYC_BACKUP_DIR", "")
        return True

    def _provide_key(self, draft: Draft) -> bool:
        """Whether a key was made. A database that is there already can only be opened with its own."""
        name, place = "KYC_ENCRYPTION_KEYS", draft.get("KYC_DATABASE")
        if draft.get(name):
            return False
        if database_address.is_address(place):
            if self._terminal.confirm("Does an instance of the bot use that database already?", default=False):
                self._ask_key(draft, None)
                return False
            draft.put(name, Sealer.new_key())
            return True
        path = Path(place)
        with contextlib.suppress(OSError):
            if path.exists():
                self._terminal.say(f"  {path} is there already, and its key is needed to read it.")
                self._ask_key(draft, path)
                return False
        draft.put(name, Sealer.new_key())
        return True

    def _ask_key(self, draft: Draft, path: Path | None) -> None:
        """Tried on the file, if it is one."""
        while True:
            typed = self._terminal.ask_secret("Encryption keys of that database, newest first")
            try:
                sealer = Sealer.from_text(typed.replace(",", " ").split())
                if path is not None:
                    inspect.examine(path, sealer, patience=timedelta(0))
            except (SettingsFault, WrongKey) as fault:
                self._terminal.say(f"  {fault}")
                continue
            except DatabaseFault as fault:
                self._terminal.say(f"  {fault}; the key cannot be tried")
            draft.put("KYC_ENCRYPTION_KEYS", typed)
            return

    def _write(self, draft: Draft) -> bool:
        say, changes = self._terminal.say, draft.changes
        if not changes:
            say(f"\n{self._file} stays as it is: nothing has changed.")
            return True
        if self._file.exists():
            names = ", ".join(sorted(changes))
            if not self._terminal.confirm(f"\nChange {names} in {self._file}, and keep the rest?", default=False):
                say("Nothing was written.")
                return False
            if settings_file.text_of(self._file) != self._text:
                say(f"{self._file} was changed by somebody else meanwhile. Nothing was written.")
                return False
        try:
            write(self._file, settings_file.changed(self._text or _HEAD, changes, self._file))
        except OSError as fault:
            say(f"{self._file} cannot be written: {fault.strerror}. What was there is left.")
            return False
        say(f"\n{self._file} is written, for its owner alone.")
        return True

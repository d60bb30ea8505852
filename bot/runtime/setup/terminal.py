"""Whom `kyc-bot setup` asks: a person at a terminal, or lines that a script hands in."""

import getpass
import sys


class InputEnded(Exception):
    """Nobody answers any more."""


class Terminal:
    """Asks on standard output, reads standard input; a secret is not shown while it is typed at a terminal."""

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def ask(self, question: str, *, default: str = "") -> str:
        """The answer without blanks around it; Enter alone is the default."""
        return self._answer(f"{question}{f' [{default}]' if default else ''}: ", hidden=False) or default

    def ask_secret(self, question: str, *, kept: bool = False) -> str:
        """The answer, or nothing for Enter alone, which keeps the secret that is set."""
        return self._answer(f"{question}{' [Enter keeps the one that is set]' if kept else ''}: ", hidden=True)

    def confirm(self, question: str, *, default: bool) -> bool:
        while True:
            answer = self._answer(f"{question} [{'Y/n' if default else 'y/N'}]: ", hidden=False).casefold()
            if answer in ("", "y", "yes", "n", "no"):
                return answer[0] == "y" if answer else default
            self.say("Please answer y or n.")

    def _answer(self, prompt: str, *, hidden: bool) -> str:
        while True:
            try:
                return self._line(prompt, hidden=hidden).strip()
            except UnicodeDecodeError:
                # Pasted from a terminal of another encoding.
                self.say("That is no text in this terminal's encoding. Type it again.")

    def _line(self, prompt: str, *, hidden: bool) -> str:
        if sys.stdin is None:
            raise InputEnded
        if not sys.stdin.isatty():
            # getpass would read the terminal that a script may have beside its input.
            print(prompt, end="", flush=True)
            line = sys.stdin.readline()
            print()
            if not line:
                raise InputEnded
            return line
        try:
            return getpass.getpass(prompt) if hidden else input(prompt)
        except EOFError:
            print()
            raise InputEnded from None


def printable(text: str) -> str:
    """Names from outside on one line, without what steers a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())

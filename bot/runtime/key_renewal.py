"""`kyc-bot rekey`: takes a database that no bot works on through the steps of `storage.rekey`, to its end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.errors import DatabaseInUse
from bot.privacy import signing
from bot.runtime import alone
from storage import instances, keys, rekey
from storage.engine.database import Database, Transaction
from storage.engine.sealed_values import OTHERS

CHECKS_AT_A_TIME = 200
"""In one commit: some hundredths of a second, and what a kill costs at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What came of it."""

    renewed: int
    checks: int
    remains: rekey.Remains
    forgotten: bool
    """The older keys were let go."""

    def lines(self, *, key_count: int) -> list[str]:
        """For a terminal: what was done, and what to do next. No part of a key, and nothing of a customer."""
        said = [f"renewed {self.renewed} values of {self.checks} checks under the newest key"]
        if self.remains.altered:
            said.append(f"left as they were, of checks whose record was altered: {keys.told(self.remains.altered)}")
            said.append("to look into these one day, keep the older key with a copy of the file, away from the bot")
        if self.remains.broken:
            said.append(f"left as they were, since no key opens them: {keys.told(self.remains.broken)}")
        if self.remains.needed:
            said.append(f"an older key is needed for {keys.told(self.remains.needed)}: keep it in KYC_ENCRYPTION_KEYS")
        elif self.forgotten:
            said.append(
                "the older keys are let go: leave only the first one in KYC_ENCRYPTION_KEYS, then start the bot"
            )
            said.append("backups from before need the older key: keep it apart, or delete them if it has leaked")
        elif key_count > 1:
            said.append("nothing needs an older key any more; `kyc-bot rekey --forget-old` lets it go")
        return said


async def renew(
    database: Database,
    *,
    forget_old: bool,
    now: Callable[[], datetime],
    on_page: Callable[[int], None],
    is_shared: bool = False,
) -> Renewal:
    """Renew everything, and let the older keys go if that is wanted and nothing needs them.

    Safe to repeat, and to be killed at any instruction: the next run goes on. `on_page` hears how many checks are done.
    Where no lock keeps others away (`is_shared`), no key is let go while an instance lives: raises DatabaseInUse.
    """
    await database.write(rekey.begin)
    renewed, seen, last = 0, 0, ""
    while (step := await database.write(rekey.renew_checks, last, most=CHECKS_AT_A_TIME)).last:
        last, renewed, seen = step.last, renewed + step.renewed, seen + step.seen
        on_page(seen)
    for column in OTHERS:
        key: str | int | None = None
        while True:
            key, done = await database.write(rekey.renew_others, column, key, most=CHECKS_AT_A_TIME)
            renewed += done
            if key is None:
                break
    await database.write(rekey.finish, now=now())
    await database.write(signing.note_key, at=now())
    if forget_old:
        remains = await database.write(_forget, now=now(), is_shared=is_shared)
    else:
        remains = await database.read(rekey.remains)
    return Renewal(renewed=renewed, checks=seen, remains=remains, forgotten=forget_old and not remains.needed)


def _forget(tx: Transaction, *, now: datetime, is_shared: bool) -> rekey.Remains:
    # In one transaction: an instance that was started meanwhile may have made something with an older key.
    if is_shared and (living := instances.living(tx)):
        raise DatabaseInUse(alone.told(living))
    return rekey.forget(tx, now=now)

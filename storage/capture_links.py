"""Capture links (table `capture_links`): found by a keyed print of their token, one open for each check.

The token itself is sealed until its message is delivered, and nowhere from then on. Of what a device calls itself only
the SHA-256 is kept: a random text of the page's, which nobody can guess. What happens to a link is written into the
audit trail with its row, so that no caller can forget it.
"""

import hashlib
from datetime import datetime

from bot.domain.capture.links import CaptureLink, LinkEnding
from bot.domain.check.check import CUSTOMER
from bot.domain.reporting.durations import LinkTimes
from storage import audit, blind_index
from storage.engine.database import Transaction, any_moment, load, moment_or_none, to_text

_ONE = "ref = :ref AND number = :number"
_IS_OPEN = f"{_ONE} AND ended_at IS NULL"
MOST_EXAMINED = 1_000
"""So many checks have their whole record examined before their links are counted."""
_AT_ONCE = 100
"""Links that one tick looks at; the next one finds the others."""


def add(
    tx: Transaction,
    ref: str,
    token: str,
    *,
    by: str,
    expires_at: datetime,
    remind_at: datetime | None,
    now: datetime,
) -> CaptureLink:
    """A new link of the check's round. Raises ConstraintFailed while another one of it is open."""
    number = tx.value("SELECT COUNT(*) FROM capture_links WHERE ref = :ref", ref=ref) + 1
    row = f"{ref}:{number}"
    token_print, token_sha256_sealed = blind_index.make(tx.sealer, blind_index.LINK, _sha256(token), row=row)
    sql = """
        INSERT INTO capture_links (
            ref, number, round, made_by, made_at, expires_at, remind_at, token_print, token_sha256_sealed, token_sealed)
        SELECT ref, :number, round, :by, :now, :expires_at, :remind_at, :token_print, :token_sha256_sealed,
            :token_sealed
        FROM verifications WHERE ref = :ref
        """
    tx.run(
        sql,
        ref=ref,
        number=number,
        by=by,
        now=now,
        expires_at=expires_at,
        remind_at=remind_at,
        token_print=token_print,
        token_sha256_sealed=token_sha256_sealed,
        token_sealed=tx.sealer.seal(token, place=_place(ref, number)),
    )
    audit.record(tx, at=now, actor=by, act="link.made", ref=ref, detail=str(number))
    return get(tx, ref, number)


def get(tx: Transaction, ref: str, number: int) -> CaptureLink:
    return load(CaptureLink, tx.one(f"SELECT * FROM capture_links WHERE {_ONE}", ref=ref, number=number))


def of_check(tx: Transaction, ref: str) -> list[CaptureLink]:
    """Of all rounds, oldest first."""
    rows = tx.rows("SELECT * FROM capture_links WHERE ref = :ref ORDER BY number", ref=ref)
    return [load(CaptureLink, row) for row in rows]


def latest(tx: Transaction, ref: str) -> CaptureLink | None:
    """The last one of the check's own round, open or not."""
    sql = """
        SELECT l.* FROM capture_links l JOIN verifications v ON v.ref = l.ref AND v.round = l.round
        WHERE l.ref = :ref ORDER BY l.number DESC LIMIT 1
        """
    row = tx.row(sql, ref=ref)
    return load(CaptureLink, row) if row is not None else None


def open_one(tx: Transaction, ref: str) -> CaptureLink | None:
    """The check's link that has not ended."""
    row = tx.row("SELECT * FROM capture_links WHERE ref = :ref AND ended_at IS NULL", ref=ref)
    return load(CaptureLink, row) if row is not None else None


def by_token(tx: Transaction, token: str) -> CaptureLink | None:
    """The link with this token, open or not; the caller asks whether the check's record is as the bot wrote it."""
    for print_ in tx.sealer.fingerprints(_sha256(token), purpose=blind_index.LINK.purpose):
        row = tx.row("SELECT * FROM capture_links WHERE token_print = :print", print=print_)
        if row is not None:
            return load(CaptureLink, row)
    return None


def is_device(link: CaptureLink, device: str) -> bool:
    """Whether it is the newest device that opened the link."""
    return link.device_sha256 == _sha256(device)


def of_period(
    tx: Transaction, since: datetime, until: datetime, *, country: str | None = None, id_type: str | None = None
) -> list[LinkTimes]:
    """What became of the links made from `since` up to, not including, `until`; of checks whose record is whole.

    Of more than `MOST_EXAMINED` only those are left out that have proved altered before.
    """
    narrowed = {"country": country, "id_type": id_type}
    only = "".join(f" AND v.{name} = :{name}" for name, value in narrowed.items() if value)
    sql = f"""
        SELECT l.ref, l.made_at, l.opened_at, CASE WHEN l.ending = 'used' THEN l.ended_at END AS used_at
        FROM capture_links l CROSS JOIN verifications v ON v.ref = l.ref{only}
        WHERE l.made_at >= :since AND l.made_at < :until
        """
    rows = tx.rows(sql, since=since, until=until, **{name: value for name, value in narrowed.items() if value})
    refs = {row["ref"] for row in rows}
    left_out = tx.altered(refs) if len(refs) <= MOST_EXAMINED else tx.altered_so_far()
    return [
        LinkTimes(any_moment(row["made_at"]), moment_or_none(row["opened_at"]), moment_or_none(row["used_at"]))
        for row in rows
        if row["ref"] not in left_out
    ]


# The message with the link


def name(link: CaptureLink) -> str:
    """Names this link and no other, in the ids of its posts.

    The number alone does not: after a restore it is given once more, and Slack would be found to have the message with
    the link of that number which the backup does not know.
    """
    return f"{link.ref}:{link.number}:{to_text(link.made_at)}"


def token_of(tx: Transaction, ref: str, number: int) -> str | None:
    """For the message that brings the link; None once it is delivered or given up, and of a link that has ended."""
    sealed = tx.value(f"SELECT token_sealed FROM capture_links WHERE {_IS_OPEN}", ref=ref, number=number)
    return tx.sealer.open(sealed, place=_place(ref, number)) if sealed is not None else None


def told(tx: Transaction, ref: str, number: int, *, now: datetime) -> bool:
    """Its message is delivered, or nobody knows: the token is forgotten. False for a repeat."""
    of, where = {"ref": ref, "number": number}, f"{_ONE} AND token_sealed IS NOT NULL"
    if not tx.update("capture_links", where, of, token_sealed=None, told_at=now):
        return False
    audit.record(tx, at=now, actor=audit.BOT, act="link.told", ref=ref, detail=str(number))
    return True


# The customer


def opened(tx: Transaction, link: CaptureLink, device: str, *, now: datetime) -> bool:
    """Opened on another device than before, which alone counts from now on. False for the same one.

    False, too, once it has ended or the photos are taken. Whoever opens it on another device is asked for their consent
    again: it may be somebody else.
    """
    sql = f"""
        UPDATE capture_links SET opened_at = COALESCE(opened_at, :now), device_sha256 = :device,
            agreed_at = NULL, notice = NULL, language = NULL
        WHERE {_IS_OPEN} AND taken_at IS NULL AND (device_sha256 <> :device OR device_sha256 IS NULL)
        """
    changed = tx.change(sql, ref=link.ref, number=link.number, device=_sha256(device), now=now)
    if changed:
        _note(tx, link, "link.opened", now=now)
    return changed


def agreed(tx: Transaction, link: CaptureLink, *, notice: str, language: str, now: datetime) -> bool:
    """The customer has agreed on the newest device. False for a repeat."""
    of = {"ref": link.ref, "number": link.number}
    where = f"{_IS_OPEN} AND agreed_at IS NULL AND device_sha256 IS NOT NULL"
    changed = tx.update("capture_links", where, of, agreed_at=now, notice=notice, language=language)
    if changed:
        _note(tx, link, "consent.given", f"{notice}:{language}", now=now)
    return changed


def tried(tx: Transaction, link: CaptureLink) -> int:
    """Photos were handed in once more; how often by now."""
    tx.run(f"UPDATE capture_links SET tries = tries + 1 WHERE {_ONE}", ref=link.ref, number=link.number)
    return get(tx, link.ref, link.number).tries


def taken(tx: Transaction, link: CaptureLink, *, now: datetime) -> bool:
    """Its photos are about to be sent. False where it has ended, or nobody has agreed, or photos are taken already."""
    where = f"{_IS_OPEN} AND agreed_at IS NOT NULL AND taken_at IS NULL"
    changed = tx.update("capture_links", where, {"ref": link.ref, "number": link.number}, taken_at=now)
    if changed:
        _note(tx, link, "link.taken", now=now)
    return changed


def given_back(tx: Transaction, ref: str, *, until: datetime, now: datetime) -> bool:
    """Smile ID does not have its photos: the customer takes them again, and the link lives at least until then."""
    link = open_one(tx, ref)
    sql = f"""
        UPDATE capture_links SET taken_at = NULL,
            expires_at = CASE WHEN expires_at > :until THEN expires_at ELSE :until END
        WHERE {_IS_OPEN} AND taken_at IS NOT NULL
        """
    if link is None or not tx.change(sql, ref=ref, number=link.number, until=until):
        return False
    _note(tx, link, "link.given_back", actor=audit.BOT, now=now)
    return True


# Links that come with others, in one file


def of_file(
    tx: Transaction, batch_id: str, *, until: datetime | None = None, waiting: bool = False, most: int | None = None
) -> list[CaptureLink]:
    """Open links of a file's rows that have no message of their own, in the order of the file.

    `until`: made by then. `waiting`: of rows that wait for the photos.
    """
    also = "AND v.state = 'awaiting_photos'" if waiting else ""
    asked = {name: value for name, value in (("until", until), ("most", most)) if value is not None}
    sql = f"""
        SELECT l.* FROM verifications v CROSS JOIN capture_links l ON l.ref = v.ref AND l.ended_at IS NULL
        WHERE v.batch = :batch {also} {"AND l.made_at <= :until" if "until" in asked else ""}
          AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.id = 'link:' || l.ref || ':' || l.number || ':' || l.made_at)
        ORDER BY v.batch_row {"LIMIT :most" if "most" in asked else ""}
        """
    rows = tx.rows(sql, batch=batch_id, **asked)
    return [load(CaptureLink, row) for row in rows]


def untold_of_files(tx: Transaction, *, now: datetime) -> list[tuple[str, CaptureLink]]:
    """The same of every file whose rows are checks by now, as far as their tokens are sealed still."""
    sql = """
        SELECT v.batch, l.* FROM capture_links l
        CROSS JOIN verifications v ON v.ref = l.ref AND v.state = 'awaiting_photos'
        CROSS JOIN batches b ON b.id = v.batch AND b.state <> 'confirmed'
        WHERE l.ended_at IS NULL AND l.expires_at > :now AND l.token_sealed IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.id = 'link:' || l.ref || ':' || l.number || ':' || l.made_at)
        """
    return [(row["batch"], load(CaptureLink, row)) for row in tx.rows(sql, now=now)]


# Its end


def end(tx: Transaction, ref: str, ending: LinkEnding, *, by: str, now: datetime) -> CaptureLink | None:
    """End the check's open link; None if there is none. Whatever of its token was sealed is gone."""
    link = open_one(tx, ref)
    if link is None:
        return None
    over = {"ended_at": now, "ending": ending, "token_sealed": None, "remind_at": None}
    tx.update("capture_links", _IS_OPEN, {"ref": ref, "number": link.number}, **over)
    _note(tx, link, "link.ended", ending.value, actor=by, now=now)
    return get(tx, ref, link.number)


def expired(tx: Transaction, *, now: datetime) -> list[str]:
    """Checks whose open link is over its time, while they wait for the photos; the longest over first."""
    return _waiting(tx, "expires_at", now=now)


def to_remind(tx: Transaction, *, now: datetime) -> list[str]:
    """Checks of whose open link somebody is to be reminded, while they wait for the photos."""
    return _waiting(tx, "remind_at", now=now)


def unasked_since_restore(tx: Transaction) -> list[str]:
    """Checks of before the backup that was put back, whose photos Smile ID may have had since, unknown to us.

    Those that wait for them, and about whose attempt it was not asked yet.
    """
    sql = """
        SELECT l.ref FROM meta m CROSS JOIN capture_links l
        CROSS JOIN verifications v ON v.ref = l.ref AND v.state = 'awaiting_photos' AND v.asked_at <= m.value
        WHERE m.name = 'restored' AND l.ended_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM attempts a WHERE a.ref = l.ref AND a.round = v.round AND a.in_doubt_since IS NULL)
        ORDER BY l.expires_at LIMIT :most
        """
    return tx.column(sql, most=_AT_ONCE)


def _waiting(tx: Transaction, column: str, *, now: datetime) -> list[str]:
    # CROSS JOIN: by the open links whose time has come, which are few, and never by all checks of a state.
    sql = f"""
        SELECT l.ref FROM capture_links l CROSS JOIN verifications v ON v.ref = l.ref AND v.state = 'awaiting_photos'
        WHERE l.ended_at IS NULL AND l.{column} <= :now ORDER BY l.{column} LIMIT :most
        """
    return tx.column(sql, now=now, most=_AT_ONCE)


def reminded(tx: Transaction, ref: str, *, now: datetime) -> CaptureLink | None:
    """Take the reminder of the check's open link; None where there is none to be sent (any more)."""
    link = open_one(tx, ref)
    if link is None or link.remind_at is None or link.remind_at > now:
        return None
    tx.update("capture_links", _IS_OPEN, {"ref": ref, "number": link.number}, remind_at=None)
    return link


def reminder_made(tx: Transaction, link: CaptureLink, *, now: datetime) -> None:
    """Note that who made it is reminded; of a link that never came, they are not."""
    _note(tx, link, "link.reminded", actor=audit.BOT, now=now)


def _note(
    tx: Transaction, link: CaptureLink, act: str, detail: str = "", *, actor: str = CUSTOMER, now: datetime
) -> None:
    audit.record(tx, at=now, actor=actor, act=act, ref=link.ref, detail=detail or str(link.number))


def _place(ref: str, number: int) -> str:
    return f"capture_links.token:{ref}:{number}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

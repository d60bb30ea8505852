"""What is found of one check in the demo, before its customer is erased and after, and what became of it in words.

Pure: it compares what `stored` has read and what the stand-in of Slack shows.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.sandbox.desk.stored import Removal, Rows, Values
from bot.sandbox.slack import SlackSandbox, reading
from bot.sandbox.slack.world import JSON

ERASED = "Erased on"
"""How a message of the bot begins whose customer is erased."""
_LINK = re.compile(r" \(https?://[^)]*\)")
LONGEST = 160
"""Characters of a message that are shown."""
_TABLES: Mapping[str, str] = {
    "verifications": "The check",
    "photos": "Its photos",
    "attempts": "What was sent to Smile ID",
    "receipts": "Smile ID's messages",
    "posts": "Messages that were posted",
    "reviews": "Reviews",
    "decisions": "Decisions",
    "review_notes": "Reviewers' notes",
    "review_requests": "Requests for a review",
    "facts": "Figures",
    "holds": "Holds",
    "check_macs": "The seal of its record",
    "trail_people": "What leads from the trail to the person",
    "slack_removals": "What is to be erased in Slack",
}
_COLUMNS: Mapping[str, str] = {
    "applicant_sealed": "what was entered",
    "number_print": "the print of the ID number",
    "reference_print": "the print of the customer reference",
    "upload_sealed": "the address of the upload",
    "words_sealed": "what people wrote",
    "body_sealed": "the message itself",
    "body_print": "its print",
    "body_sha256_sealed": "its checksum",
    "photos_erased_at": "when the photos were erased",
    "personal_erased_at": "when the customer was erased",
    "mac": "the seal",
    "version": "its number",
}
_ASKED = "only {author} can delete that, and the bot asks for it by direct message within five minutes"
_FOR_ITS_AUTHOR = ("no_user_token", "user_token_refused", "user_token_cannot_see", "still_written", "cant_delete_file")
_WHY: Mapping[str, str] = {
    **dict.fromkeys(_FOR_ITS_AUTHOR, _ASKED),
    "shared": "another check was asked for with the same file",
}
_WHAT: Mapping[str, tuple[str, str]] = {
    "message": ("message of the bot", "messages of the bot"),
    "upload": ("file of the bot", "files of the bot"),
    "file": ("photo or file of {author}", "photos or files of {author}"),
    "written": ("message that {author} wrote", "messages that {author} wrote"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that something became of."""

    title: str
    verdict: str
    """In one line."""
    lines: Sequence[tuple[str, str]] = ()
    """What each is about, and what became of it."""
    literal: str = ""
    """As a command printed it, or as it stands in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Everything that is found of a check at one moment."""

    rows: Rows = field(repr=False)
    messages: Mapping[tuple[str, str], str] = field(repr=False)
    """The words of each message about it, by channel and ts; empty where it was deleted."""
    homes: Mapping[str, str] = field(repr=False)
    """What the Home tab of a person says of it, by user id."""


def find(slack: SlackSandbox, ref: str, rows: Rows, *, mask: Callable[[str], str]) -> Traces:
    """What stands in Slack of a check of which these rows are known, in words that hold nothing personal any more."""
    places = [(row["channel"], row["ts"]) for row in rows.get("posts", {}).values() if row["ts"] and row["channel"]]
    homes = {user: _said_of(slack, slack.person(user).home, ref) for user in list(slack.users)}
    return Traces(
        rows=rows,
        messages={(str(channel), str(ts)): mask(_words(slack, str(channel), str(ts))) for channel, ts in places},
        homes={user: mask(said) for user, said in homes.items() if said},
    )


def _words(slack: SlackSandbox, channel: str, ts: str) -> str:
    post = slack.channels[channel].find(ts) if channel in slack.channels else None
    return "" if post is None or post.deleted else slack.plain(post)


def _said_of(slack: SlackSandbox, home: JSON | None, ref: str) -> str:
    blocks = [reading.plain([block], names=slack.world.names) for block in (home or {}).get("blocks", ())]
    # Where a link leads says nothing to a reader.
    return "\n".join(_LINK.sub("", words) for words in blocks if ref in words)


# What became of it


def thread(before: Traces, after: Traces, slack: SlackSandbox) -> Part:
    """The messages of the bot about the check, in each channel."""
    now = {place: after.messages.get(place, "") for place in before.messages}
    erased = sum(said.startswith(ERASED) or not said for said in now.values())
    lines: list[tuple[str, str]] = []
    for number, ((channel, ts), said) in enumerate(before.messages.items(), start=1):
        where = slack.channels[channel]
        at = f"Message {number}, {'a direct message' if where.is_im else f'in #{where.name}'}"
        lines += [(at, f"now: {_cut(now[channel, ts]) or 'deleted'}"), (at, f"before: {_cut(said)}")]
    count = len(now)
    return Part(
        title="Thread",
        verdict=f"{erased} of {count} {'message says' if count == 1 else 'messages say'} “{ERASED} …”",
        lines=lines,
    )


def homes(before: Traces, after: Traces, names: Mapping[str, str]) -> Part:
    """The Home tabs on which the check stood."""
    lines: list[tuple[str, str]] = []
    for user, said in before.homes.items():
        tab, now = f"{names.get(user, user)}'s tab", after.homes.get(user, "")
        lines += [(tab, f"now: {_new_in(now, said)}"), (tab, f"before: {_new_in(said, now)}")]
    changed = sum(after.homes.get(user, "") != said for user, said in before.homes.items())
    count = len(before.homes)
    verdict = f"{changed} of {count} {'tab' if count == 1 else 'tabs'} drawn anew"
    return Part(title="Home", verdict=verdict if count else "it stood on no Home tab", lines=lines)


def rows(before: Traces, after: Traces) -> Part:
    """The rows of the database, table by table: which are gone, and which columns are empty now."""
    names = [name for name in {**before.rows, **after.rows} if before.rows.get(name) or after.rows.get(name)]
    lines = [_table(name, before.rows.get(name, {}), after.rows.get(name, {})) for name in names]
    gone = sum(len(_gone(before.rows[name], after.rows.get(name, {}))) for name in before.rows)
    empty = sum(len(columns) for columns in (_emptied(before.rows[n], after.rows.get(n, {})) for n in before.rows))
    verdict = f"{_many(gone, 'row is', 'rows are')} gone, {_many(empty, 'column is', 'columns are')} empty"
    return Part(title="Rows in the database", verdict=verdict, lines=lines)


_Keyed = Mapping[tuple[object, ...], Values]


def _table(name: str, before: _Keyed, after: _Keyed) -> tuple[str, str]:
    gone, new = _gone(before, after), len(after) - len(before.keys() & after.keys())
    said = [
        *([f"{_many(len(gone), 'row is', 'rows are')} gone"] if gone else []),
        *([f"{_many(new, 'new row', 'new rows')}"] if new else []),
        *_inside(before, after),
    ]
    kept = len(before) - len(gone)
    said = said or [f"{_many(kept, 'row stays', 'rows stay')} as before"]
    return f"{_TABLES.get(name, name.replace('_', ' '))} ({name})", "; ".join(said)


def _inside(before: _Keyed, after: _Keyed) -> Iterator[str]:
    """What changed within the rows that stayed."""
    emptied = _emptied(before, after)
    filled: list[str] = []
    changed: list[str] = []
    for key in before.keys() & after.keys():
        for column, value in after[key].items():
            was = before[key].get(column)
            if value == was or _is_empty(value):
                continue
            (filled if _is_empty(was) else changed).append(column)
    if emptied:
        yield f"empty now: {_named(emptied)}"
    if filled:
        yield f"filled now: {_named(filled)}"
    if changed:
        yield f"made anew from what is left: {_named(changed)}"


def _gone(before: _Keyed, after: _Keyed) -> list[tuple[object, ...]]:
    return [key for key in before if key not in after]


def _emptied(before: _Keyed, after: _Keyed) -> list[str]:
    columns = [
        column
        for key in before.keys() & after.keys()
        for column, was in before[key].items()
        if not _is_empty(was) and _is_empty(after[key].get(column))
    ]
    return list(dict.fromkeys(columns))


def _is_empty(value: object) -> bool:
    return value is None or value == ""


def _named(columns: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(_COLUMNS.get(column, column.replace("_", " ")) for column in columns))


def in_slack(removals: Sequence[Removal], names: Mapping[str, str]) -> Part:
    """What the bot had to erase in Slack: what is gone, and what stays and why."""
    found = [one for one in removals if one.what in _WHAT]
    lines: list[tuple[str, str]] = []
    for one in dict.fromkeys(found):
        count, author = found.count(one), names.get(one.author, one.author) or "somebody"
        what = _WHAT[one.what][count != 1].format(author=author)
        lines.append((f"{count} {what}", _fate(one, author)))
    stay = [one.what for one in found if one.state != "done"]
    files = sum(what in ("file", "upload") for what in stay)
    parts = [_many(files, "photo or file", "photos or files"), _many(len(stay) - files, "message", "messages")]
    stays = " and ".join(part for part in parts if not part.startswith("0 "))
    verdict = f"{stays} {'stays' if len(stay) == 1 else 'stay'}" if stay else "nothing stays"
    return Part(title="Messages and files in Slack", verdict=verdict, lines=lines)


def _fate(one: Removal, author: str) -> str:
    if one.state == "done":
        return "rewritten" if one.what == "message" else "deleted"
    if one.state != "left":
        return "not yet looked at"
    return f"still there: {_WHY.get(one.why, one.why.replace('_', ' ')).format(author=author)}"


def _new_in(words: str, other: str) -> str:
    """The lines that do not stand in the other as well."""
    return _cut("\n".join(line for line in words.splitlines() if line not in other.splitlines())) or "the same"


def _cut(words: str) -> str:
    line = " · ".join(words.splitlines())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"

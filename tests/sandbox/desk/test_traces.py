"""What became of everything, in words: from what was read before and after."""

from bot.sandbox.desk import traces
from bot.sandbox.desk.stored import Removal, Values
from bot.sandbox.desk.traces import Traces
from tests.sandbox.slack_setup import AMINA

NAMES = {AMINA: "amina"}


def found(**tables: dict[int, Values]) -> Traces:
    rows: dict[str, dict[tuple[object, ...], Values]] = {
        name: {(key,): values for key, values in table.items()} for name, table in tables.items()
    }
    return Traces(rows=rows, messages={}, homes={})


def test_rows_that_are_gone_columns_that_are_empty_and_what_stays_are_told_table_by_table() -> None:
    before = found(
        verifications={1: {"ref": "K-1", "applicant_sealed": b"abc", "number_print": "5e", "personal_erased_at": None}},
        photos={1: {"ref": "K-1"}, 2: {"ref": "K-1"}},
        receipts={1: {"body_sealed": b"a long body"}},
        facts={1: {"ref": "K-1"}},
        slack_removals={},
        holds={},
    )
    after = found(
        verifications={1: {"ref": "K-1", "applicant_sealed": None, "number_print": "", "personal_erased_at": "now"}},
        photos={},
        receipts={1: {"body_sealed": b"a body"}},
        facts={1: {"ref": "K-1"}},
        slack_removals={1: {"ref": "K-1"}},
        holds={},
    )
    part = traces.rows(before, after)
    assert part.verdict == "2 rows are gone, 2 columns are empty"
    check = "empty now: what was entered, the print of the ID number; filled now: when the customer was erased"
    assert part.lines == [
        ("The check (verifications)", check),
        ("Its photos (photos)", "2 rows are gone"),
        ("Smile ID's messages (receipts)", "made anew from what is left: the message itself"),
        ("Figures (facts)", "1 row stays as before"),
        ("What is to be erased in Slack (slack_removals)", "1 new row"),
    ]


def test_a_table_and_a_column_that_nobody_has_words_for_go_by_their_names() -> None:
    part = traces.rows(found(later={1: {"some_words": "a"}}), found(later={1: {"some_words": None}}))
    assert part.lines == [("later (later)", "empty now: some words")]


def test_what_slack_did_not_let_the_bot_erase_is_told_with_what_happens_next() -> None:
    def of(what: str, state: str, why: str = "", author: str = "") -> Removal:
        return Removal(what=what, state=state, why=why, author=author)

    part = traces.in_slack(
        [
            of("thread", "done"),
            of("message", "done"),
            of("message", "done"),
            of("file", "left", "no_user_token", AMINA),
            of("file", "left", "no_user_token", AMINA),
            of("written", "done", "message_not_found", AMINA),
            of("file", "left", "file_not_found", "U0GONE00001"),
            of("upload", "due"),
        ],
        NAMES,
    )
    assert part.verdict == "4 photos or files stay"
    asked = "only amina can delete that, and the bot asks for it by direct message within five minutes"
    assert part.lines == [
        ("2 messages of the bot", "rewritten"),
        ("2 photos or files of amina", f"still there: {asked}"),
        ("1 message that amina wrote", "deleted"),
        ("1 photo or file of U0GONE00001", "still there: file not found"),
        ("1 file of the bot", "not yet looked at"),
    ]
    assert traces.in_slack([of("message", "done")], NAMES).verdict == "nothing stays"


def test_a_home_tab_that_still_says_the_same_is_not_counted_as_drawn_anew() -> None:
    before = Traces(rows={}, messages={}, homes={AMINA: "K-1\nBVN ending 000", "U2": "K-1"})
    after = Traces(rows={}, messages={}, homes={AMINA: "K-1\nBVN", "U2": "K-1"})
    part = traces.homes(before, after, NAMES)
    assert part.verdict == "1 of 2 tabs drawn anew"
    assert part.lines == [
        ("amina's tab", "now: BVN"),
        ("amina's tab", "before: BVN ending 000"),
        ("U2's tab", "now: the same"),
        ("U2's tab", "before: the same"),
    ]
    assert traces.homes(found(), found(), NAMES).verdict == "it stood on no Home tab"

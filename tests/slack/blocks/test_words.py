"""What the thread says: verdict, why, what to do; it never claims a notification that was not sent."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from bot.domain.check.check import Check
from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import CheckLinks, Message, PostKind
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory
from bot.domain.review.review import Decision, Proposal, ReviewDecision
from bot.sandbox.slack import plain
from bot.slack.blocks import (
    command_help,
    private,
    results,
    review,
    review_calls,
    thread,
    words,
)
from bot.slack.blocks.command_help import HelpPart
from bot.slack.blocks.results import NotifiedParties, ResultFacts
from bot.slack.blocks.status import status_name
from bot.slack.blocks.text import when
from tests.slack.blocks.samples import (
    ADMINS_TOLD,
    ALL_ACTIONS,
    AMINA,
    ASKED_AT,
    CHECK,
    CODES,
    NOBODY_TOLD,
    REF,
    REMI,
    REVIEWERS_TOLD,
    a_review,
    bvn,
    listing,
    private_messages,
    read,
    review_messages,
    thread_messages,
)

NAMES = {AMINA: "amina", REMI: "remi"}
AT = ASKED_AT + timedelta(seconds=9)
REVIEWER = "A reviewer has been told."
ADMINS = "Nothing to do for you. The admins have been told."
WAIT = "Wait: the final result comes here."


def test_a_moment_is_told_in_utc_to_the_minute_where_slack_cannot_say_it() -> None:
    assert when(datetime(2026, 3, 9, 8, 5, 59, 999999, UTC)) == (
        "<!date^1773043559^{date_short_pretty} at {time}|2026-03-09 08:05 UTC>"
    )


def shown(said: Message) -> str:
    return plain(said.blocks, names=NAMES)


def lines(said: Message) -> list[str]:
    return shown(said).splitlines()


def post(kind: PostKind, check: Check, reading: ResultMeaning, notified: NotifiedParties, **more: Any) -> Message:
    """A post about a message of Smile ID."""
    facts = {"entry": bvn(), "at": AT, **more}
    return results.BY_KIND[kind](ResultFacts(check=check, reading=reading, notified=notified, **facts))


def result(reading: ResultMeaning, notified: NotifiedParties = NOBODY_TOLD, *, confirmed: bool = True) -> Message:
    return post(PostKind.RESULT if confirmed else PostKind.RESULT_UNCONFIRMED, CHECK, reading, notified)


def progress(reading: ResultMeaning, notified: NotifiedParties = NOBODY_TOLD) -> Message:
    return post(PostKind.NOT_FINAL, CHECK, reading, notified)


def final(code: str, text: str = "", notified: NotifiedParties = NOBODY_TOLD) -> Callable[[], Message]:
    return lambda: result(read(code, text=text), notified)


def unverified(code: str) -> ResultMeaning:
    return read(code, actions={**ALL_ACTIONS, "Verify_ID_Number": "Not Verified"})


def failed(key: str, notified: NotifiedParties = NOBODY_TOLD, why: str | None = None) -> Callable[[], Message]:
    check = replace(CHECK, state=State.FAILED, failure=key, failure_words=why)
    return lambda: results.failure(check, notified=notified)


ENDINGS: list[tuple[str, Callable[[], Message], str, str]] = [
    ("0810", final("0810"), "Approved — face and ID number verified", "Nothing more to do."),
    ("1210", final("1210"), "Approved — face and ID number verified", "Nothing more to do."),
    *(
        (
            *(code, final(code), "Rejected — the selfie does not match the authority's photo"),
            "Ask the customer for a new selfie, or ask a reviewer.",
        )
        for code in ("0811", "1211")
    ),
    *(
        (
            *(code, final(code, notified=REVIEWERS_TOLD), "Rejected — the selfie does not look like a live person"),
            f"Do not ask for another selfie by chat. {REVIEWER}",
        )
        for code in ("0813", "0907", "1212")
    ),
    (
        *("1013", final("1013"), "Rejected — the authority does not know this ID number"),
        "Check the number with the customer, then Run again.",
    ),
    (
        *("0911", final("0911"), "Rejected — no usable face in the selfie"),
        "Ask for a photo in daylight, face uncovered, looking at the camera, then Send other photos.",
    ),
    (
        *("0912", final("0912"), "Rejected — Smile ID gave no reason"),
        "Open Details, or ask a reviewer.",
    ),
    (
        *("1015", final("1015"), "No result — the authority's register is unavailable"),
        "Nothing was decided about the customer. Run again, now or at a time you choose.",
    ),
    (
        *("1016", final("1016", notified=ADMINS_TOLD), "No result — Smile ID refused our request"),
        f"This ID type is not active for our account. Nothing was decided about the customer. {ADMINS}",
    ),
    (
        *("0001 selfie", final("0001", "Selfie image unusable"), "No result — Smile ID could not use the photos"),
        "Nothing was decided about the customer. Send other photos.",
    ),
    (
        *("0903", final("0903"), "No result — Smile ID could not use the photos"),
        "Nothing was decided about the customer. Send other photos.",
    ),
    (
        "0001 authority",
        final("0001", "ID Authority image not available"),
        "No result — the authority holds no photo of this person",
        "Other photos will not help. Use another ID type, or wait for a reviewer.",
    ),
    (
        *("0001 data", final("0001", "Data Invalid"), "No result — Smile ID could not use what we sent"),
        "Nothing was decided about the customer. Open Details, then Run again.",
    ),
    (
        *("1014", final("1014"), "No result — wrong BVN format"),
        (
            "A BVN has 11 digits, e.g. 00000000000. Smile ID also says this of sandbox test numbers in production. "
            "Correct the number and Run again."
        ),
    ),
    (
        "0899",
        lambda: post(PostKind.UNKNOWN_CODE, CHECK, read("0899", text="No idea"), REVIEWERS_TOLD),
        "Needs review — Smile ID answered with a code we do not know (0899)",
        f"This is not approved. Do not act on it until a reviewer has decided. {REVIEWER}",
    ),
    *(
        (
            f"{code} unverified",
            lambda code=code: post(PostKind.ID_UNVERIFIED, CHECK, unverified(code), REVIEWERS_TOLD),
            "Needs review — selfie accepted, ID number not verified",
            f"This is not approved. Do not act on it until a reviewer has decided. {REVIEWER}",
        )
        for code in ("0810", "1210")
    ),
    (
        "received, not confirmed",
        lambda: post(PostKind.APPROVAL_UNCONFIRMED, CHECK, read("0810"), REVIEWERS_TOLD),
        "Not final: approval received, not yet in Smile ID's own record",
        f"We keep asking Smile ID. Do not act on it. {REVIEWER}",
    ),
    (
        "second final",
        lambda: post(PostKind.SECOND_FINAL, CHECK, read("0810"), REVIEWERS_TOLD, first=Outcome.REJECTED),
        "Needs review — Smile ID sent another final result: first Rejected, now Approved",
        f"Both are kept. Act on neither. {REVIEWER}",
    ),
    (
        "contradiction",
        lambda: post(
            PostKind.CONTRADICTION,
            CHECK,
            replace(read("0810"), outcome=Outcome.FAILED),
            REVIEWERS_TOLD,
            first=Outcome.APPROVED,
        ),
        "Needs review — the result we received and Smile ID's own record differ",
        f"We received Approved, Smile ID's record says No result. Both are kept. Act on neither. {REVIEWER}",
    ),
    (
        "after seven days",
        lambda: results.overdue(CHECK, notified=REVIEWERS_TOLD),
        "Still waiting after 7 days",
        (
            "We ask Smile ID once a day. Ask somebody with access to Smile ID's portal to look for this job "
            f"there. If it has no result there either, a reviewer can end the check without one. {REVIEWER}"
        ),
    ),
    (
        *("photo", failed("photo", why="The file is damaged."), "No result — a photo could not be sent"),
        ("Nothing was sent to Smile ID and nothing was charged. The file is damaged. Send other photos."),
    ),
    (
        *("input", failed("input", why="The name is missing."), "No result — Smile ID refused the input"),
        "Nothing was decided about the customer. The name is missing. Correct it and Run again.",
    ),
    (
        *("refused", failed("refused", ADMINS_TOLD), "No result — Smile ID refused our request"),
        f"Nothing was decided about the customer. {ADMINS}",
    ),
    (
        *("Smile ID away", failed("smile_id_away", ADMINS_TOLD), "No result — Smile ID could not be reached"),
        (
            "We tried for about an hour. Smile ID did not take the check; nothing was decided. "
            "Run again later. The admins have been told."
        ),
    ),
    (
        *("Slack away", failed("slack_away"), "No result — the photos could not be fetched from Slack"),
        "We tried for about an hour. Nothing was sent to Smile ID and nothing was charged. Run again later.",
    ),
    (
        *("fault", failed("fault"), "No result — a fault of ours stopped this check"),
        "Nothing was sent to Smile ID and nothing was charged. Run again later.",
    ),
    (
        *("unsettled", failed("unsettled"), "No result — unclear whether Smile ID has this check"),
        (
            "The connection broke while sending, and Smile ID has given no clear answer since. Before you Run again, "
            "have somebody look for this job in Smile ID's portal. If a result still arrives, it comes here."
        ),
    ),
    (
        *("unanswered", failed("unanswered"), "No result — Smile ID never answered"),
        (
            "The customer is neither approved nor rejected. Run again sends the photos once more, which may be charged "
            "again. If a result still arrives, a reviewer is asked to look at it."
        ),
    ),
    (
        *("of a newer version", failed("moon_phase"), "No result — Smile ID refused our request"),
        "Nothing was decided about the customer. Please tell an admin of kyc-bot.",
    ),
]

PROGRESS: list[tuple[str, Callable[[], Message], str, str]] = [
    *(
        (
            *(
                code,
                lambda code=code: progress(read(code)),
                "Not final: provisionally approved, in human review at Smile ID",
            ),
            f"People at Smile ID decide. Do not act on it yet. {WAIT}",
        )
        for code in ("0812", "0814", "0816", "0817")
    ),
    *(
        (
            code,
            lambda code=code: progress(CODES.read(code=code, text="Pending Enroll - Possible Spoof"), REVIEWERS_TOLD),
            "Not final: suspected spoof, in human review at Smile ID",
            f"Smile ID is checking that this is a live photo. {WAIT} {REVIEWER}",
        )
        for code in ("0814", "0816")
    ),
    *(
        (
            *(code, lambda code=code: progress(read(code)), "Not final: inconclusive, in human review at Smile ID"),
            f"The selfie and the authority's photo may or may not be the same person. {WAIT}",
        )
        for code in ("0815", "1213")
    ),
    (
        "final code, not final",
        lambda: progress(CODES.read(code="0810", actions=ALL_ACTIONS, said_final=False)),
        *("Not final: Smile ID says that this result may still change", WAIT),
    ),
    (
        "5211",
        lambda: post(PostKind.SUSPECTS, CHECK, read("5211"), REVIEWERS_TOLD),
        "Smile ID reports other accounts with this face",
        f"This is not a verdict on this check. Do not onboard the customer until a reviewer has decided. {REVIEWER}",
    ),
]


@pytest.mark.parametrize(("build", "title", "after"), [pytest.param(*row[1:], id=row[0]) for row in ENDINGS])
def test_an_ending_mentions_the_requester_once_and_says_what_to_do(
    build: Callable[[], Message], title: str, after: str
) -> None:
    said = build()

    assert lines(said)[:2] == [f"@amina {title} · {REF}", after]
    assert str(said.blocks).count(f"<@{AMINA}>") == 1
    assert said.text.startswith(title.partition(" — ")[0])
    assert said.text.count(f"<@{AMINA}>") == said.text.count("<@") == 1


@pytest.mark.parametrize(("build", "title", "after"), [pytest.param(*row[1:], id=row[0]) for row in PROGRESS])
def test_progress_mentions_nobody_and_says_that_it_is_not_final(
    build: Callable[[], Message], title: str, after: str
) -> None:
    said = build()

    assert lines(said)[:2] == [f"{title} · {REF}", after]
    assert said.text.startswith(f"{title} · {REF}. ")
    assert "<@" not in said.text + str(said.blocks)


@pytest.mark.parametrize("build", [row[1] for row in ENDINGS + PROGRESS])
def test_only_the_verdict_is_bold(build: Callable[[], Message]) -> None:
    title = build().blocks[0]["text"]["text"].removeprefix(f"<@{AMINA}> ")
    bold = title[1 : title.index("*", 1)]

    assert title.startswith("*")
    assert title.count("*") == 2
    assert " — " not in bold


@pytest.mark.parametrize("build", [row[1] for row in ENDINGS + PROGRESS])
def test_no_text_shouts_or_shows_the_braces_of_its_template(build: Callable[[], Message]) -> None:
    said = build()

    assert "!" not in shown(said)
    assert not set("{}") & set(said.text + shown(said))


def test_who_ended_a_check_that_smile_id_never_answered_is_named_and_an_admin_who_asked_as_such() -> None:
    check = replace(CHECK, state=State.FAILED, failure="unanswered")
    by_reviewer = shown(results.failure(check, notified=NOBODY_TOLD, by=REMI))
    by_admin = shown(results.failure(check, notified=NOBODY_TOLD, by=AMINA, is_override=True))

    ended = "ended this check: Smile ID has given no result for it in 7 days or more."
    assert f"@remi {ended} The customer is neither approved nor rejected." in by_reviewer
    assert f"@amina {ended} @amina asked for this check too, and ended it as an admin. The customer" in by_admin


def test_every_story_is_covered_here() -> None:
    notified = {row[0].split()[0] for row in ENDINGS + PROGRESS}

    assert {code.code for code in CODES} - {"1012", "5210", "5212"} <= notified
    ours = {"photo", "input", "refused", "smile_id_away", "slack_away", "fault", "unsettled", "unanswered"}
    assert set(words.FAILURES) == ours
    assert set(words.STORIES) == set(ResultStory)


def test_an_approval_says_by_whom_how_fast_and_that_it_is_confirmed() -> None:
    by_machine, by_person = shown(result(read("0810", text="Enroll User"))), shown(result(read("1210")))

    assert "by the machine · took 9 s · confirmed with Smile ID" in by_machine
    assert "Smile ID: 0810 “Enroll User” · confidence 99" in by_machine
    assert "by a person at Smile ID" in by_person
    for line in ("✓ ID number: verified", "✓ Face match with ID photo: matched", "✓ Liveness: passed"):
        assert line in by_machine.splitlines()


def test_an_id_that_was_not_found_names_neither_a_machine_nor_a_person() -> None:
    said = shown(result(read("1013", actions={"Verify_ID_Number": "Not Verified"})))

    assert "✗ ID number: not found" in said
    assert "by the machine" not in said
    assert "by a person" not in said


def test_compared_faces_get_no_check_mark_in_a_rejection() -> None:
    assert "• Face match with ID photo: compared" in shown(result(read("0811")))


@pytest.mark.parametrize("code", ["0811", "1013", "1015", "0001"])
def test_an_unconfirmed_result_says_so_in_its_title(code: str) -> None:
    said = result(read(code), confirmed=False)

    assert "(not yet confirmed)" in lines(said)[0]
    assert "not yet confirmed by Smile ID's own record" in shown(said)
    assert "confirmed with Smile ID" not in shown(said)


@pytest.mark.parametrize("code", ["0810", "1210"])
def test_an_unconfirmed_approval_is_never_reported_as_one(code: str) -> None:
    said = result(read(code), confirmed=False)

    assert lines(said)[0].startswith("@amina Not final: approval received")
    assert "Approved" not in shown(said)


def test_an_approval_that_is_confirmed_later_mentions_nobody() -> None:
    said = results.approval_since_confirmed(CHECK)

    assert said.text.startswith(f"Approval confirmed by Smile ID · {REF}. Act on the result below.")
    assert "<@" not in said.text


@pytest.mark.parametrize("state", [State.APPROVED, State.REJECTED])
def test_an_unknown_code_after_the_result_does_not_deny_the_result(state: State) -> None:
    check = replace(CHECK, state=state, verdict="0810")
    said = shown(post(PostKind.UNKNOWN_CODE, check, read("0899"), REVIEWERS_TOLD))

    assert "not approved" not in said
    assert f"The result told before, {state.value.capitalize()}, stands until somebody has looked." in said


def test_an_outcome_that_a_corrected_table_dropped_still_has_a_name() -> None:
    said = shown(post(PostKind.SECOND_FINAL, CHECK, read("0899"), NOBODY_TOLD, first=Outcome.REJECTED))

    assert "first Rejected, now another result" in said


# Told is said only when it is true


CALLING: list[Callable[[Check, NotifiedParties], Message]] = [
    lambda check, notified: post(PostKind.RESULT, check, read("0907"), notified),
    lambda check, notified: post(PostKind.NOT_FINAL, check, read("0816", text="Possible Spoof"), notified),
    lambda check, notified: post(PostKind.UNKNOWN_CODE, check, read("0899"), notified),
    lambda check, notified: post(PostKind.ID_UNVERIFIED, check, unverified("0810"), notified),
    lambda check, notified: post(PostKind.APPROVAL_UNCONFIRMED, check, read("0810"), notified),
    lambda check, notified: post(PostKind.CONTRADICTION, check, read("0811"), notified, first=Outcome.APPROVED),
    lambda check, notified: post(PostKind.SECOND_FINAL, check, read("0811"), notified, first=Outcome.APPROVED),
    lambda check, notified: post(PostKind.SUSPECTS, check, read("5211"), notified),
    lambda check, notified: results.overdue(check, notified=notified),
]


@pytest.mark.parametrize("build", CALLING)
def test_reviewers_were_notified_are_mentioned_or_do_not_exist(
    build: Callable[[Check, NotifiedParties], Message],
) -> None:
    notified, called, nobody = (
        shown(build(CHECK, t)) for t in (REVIEWERS_TOLD, NotifiedParties(reviewer_mentions=f"<@{REMI}>"), NOBODY_TOLD)
    )

    assert REVIEWER in notified
    assert "@remi" not in notified
    assert "@remi please look at this." in called
    assert "has been told" not in called + nobody
    assert "A person must look at this; no reviewers are set up here." in nobody


@pytest.mark.parametrize("build", CALLING)
def test_a_requester_is_not_mentioned_again_as_their_own_reviewer(
    build: Callable[[Check, NotifiedParties], Message],
) -> None:
    alone = build(CHECK, NotifiedParties(reviewer_mentions=f"<@{AMINA}>"))
    among = build(CHECK, NotifiedParties(reviewer_mentions=f"<@{AMINA}> <@{REMI}>"))

    assert str(alone.blocks).count(f"<@{AMINA}>") <= 1
    assert "there is none here besides the one who asked" in shown(alone)
    assert str(among.blocks).count(f"<@{AMINA}>") <= 1
    assert "@remi please look at this." in shown(among)


@pytest.mark.parametrize("build", [final("0811"), final("1015"), failed("photo"), failed("slack_away")])
def test_a_message_that_calls_nobody_claims_no_notification(build: Callable[[], Message]) -> None:
    assert "told" not in shown(build())


@pytest.mark.parametrize("build", [final("1016"), failed("refused")])
def test_a_fault_for_admins_asks_to_report_it_if_none_knows(build: Callable[[], Message]) -> None:
    assert "Please tell an admin of kyc-bot." in shown(build())
    assert "nothing to do for you" not in shown(build())


# Actions


def actions_table() -> list[tuple[str, str, str]]:
    rows = csv.DictReader(io.StringIO((files("bot") / "data" / "actions.csv").read_text("utf-8")))
    return [(row["action"], row["value"], row["value_meaning"]) for row in rows]


def one_action(action: str, value: str, outcome: Outcome = Outcome.REJECTED) -> list[str]:
    return results.checklist(
        ResultMeaning(code="0811", text="", outcome=outcome, why=ResultStory.FACES_DIFFER, actions={action: value}),
        liveness_images=8,
    )


@pytest.mark.parametrize(("action", "value"), [row[:2] for row in actions_table()])
def test_every_action_and_value_of_smile_id_is_a_readable_line_or_left_out(action: str, value: str) -> None:
    found = one_action(action, value)

    if value == "Not Applicable":
        assert found == []
        return
    (line,) = found
    mark, _, rest = line.partition(" ")
    name, _, meaning = rest.partition(": ")
    assert mark in "✓✗…•"
    assert name
    assert "_" not in line
    assert meaning
    assert meaning == meaning.lower()


@pytest.mark.parametrize(
    ("action", "value", "line"),
    [
        ("Verify_ID_Number", "Verified", "✓ ID number: verified"),
        ("Verify_ID_Number", "Not Verified", "✗ ID number: not verified"),
        ("Verify_ID_Number", "Issuer Unavailable", "✗ ID number: authority unavailable"),
        ("Liveness_Check", "Failed", "✗ Liveness: failed"),
        ("Liveness_Check", "Under Review", "… Liveness: in human review"),
        ("Human_Review_Compare", "Under Review", "… Human review of the faces: in human review"),
        ("Human_Review_Compare", "Unable To Determine", "• Human review of the faces: not decided"),
        ("Register_Selfie", "Rejected", "✗ Enrolment: rejected"),
        ("Register_Selfie", "Provisionally Approved", "… Enrolment: provisionally passed"),
        ("Return_Personal_Info", "Not Returned", "• Authority's data: none returned"),
        (
            *("Selfie_To_ID_Authority_Compare", "ID Authority Photo Not Available"),
            "✗ Face match with ID photo: authority has no photo",
        ),
        ("A_New_Action", "A New Value", "• A_New_Action: A New Value"),
        ("Liveness_Check", "Maybe", "• Liveness: Maybe"),
    ],
)
def test_an_action_reads_like_plain_english(action: str, value: str, line: str) -> None:
    assert one_action(action, value) == [line]


ALL_FAILED = {
    **dict.fromkeys((action for action, _, _ in actions_table()), "Failed"),
    "Verify_ID_Number": "Not Verified",
    "Return_Personal_Info": "Not Returned",
    "Register_Selfie": "Rejected",
}
"""What Smile ID may send of a job that it never began, as well as of one that went wrong everywhere."""
FACES = "Face match with ID photo"


def lines_after(code: str, text: str = "", **changed: str) -> list[str]:
    return results.checklist(read(code, text=text, actions={**ALL_FAILED, **changed}), liveness_images=8)


def test_an_id_number_is_not_found_only_where_the_code_says_so() -> None:
    claims = {
        row.code for row in CODES for text in row.texts or ("",) if "not found" in str(lines_after(row.code, text))
    }

    assert claims == {"1013"}
    assert "✗ ID number: not found" in lines_after("1013")


@pytest.mark.parametrize("code", ["1014", "1015", "1016"])
@pytest.mark.parametrize("value", ["Not Verified", "Failed", "Verified"])
def test_a_number_that_nobody_looked_up_is_told_as_such(code: str, value: str) -> None:
    lines = lines_after(code, Verify_ID_Number=value)

    assert "• ID number: not looked up" in lines
    assert "• Authority's data: not looked up" in lines
    assert f"• {FACES}: not compared" in lines
    assert "• Human review of the faces: not done" in lines


def test_an_authority_that_is_away_is_named_as_the_cause() -> None:
    assert "✗ ID number: authority unavailable" in lines_after("1015", Verify_ID_Number="Issuer Unavailable")


@pytest.mark.parametrize(
    ("code", "text"),
    [("0911", ""), ("0001", "Selfie image unusable"), ("0001", "ID Card image unusable")],
)
def test_without_a_usable_photo_no_faces_were_compared(code: str, text: str) -> None:
    lines = lines_after(code, text)

    assert f"• {FACES}: not compared" in lines
    assert "• Liveness: not checked" in lines
    assert "✗ ID number: not verified" in lines


@pytest.mark.parametrize("values", [ALL_FAILED, ALL_ACTIONS])
def test_of_a_zip_that_could_not_be_opened_nothing_was_looked_at(values: Mapping[str, str]) -> None:
    lines = lines_after("0903", "Zip Corrupt", **values)

    assert {"• ID number: not looked up", "• Authority's data: not looked up"} < set(lines)
    assert {"• Selfie: not looked at", "• Selfie quality: not checked"} < set(lines)
    assert {f"• {FACES}: not compared", "• Liveness: not checked"} < set(lines)


def test_that_a_selfie_was_sent_is_no_judgement_of_it() -> None:
    assert "✓ Selfie: received" in results.checklist(read("0810"), liveness_images=8)


def test_without_a_photo_of_the_authoritys_no_faces_were_compared() -> None:
    text, value = "ID Authority image not available", "ID Authority Photo Not Available"

    assert f"• {FACES}: not compared" in lines_after("0001", text)
    told = lines_after("0001", text, Selfie_To_ID_Authority_Compare=value)
    assert f"✗ {FACES}: authority has no photo" in told


@pytest.mark.parametrize("code", ["0811", "0813", "0907", "0912", "1211", "1212"])
def test_a_rejection_about_the_face_tells_each_thing_that_failed(code: str) -> None:
    lines = lines_after(code)

    assert f"✗ {FACES}: failed" in lines
    assert "✗ Liveness: failed" in lines
    assert "✗ ID number: not verified" in lines


def test_only_good_values_get_a_check_mark() -> None:
    good = {value for action, value, _ in actions_table() if "✓" in "".join(one_action(action, value))}

    assert good == {"Passed", "Verified", "Returned", "Approved"}


def test_empty_actions_and_hundreds_of_actions_are_harmless() -> None:
    assert one_action("Liveness_Check", "") == []
    many = ResultMeaning(
        code="0811",
        text="",
        outcome=Outcome.REJECTED,
        why=ResultStory.FACES_DIFFER,
        actions={f"A{n}": "x" for n in range(500)},
    )
    assert results.checklist(many, liveness_images=8)[-1] == "and 460 more"


# The message of a request


def request(check: Check, **more: timedelta) -> list[str]:
    return lines(thread.request_message(check, bvn(), **more))  # type: ignore[arg-type]


def test_the_request_carries_reference_progress_and_the_last_digits() -> None:
    assert request(CHECK) == [
        f"Waiting for Smile ID · {REF}",
        "Next: Wait: the result comes by itself, in the thread.",
        (
            "Biometric KYC · Nigeria · BVN ending 000 · step 3 of 4: sent to Smile ID · "
            "asked by @amina Nov 22, 2026 at 14:02"
        ),
        "[Details]",
    ]


@pytest.mark.parametrize(
    ("check", "status", "steps"),
    [
        (
            replace(CHECK, state=State.REQUESTED, photos_checked_at=None, sent_at=None),
            *("Received", "step 1 of 4: received"),
        ),
        (
            replace(CHECK, state=State.SUBMITTING, sent_at=None),
            *("Sending to Smile ID", "step 2 of 4: photos checked"),
        ),
        (
            replace(CHECK, state=State.APPROVED, verdict="0810"),
            *("Approved — face and ID number verified", ""),
        ),
        (
            replace(CHECK, state=State.FAILED, photos_checked_at=None, sent_at=None),
            *("No result", ""),
        ),
        (
            replace(CHECK, state=State.CANCELLED, sent_at=None),
            *("Cancelled — before it was sent", ""),
        ),
        (
            replace(CHECK, state=State.IN_REVIEW, reason=ReviewReason.SMILE_ID),
            "Not final: in human review at Smile ID",
            "step 3 of 4: sent to Smile ID",
        ),
    ],
)
def test_progress_ends_where_the_check_ended(check: Check, status: str, steps: str) -> None:
    head, _next, about, *_ = request(check)

    assert head == f"{status} · {REF}"
    assert [part for part in about.split(" · ") if part.startswith("step ")] == ([steps] if steps else [])


@pytest.mark.parametrize(
    ("waiting", "how_often"),
    [
        (timedelta(minutes=6), "6 min, we ask Smile ID again every few minutes"),
        (timedelta(hours=30), "30 h, we ask Smile ID again every hour"),
        (timedelta(days=9), "9 days, we ask Smile ID again once a day"),
    ],
)
def test_a_long_wait_says_how_often_smile_id_is_polled(waiting: timedelta, how_often: str) -> None:
    assert request(CHECK, waiting=waiting)[:2] == [
        f"Waiting for Smile ID · {REF}",
        f"Next: Still waiting: {how_often}.",
    ]


@pytest.mark.parametrize(("tries", "notified"), [(0, False), (1, False), (2, True)])
def test_retries_are_mentioned_from_the_second_attempt_on(tries: int, notified: bool) -> None:
    next_step = request(replace(CHECK, state=State.SUBMITTING, sent_at=None, tries=tries))[1]

    assert next_step.endswith("it takes longer than usual, and we keep trying.") is notified


def test_an_unconfirmed_result_says_so_in_the_request_too() -> None:
    check = replace(CHECK, state=State.REJECTED, verdict="0811")
    said = thread.request_message(check, bvn(), unconfirmed=True)

    assert lines(said)[0].startswith("Rejected (not yet confirmed)")


@pytest.mark.parametrize("reason", list(ReviewReason))
def test_polling_is_promised_only_where_it_happens(reason: ReviewReason) -> None:
    check = replace(CHECK, state=State.IN_REVIEW, reason=reason)
    promised = "we ask Smile ID again" in request(check, waiting=timedelta(minutes=6))[1]

    assert promised is (reason in {ReviewReason.SMILE_ID, ReviewReason.UNCONFIRMED})


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("reason", list(ReviewReason))
def test_every_state_has_a_name_that_approves_only_what_is_approved(state: State, reason: ReviewReason) -> None:
    check = replace(CHECK, state=state, reason=reason if state is State.IN_REVIEW else None)

    assert status_name(check).startswith("Approved") is (state is State.APPROVED)


def test_personal_data_stays_out_of_every_message() -> None:
    check = replace(
        CHECK,
        id_info={"id_number": "22212345678", "first_name": "Adaeze", "last_name": "Okonkwo", "dob": "1990-01-02"},
        customer_reference="SECRET-REFERENCE",
    )
    for reading in map(read, ("0810", "0811", "0814", "0899", "1014")):
        built = thread_messages(check, bvn(), reading, REVIEWERS_TOLD, "x") | private_messages(check, bvn(), "x")
        built |= review_messages(check, bvn(), reading, "x")
        for name, build in built.items():
            said = build()
            everything = said.text + str(said.blocks)
            for secret in ("5678", "2221", "Adaeze", "Okonkwo", "1990-01-02", "SECRET"):
                assert secret not in everything, name


# Others


TOLD_OF_SMILE_ID = (
    PostKind.NOT_FINAL,
    PostKind.RESULT,
    PostKind.RESULT_UNCONFIRMED,
    PostKind.APPROVAL_UNCONFIRMED,
    PostKind.CONFIRMED,
    PostKind.UNKNOWN_CODE,
    PostKind.ID_UNVERIFIED,
    PostKind.CONTRADICTION,
    PostKind.SECOND_FINAL,
    PostKind.SUSPECTS,
)
"""The posts that report a message of Smile ID."""


@pytest.mark.parametrize("tell", [*(kind.value for kind in TOLD_OF_SMILE_ID), "overdue", ""])
def test_a_reviewers_line_has_a_title_without_gaps(tell: str) -> None:
    for why in (*ResultStory, None):
        title = words.notice_title(tell, why)

        assert title, why
        assert not set("{}") & set(title)
        assert title == title.strip()
        assert not title.endswith((":", " of", "("))


def test_a_card_links_to_the_thread() -> None:
    link = "https://acme.slack.com/archives/C0KYC/p1"
    said = review.card(CHECK, bvn(), a_review(), round_=1, title="Needs review", link=link, reading=None)

    assert shown(said).startswith(f"Needs review · Nigeria · BVN ending 000 · {REF} ({link})")


def test_an_alert_says_what_is_wrong_and_where_to_look() -> None:
    said = private.alert("smile_id:2205", {"ref": REF, "words": "Smile ID refuses our requests."})

    assert lines(said)[0] == "kyc-bot needs an admin: Smile ID refuses our requests."
    assert REF in lines(said)[1]
    assert "kyc-bot check" in lines(said)[1]


def test_a_redirected_message_names_its_check() -> None:
    said = private.directly(result(read("0810")), CHECK)

    assert lines(said)[0].startswith("@amina Approved")
    assert lines(said)[-1] == f"Sent here because I can't post in the thread of {REF}."


def test_the_details_of_an_empty_and_of_a_forgotten_check_say_so() -> None:
    forgotten = private.details(replace(CHECK, id_info={}), bvn(), [], photo_links={})

    assert "ID number no longer held" in plain(forgotten)
    assert "No result from Smile ID yet." in plain(forgotten)
    assert "No links to the photos from Smile ID now." in plain(forgotten)
    assert "ID number too short to show" in plain(
        private.details(replace(CHECK, id_info={"id_number": "12"}), bvn(), [], photo_links=None)
    )


def test_a_list_gives_each_status_and_an_empty_one_says_how_to_start() -> None:
    one = shown(listing([CHECK], bvn()))

    assert one.startswith(
        f"Checks: All of mine, newest first\nWaiting for Smile ID · {REF}\nNext: Wait: the result comes by itself, "
        "in the thread.\nNigeria · BVN ending 000 · asked "
    )
    assert "/kyc opens the form" in shown(listing([], bvn()))
    assert "No check here: Rejected." in shown(listing([], bvn(), "rejected"))


def test_help_names_every_word_it_knows_and_shows_an_unknown_one_back() -> None:
    said = shown(command_help.message(set(HelpPart), unknown="chekc"))

    assert said.startswith("I don't know “chekc”.")
    for word in ("/kyc check", "/kyc status", "/kyc list", "/kyc help"):
        assert word in said


@pytest.mark.parametrize(
    ("state", "reason", "verdict", "against"),
    [
        (State.REJECTED, None, Outcome.REJECTED, "against Smile ID's verdict"),
        (State.FAILED, None, None, "without a result from Smile ID"),
        (State.IN_REVIEW, ReviewReason.ID_UNVERIFIED, None, "without a clear result from Smile ID"),
        (State.IN_REVIEW, ReviewReason.UNCONFIRMED, None, "without a clear result from Smile ID"),
        (State.IN_REVIEW, ReviewReason.CONTRADICTION, None, "without a clear result from Smile ID"),
    ],
)
def test_a_decision_is_against_a_verdict_only_where_there_is_one(
    state: State, reason: ReviewReason | None, verdict: Outcome | None, against: str
) -> None:
    check = replace(CHECK, state=state, reason=reason, verdict_outcome=verdict)
    proposal = Proposal(decision=Decision.APPROVED, reason="other", by=REMI, at=check.asked_at, is_override=False)
    asked = a_review(claimed_by=REMI, proposal=proposal)
    card = review.card(check, None, asked, round_=1, title="Needs review", link=None, reading=None)
    call = review_calls.second_person_request(check, None, proposal, whom="", links=CheckLinks())
    agreed = ReviewDecision(
        number=1,
        decision=Decision.APPROVED,
        reason="other",
        by=REMI,
        confirmed_by=AMINA,
        is_override=False,
        at=check.asked_at,
    )
    assert f"It would stand {against}: a second reviewer must agree." in shown(card)
    assert f"proposes Approved {against}" in shown(call)
    assert f"agreed, since a decision {against} takes two." in shown(thread.decided(check, agreed, with_comment=False))

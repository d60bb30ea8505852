"""Every documented error code ends as the right error. The table below is written from the documentation."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bot.errors import (
    Fault,
    SmileIDError,
    SmileIDRefused,
    SmileIDUnavailable,
    SmileIDUncertain,
    SmileIDUntrusted,
)
from bot.slack.blocks.refusals import SENTENCES
from bot.smile_id.refusals import REFUSALS, UNEXPLAINED
from bot.smile_id.wire import JobStatus
from tests.smile_id.loopback import client_of, loopback, reply, request_of

pytestmark = pytest.mark.anyio

# code: who must act; None is Smile ID, and the call may be repeated
DOCUMENTED = {
    "2201": None,
    "2301": None,
    "2401": None,
    "2203": Fault.OPERATOR,
    "2204": Fault.OPERATOR,
    "2205": Fault.OPERATOR,
    "2207": Fault.OPERATOR,
    "2208": Fault.USER_ID,
    "2209": Fault.USER_ID,
    "2210": Fault.OPERATOR,
    "2211": Fault.OPERATOR,
    "2212": Fault.OPERATOR,
    "2213": Fault.OPERATOR,
    "2214": Fault.OPERATOR,
    "2215": Fault.JOB_ID,
    "2216": Fault.OPERATOR,
    "2220": Fault.OPERATOR,
    "2221": Fault.OPERATOR,
    "2405": Fault.OPERATOR,
    "2413": Fault.OPERATOR,
    "2414": Fault.OPERATOR,
}
JOB = request_of(id_info={"id_number": "12345678901"})


async def refused_upload(status: int, body: object) -> SmileIDError:
    async with loopback(reply(status, body)) as server, client_of(server.origin) as smile:
        with pytest.raises(SmileIDError) as caught:
            await smile.prepare(JOB)
    return caught.value


async def status_error(status: int, body: object) -> SmileIDError:
    async with loopback(reply(status, body)) as server, client_of(server.origin) as smile:
        with pytest.raises(SmileIDError) as caught:
            await smile.job_status(user_id="user-9a2", job_id="job-7c1")
    return caught.value


async def status_answer(status: int, body: object) -> JobStatus | None:
    async with loopback(reply(status, body)) as server, client_of(server.origin) as smile:
        return await smile.job_status(user_id="user-9a2", job_id="job-7c1")


def test_the_table_knows_every_documented_error_code_and_no_other() -> None:
    table = Path(__file__).parents[2] / "bot" / "data" / "result-codes.csv"
    with table.open(encoding="utf-8", newline="") as file:
        listed = {
            row["code"]
            for row in csv.DictReader(file)
            if row["job_types"] in {"submission", "status"} and row["category"] == "error"
        }
    assert DOCUMENTED.keys() | {"2314"} == listed
    assert REFUSALS.keys() == DOCUMENTED.keys()


@pytest.mark.parametrize("words", [SENTENCES[meaning.why] for meaning in (*REFUSALS.values(), UNEXPLAINED)])
def test_words_are_whole_calm_sentences(words: str) -> None:
    assert words.endswith(".")
    assert "!" not in words
    assert words[0].isupper()


@pytest.mark.parametrize("number", [False, True], ids=["as text", "as a number"])
@pytest.mark.parametrize("status", [400, 200], ids=["http 400", "http 200"])
@pytest.mark.parametrize(("code", "fault"), DOCUMENTED.items())
async def test_a_documented_code_on_upload(
    code: str,
    fault: Fault | None,
    status: int,
    number: bool,
) -> None:
    error = await refused_upload(status, {"error": "12345678901 is bad", "code": int(code) if number else code})
    if fault is None:
        assert isinstance(error, SmileIDUnavailable)
    else:
        assert isinstance(error, SmileIDRefused)
        assert (error.fault, error.status, error.why) == (fault, status, REFUSALS[code].why)
    assert error.code == code
    assert "12345678901" not in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", [], {"error": "x"}, {"code": "9999"}, {"code": {}}, b"\xff\xfe"]
)
async def test_an_undocumented_refusal_is_the_operators(status: int, body: object) -> None:
    error = await refused_upload(status, body)
    assert isinstance(error, SmileIDRefused)
    assert (error.fault, error.status, error.why) == (Fault.OPERATOR, status, UNEXPLAINED.why)
    assert error.code == ("9999" if body == {"code": "9999"} else None)


async def test_a_redirect_is_not_followed_but_refused() -> None:
    moved = reply(307, b"", location="http://127.0.0.1:1/v1/upload")
    async with loopback(moved) as server, client_of(server.origin) as smile:
        with pytest.raises(SmileIDRefused) as caught:
            await smile.prepare(JOB)
        assert len(server.requests) == 1
    assert (caught.value.status, caught.value.fault) == (307, Fault.OPERATOR)


async def test_an_unknown_code_with_status_200_leaves_the_job_in_doubt() -> None:
    body = {"code": "2299", "upload_url": "https://s3.example/x", "smile_job_id": "0000000583"}
    assert isinstance(await refused_upload(200, body), SmileIDUncertain)


@pytest.mark.parametrize("code", ["2205", "2405", "2220"])
@pytest.mark.parametrize("status", [400, 200])
async def test_a_status_call_that_we_may_not_make_is_refused(code: str, status: int) -> None:
    error = await status_error(status, {"error": "You are not authorized to do that", "code": code})
    assert isinstance(error, SmileIDRefused)
    assert (error.code, error.fault) == (code, Fault.OPERATOR)


@pytest.mark.parametrize("code", ["2201", "2301", "2401"])
@pytest.mark.parametrize("status", [400, 200, 500])
async def test_a_system_error_of_a_status_call_may_be_repeated(code: str, status: int) -> None:
    error = await status_error(status, {"error": "System Error", "code": code})
    assert isinstance(error, SmileIDUnavailable)
    assert error.code == code


@pytest.mark.parametrize("word", ["authorized", "Authorisation failed"])
async def test_2204_is_about_us_when_its_text_speaks_of_authorisation(word: str) -> None:
    error = await status_error(400, {"error": word, "code": "2204"})
    assert isinstance(error, SmileIDRefused)
    assert error.code == "2204"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "Job not found", "code": "2213"}),
        (400, {"error": "A parameter is of the wrong data type", "code": "2204"}),
        (404, {"error": "no such job"}),
        (400, {"error": "no such job", "code": 9999}),
    ],
)
async def test_a_job_that_smile_id_does_not_know_is_an_answer(status: int, body: dict[str, object]) -> None:
    assert await status_answer(status, body) is None


async def test_no_zip_told_by_an_error_is_not_an_unknown_job() -> None:
    told = await status_answer(400, {"error": "No Zip File Received", "code": "2314"})
    assert told is not None
    assert told.no_zip


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": "x"}),
        (403, {"message": "Forbidden"}),
        (404, b"<html>wrong host</html>"),
        (400, b""),
        (302, {}),
    ],
)
async def test_an_answer_that_is_not_about_the_job_is_no_unknown_job(status: int, body: object) -> None:
    assert isinstance(await status_error(status, body), SmileIDRefused)


async def test_another_error_code_with_status_200_and_no_signature_is_not_trusted() -> None:
    assert isinstance(await status_error(200, {"error": "x", "code": "2213"}), SmileIDUntrusted)

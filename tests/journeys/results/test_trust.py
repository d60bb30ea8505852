"""Whose word counts: what reaches the callback address, what is believed of it, and what people are told."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

import handlers
from bot.runtime.health import Degraded
from bot.runtime.server import connections_of, listen, serve_asgi
from bot.sandbox.slack.faults import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from storage import receipts
from tests import engines
from tests.journeys.smile import (
    EARLY,
    Message,
    askings,
    call_back,
    fates,
    message,
    pass_time,
    post,
    put_on_record,
    rows,
    signed,
    silence,
    waiting,
    written,
)
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

THROUGH_THE_WAIT = (0, 2, 5, 15, 60, 40)
"""Confirmations at once and after 2, 5, 15 and 60 s, then the two minutes of KYC_CONFIRM_WAIT are over."""
UNCONFIRMED = "Not final: approval received, not yet in Smile ID's own record"
APPROVED = "Approved — face and ID number verified"
REJECTED = "Rejected — the selfie does not match the authority's photo"


async def nothing_happened(world: Journey, ref: str) -> None:
    await world.work()
    assert (await world.check(ref)).state == "processing"
    assert world.thread() == []
    assert world.notices() == []


# What is answered


# One world for all: each leaves the check as it was.
UNSIGNED: Mapping[str, Callable[[Message], Message]] = {
    "wrong signature": lambda body: {**body, "signature": "bm8="},
    "other case": lambda body: {**body, "signature": body["signature"].swapcase()},
    "signature null": lambda body: {**body, "signature": None},
    "signature a list": lambda body: {**body, "signature": ["x"]},
    "signature half a surrogate pair": lambda body: {**body, "signature": "\ud800"},
    "timestamp half a surrogate pair": lambda body: {**body, "timestamp": "\ud800"},
    "no signature": lambda body: {k: v for k, v in body.items() if k != "signature"},
    "no timestamp": lambda body: {k: v for k, v in body.items() if k != "timestamp"},
    "timestamp true": lambda body: {**body, "timestamp": True},
    "timestamp cut": lambda body: {**body, "timestamp": body["timestamp"][:-1]},
}


async def test_a_callback_that_smile_id_did_not_sign_is_refused(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        for number, (name, spoil) in enumerate(UNSIGNED.items(), 1):
            forged = spoil(signed(world, message(world.job(), "0810")))
            assert await post(world, json.dumps(forged)) == 401, name
            await nothing_happened(world, ref)
            assert [fate for _code, fate in await fates(world)] == ["refused"] * number, name


async def test_a_signature_is_fresh_for_a_quarter_of_an_hour_and_five_minutes_ahead(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        body = message(world.job(), "0814")

        async def aged(age: timedelta) -> int:
            return await post(world, json.dumps(signed(world, body, written(world.clock() - age))))

        assert await aged(timedelta(minutes=15, seconds=2)) == 401
        assert await aged(timedelta(minutes=-5, seconds=-5)) == 401
        assert await aged(timedelta(days=-3650)) == 401
        await nothing_happened(world, ref)
        assert await aged(timedelta(minutes=14, seconds=50)) == 200
        assert await aged(timedelta(minutes=-4, seconds=-55)) == 200


async def test_the_age_of_a_signature_is_a_setting(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_CALLBACK_MAX_AGE="30s") as (world, _ref):
        body = message(world.job(), "0814")
        late, soon = (written(world.clock() - timedelta(seconds=age)) for age in (32, 25))
        assert await post(world, json.dumps(signed(world, body, late))) == 401
        assert await post(world, json.dumps(signed(world, body, soon))) == 200


UNREADABLE: Sequence[Callable[[datetime], str]] = (
    lambda _now: "yesterday",
    lambda _now: "",
    lambda now: now.strftime("%Y-%m-%d"),
    lambda now: now.strftime("%Y-%m-%dT%H:%M:%S"),
    lambda now: str(int(now.timestamp())),
    lambda now: f"{int(now.timestamp() * 1000)}.0",
    lambda now: str(int(now.timestamp() * 1000)).translate({48 + n: 0x0660 + n for n in range(10)}),
    lambda _now: "9" * 13,
    lambda _now: "9" * 400,
    lambda _now: "0001-01-01T00:00:00+14:00",
    lambda _now: "9999-12-31T23:59:59-14:00",
)


async def test_a_signed_time_that_cannot_be_read_counts_as_stale(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        for write in UNREADABLE:
            said = write(world.clock())
            body = signed(world, message(world.job(), "0810"), said)
            assert await post(world, json.dumps(body)) == 401, said
            await nothing_happened(world, ref)


@pytest.mark.parametrize("as_number", [False, True], ids=["text", "number"])
async def test_a_time_in_milliseconds_since_1970_is_read(tmp_path: Path, *, as_number: bool) -> None:
    async with waiting(tmp_path) as (world, _ref):
        milliseconds = int(world.clock().timestamp() * 1000)
        body = signed(world, message(world.job(), "0814"), milliseconds if as_number else str(milliseconds))
        assert await post(world, json.dumps(body)) == 200


async def test_a_time_in_another_zone_is_read(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        local = world.clock().astimezone(UTC) + timedelta(hours=1)
        body = signed(world, message(world.job(), "0814"), local.strftime("%Y-%m-%dT%H:%M:%S.%f+01:00"))
        assert await post(world, json.dumps(body)) == 200


async def test_the_pair_in_the_headers_is_looked_at_before_the_one_in_the_body(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        bare = message(world.job(), "0814")
        now, old = written(world.clock()), written(world.clock() - timedelta(hours=1))

        def headers(timestamp: str, signature: str) -> Mapping[str, str]:
            return {"Response-Timestamp": timestamp, "Response-Signature": signature}

        good = headers(now, world.smile_id.sign(now))
        assert await post(world, json.dumps(bare), headers=good) == 200
        assert await post(world, json.dumps(signed(world, bare, old)), headers=good) == 200
        assert await post(world, json.dumps(signed(world, bare)), headers=headers(now, "bm8=")) == 200
        assert await post(world, json.dumps(bare), headers=headers(now, "bm8=")) == 401
        assert await post(world, json.dumps(bare), headers=headers(old, world.smile_id.sign(old))) == 401
        # Half a pair here and half there make no pair.
        half = {"Response-Timestamp": now}
        assert await post(world, json.dumps({**bare, "signature": world.smile_id.sign(now)}), headers=half) == 401


NO_TOKENS = ("0" * 64, "x", "é" * 64, "0" * 63 + "%00", "..%2F" * 3, "0" * 5000, "%F0%9F%98%80")


async def test_an_unknown_token_is_not_found_and_nothing_is_stored(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        for token in NO_TOKENS:
            url = f"{world.job().callback_url.rsplit('/', 1)[0]}/{token}"
            body = json.dumps(signed(world, message(world.job(), "0810")))
            assert await post(world, body, url=url) == 404, token
            assert await rows(world, "receipts") == 0
            await nothing_happened(world, ref)


async def test_a_stranger_is_turned_away_before_the_body_is_read(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        address = urlsplit(world.job().callback_url)
        async with await anyio.connect_tcp(address.hostname or "", address.port or 0) as line:
            head = f"POST /smile-id/callback/{'0' * 64} HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 4000000\r\n\r\n"
            await line.send(head.encode())
            with anyio.fail_after(GIVE_UP_SECONDS):
                assert (await line.receive()).startswith(b"HTTP/1.1 404")


async def test_a_message_about_one_job_is_refused_at_the_address_of_another(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, first):
        one = world.job()
        second = await world.ask(id_number="11111111110")
        await world.work()
        body = signed(world, message(one, "0811"))
        assert await post(world, json.dumps(body), url=world.job().callback_url) == 409
        await world.work()
        for ref in (first, second):
            assert (await world.check(ref)).state == "processing"


OF_ANOTHER_JOB: Sequence[Message] = (
    {"SmileJobID": "0000000001"},
    {"SmileJobID": 1},
    {"PartnerParams": {}},
    {"PartnerParams": "job"},
    {"PartnerParams": {"job_id": "another"}},
)


async def test_a_message_that_names_another_job_is_refused(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        for other in OF_ANOTHER_JOB:
            body = signed(world, {**message(world.job(), "0810"), **other})
            assert await post(world, json.dumps(body)) == 409, other
            await nothing_happened(world, ref)


def _twice(text: str) -> str:
    return text.replace('"ResultCode":', '"ResultCode": "0811", "ResultCode":', 1)


def _nested(depth: int, text: str) -> str:
    return text.replace('"SAIA"', "[" * depth + "]" * depth)


NO_OBJECT: Mapping[str, Callable[[str], str | bytes]] = {
    "cut short": lambda text: text[:-1],
    "empty": lambda _text: "",
    "a list": lambda text: f"[{text}]",
    "a number": lambda _text: "0810",
    "null": lambda _text: "null",
    "not UTF-8": lambda text: text.encode().replace(b"SAIA", b"\xff\xfe"),
    "a name twice": _twice,
    "NaN": lambda text: text.replace('"SAIA"', "NaN"),
    "infinity": lambda text: text.replace('"SAIA"', "-Infinity"),
    "an endless number": lambda text: text.replace('"SAIA"', "1" * 5000),
    # A parser may take what a writer cannot write again: the limit must be ours.
    **{f"{depth} levels": partial(_nested, depth) for depth in (70, 900, 960, 980, 1000, 100_000)},
    "970 objects": lambda text: text.replace('"SAIA"', '{"a":' * 970 + "1" + "}" * 970),
}


async def test_a_body_that_is_not_a_json_object_is_a_bad_request(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        for number, (name, spoil) in enumerate(NO_OBJECT.items(), 1):
            text = json.dumps(signed(world, message(world.job(), "0810")))
            assert await post(world, spoil(text)) == 400, name
            await nothing_happened(world, ref)
            assert [fate for _code, fate in await fates(world)] == ["refused"] * number, name


async def test_a_body_beyond_the_limit_is_refused_whether_announced_or_not(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_CALLBACK_MAX_BYTES="2KiB") as (world, ref):
        text = json.dumps(signed(world, message(world.job(), "0814"))).encode()
        fitting, too_long = text.ljust(2048), text.ljust(2049)

        async def chunks(content: bytes) -> AsyncIterator[bytes]:
            for start in range(0, len(content), 500):
                yield content[start : start + 500]

        assert await post(world, too_long) == 413
        assert await post(world, chunks(too_long)) == 413
        assert await post(world, text.ljust(4_000_000)) == 413
        await nothing_happened(world, ref)
        assert await post(world, fitting) == 200
        assert await post(world, chunks(fitting)) == 200


async def test_only_posting_is_allowed(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        async with httpx.AsyncClient(trust_env=False) as client:
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
                answer = await client.request(method, world.job().callback_url)
                assert answer.status_code == 405, method
        await nothing_happened(world, ref)


async def test_a_slash_at_the_end_of_an_address_is_answered_and_not_redirected(tmp_path: Path) -> None:
    """Portals and proxies add one; what is posted would be lost on the way to another address."""
    async with waiting(tmp_path) as (world, ref):
        address = world.job().callback_url
        root = urlsplit(address)._replace(path="").geturl()
        body = json.dumps(signed(world, message(world.job(), "0815")))
        assert await post(world, body, url=f"{address}/") == 200
        assert await post(world, body, url=f"{root}/smile-id/callback//") == 404
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{root}/healthz/")).text == "alive"
            assert (await client.get(f"{root}/healthz//")).status_code == 404
        assert [code for code, _fate in await fates(world)] == ["0815"]
        assert (await world.check(ref)).state == "in_review"


async def test_a_signed_message_without_a_result_code_is_taken_and_believed_in_nothing(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        bodies: list[Message] = [{}, {"ResultCode": None}, {"ResultCode": "x" * 99}, {"ResultCode": {}}]
        for body in bodies:
            assert await post(world, json.dumps(signed(world, body))) == 200
        await nothing_happened(world, ref)
        assert {code for code, _fate in await fates(world)} == {"not_a_result"}


async def test_odd_text_in_a_message_does_no_harm(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        odd = "\ud800 <!channel> *x* \x00 " + "y" * 5000
        more = {"actions": {odd[:200]: odd, "Register_Selfie": odd}, "ConfidenceValue": odd}
        await call_back(world, "0815", odd, **more)
        await world.work()
        (said,) = world.thread()
        assert said.startswith("Not final: inconclusive, in human review at Smile ID")
        assert not {
            ping for m in world.slack.messages(world.root().channel) for ping in [m.text] if "<!channel>" in ping
        }
        assert (await world.check(ref)).state == "in_review"


# What is kept of it


async def test_what_came_with_a_known_token_is_kept_sealed_and_without_pictures(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        person = {"FullName": "Ada Clearly Invented", "Photo": "portrait" * 10}
        hidden = {"FullData": {"photo": "portrait", "extra": [{"x": "portrait" * 500}, "portrait" * 500, "nin"]}}
        late = written(world.clock() - timedelta(hours=1))
        assert (
            await post(world, json.dumps(signed(world, {**message(world.job(), "0810"), **person, **hidden}, late)))
            == 401
        )
        forged = json.dumps({**message(world.job(), "0810"), **person, "signature": "no", "timestamp": "no"})
        assert await post(world, forged) == 401
        assert await post(world, b"Ada Clearly Invented" + b"portrait" * 100_000) == 400
        assert await post(world, json.dumps(signed(world, {**message(world.job(), "1012"), **person, **hidden}))) == 200

        def bodies(tx: Any) -> list[str]:
            found = tx.rows("SELECT id FROM receipts ORDER BY received_at, id")
            kept = [receipts.find(tx, row["id"]) for row in found]
            return [receipt.body for receipt in kept if receipt is not None]

        stale, unsigned, unreadable, kept = await world.bot.database.read(bodies)
        for body in (stale, kept):
            assert json.loads(body)["FullName"] == "Ada Clearly Invented"
            assert json.loads(body)["FullData"] == {"extra": [{}, "nin"]}
            assert "portrait" not in body
        # Nobody has signed these: what is kept is how long they were, and by what a repeat is known.
        assert [json.loads(body) for body in (unsigned, unreadable)] == [{"bytes": len(forged)}, {"bytes": 800_020}]
        assert b"Invented" not in engines.content(world.path)


async def test_at_most_twenty_refused_messages_are_kept_of_a_job(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        for number in range(25):
            assert await post(world, f"no object, number {number}") == 400
        assert await rows(world, "receipts") == 20

        # Whoever has the address alone leaves room for what Smile ID has signed. Not without a bound: it may be caught.
        late = written(world.clock() - timedelta(hours=1))
        long = {f"field {number}": "x" * 1_900 for number in range(500)}
        for number in range(25):
            body = signed(world, {**message(world.job(), "0810"), "number": number, **(long if number else {})}, late)
            assert await post(world, json.dumps(body)) == 401
        assert await rows(world, "receipts") == 40
        sizes = await world.bot.database.read(
            lambda tx: tx.column("SELECT length(body_sealed) FROM receipts ORDER BY received_at, id")
        )
        assert sum(sizes) < 64 * 1024
        assert max(sizes) > 300
        # And the true result is kept all the same.
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await world.work()
        assert (await world.check(ref)).state == "approved"


@pytest.mark.parametrize(
    ("more", "sent", "kept"),
    [({}, 50, 40), ({f"Field {number}": "x" * 1_900 for number in range(400)}, 4, 2)],
    ids=["many", "large"],
)
async def test_a_flood_under_one_caught_signature_has_an_end_and_hides_no_result(
    tmp_path: Path, more: Message, sent: int, kept: int
) -> None:
    async with waiting(tmp_path) as (world, ref):
        caught = signed(world, message(world.job(), "1012"))
        bodies = [json.dumps({**caught, **more, "ResultText": f"Invented {number}"}) for number in range(sent)]
        for body in bodies:
            assert await post(world, body) == 200
        assert [fate for _code, fate in await fates(world)] == ["information"] * kept
        # A repeat of what is kept is one still, and no attack.
        assert await post(world, bodies[0]) == 200
        figures = (await world.bot.figures()).decode()
        assert f'kyc_callbacks_total{{fate="too_many"}} {float(sent - kept)}' in figures
        assert 'kyc_callbacks_total{fate="repeat"} 1.0' in figures
        put_on_record(world, "0811")
        await call_back(world, "0811")
        assert "more different messages about one job" in world.bot.health.degraded[Degraded.CALLBACKS]
        assert "0811" not in {code for code, _fate in await fates(world)}
        # So it is Smile ID's own record that says it, within a minute.
        await pass_time(world, 60)
        assert (await world.check(ref)).state == "rejected"
        assert REJECTED in world.thread()[-1]


async def test_the_address_of_a_check_is_unknown_two_weeks_after_its_end(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        # As long as it goes on, however long that is, its address is known.
        world.clock.move(days=30)
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await world.settle()
        assert (await world.check(ref)).state == "approved"
        told, kept = world.thread(), await fates(world)
        world.clock.move(days=13, hours=23)
        assert await post(world, json.dumps(signed(world, message(world.job(), "1212")))) == 200
        await world.settle()
        assert (await world.check(ref)).state == "in_review"
        assert len(await fates(world)) > len(kept)
        assert len(world.thread()) > len(told)
    (tmp_path / "another").mkdir()
    async with waiting(tmp_path / "another") as (world, ref):
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await world.settle()
        told, kept = world.thread(), await fates(world)
        world.clock.move(days=14, minutes=1)
        assert await post(world, json.dumps(signed(world, message(world.job(), "1212")))) == 404
        assert await post(world, "anything") == 404
        await world.settle()
        assert ((await world.check(ref)).state, world.thread(), await fates(world)) == ("approved", told, kept)


async def test_a_refused_message_makes_the_bot_ask_smile_id_at_once_but_at_most_once_a_minute(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        await pass_time(world, EARLY, 60)
        early = askings(world)
        for _ in range(3):
            assert await post(world, "nothing") == 400
            await world.work()
        assert askings(world) - early == 1
        # Put off, not forgotten: the minute after the last asking ends, and the record has a result by then.
        put_on_record(world, "0810")
        await pass_time(world, 50)
        assert askings(world) - early == 1
        await pass_time(world, 11)
        assert askings(world) - early == 2
        assert (await world.check(ref)).state == "approved"
        assert await post(world, "something else") == 400
        await pass_time(world, 0, 30, 31, 300)
        assert askings(world) - early == 3
        assert len(world.thread()) == 1


async def test_a_result_whose_signature_was_too_old_arrives_by_asking(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0811")
        late = signed(world, message(world.job(), "0811"), written(world.clock() - timedelta(hours=1)))
        assert await post(world, json.dumps(late)) == 401
        await world.work()
        assert (await world.check(ref)).state == "rejected"
        assert [text for text in world.thread() if REJECTED in text] == world.thread()


# Slow and broken lines


async def test_a_client_that_drips_or_leaves_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        address = urlsplit(world.job().callback_url)
        text = json.dumps(signed(world, message(world.job(), "0811")))
        head = f"POST {address.path} HTTP/1.1\r\nHost: [::1]\r\nContent-Length: {len(text)}\r\n\r\n"
        begun = f"{head}{text[:100]}".encode()
        lines = [await anyio.connect_tcp(address.hostname or "", address.port or 0) for _ in range(50)]
        for line in lines:
            await line.send(begun)
        with anyio.fail_after(GIVE_UP_SECONDS):
            assert await post(world, json.dumps(signed(world, message(world.job(), "0814")))) == 200
        for line in lines:
            await line.aclose()
        await world.work()
        assert [code for code, _fate in await fates(world)] == ["0814"]
        assert (await world.check(ref)).reason == "smile_id"


async def test_a_client_that_leaves_right_after_its_last_byte_has_delivered(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        address = urlsplit(world.job().callback_url)
        text = json.dumps(signed(world, message(world.job(), "0814")))
        async with await anyio.connect_tcp(address.hostname or "", address.port or 0) as line:
            head = f"POST {address.path} HTTP/1.1\r\nHost: [::1]\r\nContent-Length: {len(text)}\r\n\r\n"
            await line.send(f"{head}{text}".encode())
        with anyio.fail_after(GIVE_UP_SECONDS):
            while await fates(world) != [("0814", "counted")]:
                await world.work()


async def test_a_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref), AsyncExitStack() as stack:
        sock = listen("127.0.0.1", 0)
        connections = connections_of(world.bot)
        web = handlers.web(world.bot, None, connections, body_seconds=0.2)
        await stack.enter_async_context(serve_asgi(web, sock, connections))
        async with await anyio.connect_tcp("127.0.0.1", sock.getsockname()[1]) as line:
            path = urlsplit(world.job().callback_url).path
            await line.send(f"POST {path} HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 900\r\n\r\n".encode())
            with anyio.fail_after(GIVE_UP_SECONDS):
                assert (await line.receive()).startswith(b"HTTP/1.1 408")
                with pytest.raises(anyio.EndOfStream):
                    await line.receive()
        await nothing_happened(world, ref)
        assert await rows(world, "receipts") == 0


# What is believed


NOT_THERE_YET: Mapping[str, Callable[[Journey], None]] = {
    "nothing on record": lambda _world: None,
    "in progress": lambda world: put_on_record(world, "0812"),
    "an ID message": lambda world: put_on_record(world, "1012"),
    "an ID message that rejects": lambda world: put_on_record(world, "1013"),
    "the same code without a verified ID": lambda world: put_on_record(world, "0810", actions={}),
    "an approval that is not final": lambda world: put_on_record(world, "0810", IsFinalResult="false"),
    "an approval of another job": lambda world: put_on_record(world, "0810", SmileJobID="0000000001"),
    "a record without a code": lambda world: put_on_record(world, ""),
    "down": lambda world: silence(world, Fault.status(503)),
    "reset": lambda world: silence(world, Fault.reset_before()),
    "half an answer": lambda world: silence(world, Fault.half_answer()),
    "no JSON": lambda world: silence(world, Fault.status(200, "<html>")),
    "a job it does not know": lambda world: silence(world, Fault.status(400, {"error": "no such job", "code": "2213"})),
    "too many requests": lambda world: silence(world, Fault.rate_limited(1)),
    "not authorised": lambda world: silence(world, Fault.status(400, {"error": "not authorized", "code": "2205"})),
    "an unsigned approval": lambda world: silence(
        world,
        Fault.status(
            200, {"code": "2302", "job_complete": True, "job_success": True, "result": message(world.job(), "0810")}
        ),
    ),
}


@pytest.mark.parametrize("case", NOT_THERE_YET)
async def test_an_approval_that_smile_ids_record_does_not_show_is_never_shown_as_approved(
    tmp_path: Path, case: str
) -> None:
    async with waiting(tmp_path) as (world, ref):
        NOT_THERE_YET[case](world)
        await call_back(world, "0810")
        await pass_time(world, *THROUGH_THE_WAIT[:-1])
        assert (await world.check(ref)).state != "approved"
        assert not any(UNCONFIRMED in text or "Approved —" in text for text in world.thread())

        await pass_time(world, 40)
        check = await world.check(ref)
        assert check.state == "in_review"
        assert check.verdict_outcome is None
        (told,) = [text for text in world.thread() if UNCONFIRMED in text]
        assert told.startswith("@amina Not final")
        assert "A reviewer has been told." in told
        assert "Do not act on it." in told
        (notice,) = [text for text in world.notices() if UNCONFIRMED in text]
        assert ref in notice
        assert not any("Needs review — the result we received" in text for text in world.thread())
        assert "Approved" not in world.slack.plain(world.root())

        # Told once, however long it takes.
        await pass_time(world, 300, 300, 3600)
        assert len([text for text in world.thread() if UNCONFIRMED in text]) == 1
        assert not any(APPROVED in text for text in world.thread())

        # Once the record has it, the result is posted once and the earlier message is no longer open.
        silence(world, None)
        put_on_record(world, "0810")
        await pass_time(world, 900, 900)
        assert (await world.check(ref)).state == "approved"
        assert len([text for text in world.thread() if APPROVED in text]) == 1
        assert not any(UNCONFIRMED in text for text in world.thread())
        assert any(f"Approval confirmed by Smile ID · {ref}" in text for text in world.thread())
        assert "Approved" in world.slack.plain(world.root())
        before = askings(world)
        await pass_time(world, 900, 3600, 86400)
        assert askings(world) == before


@pytest.mark.parametrize(
    ("code", "text", "state", "words"),
    [
        ("0811", "", "rejected", "Rejected — the selfie does not match the authority's photo"),
        ("1013", "Unable to Validate ID", "rejected", "Rejected — the authority does not know this ID number"),
        ("1015", "", "failed", "No result — the authority's register is unavailable"),
        ("0813", "", "rejected", "Rejected — the selfie does not look like a live person"),
        ("1016", "", "failed", "No result — Smile ID refused our request"),
    ],
)
async def test_a_rejection_or_failure_is_told_as_not_yet_confirmed_and_amended_in_place(
    tmp_path: Path, code: str, text: str, state: str, words: str
) -> None:
    async with waiting(tmp_path) as (world, ref):
        await call_back(world, code, text)
        await pass_time(world, *THROUGH_THE_WAIT[:-1])
        assert (await world.check(ref)).state == "processing"
        assert world.thread() == []
        await pass_time(world, 40)
        assert (await world.check(ref)).state == state
        (told,) = world.thread()
        assert told.startswith(f"@amina {words.replace(' — ', ' (not yet confirmed) — ')}")
        assert "(not yet confirmed)" in world.slack.plain(world.root())

        put_on_record(world, code, text)
        await pass_time(world, 300, 300)
        (amended,) = world.thread()
        assert words in amended
        assert "not yet confirmed" not in amended
        assert "confirmed with Smile ID" in amended
        assert "(not yet confirmed)" not in world.slack.plain(world.root())
        # Who was told stays told.
        for sentence in ("A reviewer has been told", "The admins have been told"):
            assert (sentence in told) is (sentence in amended)
        assert "please look at this" not in amended
        assert (await fates(world))[0] == (code, "counted")
        before = askings(world)
        await pass_time(world, 300, 3600)
        assert askings(world) == before


async def test_a_confirmation_whose_message_takes_no_update_is_told_by_itself(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_REVIEW_CHANNEL=REVIEW_CHANNEL) as (world, _ref):
        await call_back(world, "0813")
        await pass_time(world, *THROUGH_THE_WAIT)
        (told,) = world.thread()
        assert "(not yet confirmed)" in told
        no = SlackFault.error("edit_window_closed")
        world.slack.fault = lambda method, _number: no if method == "chat.update" else None
        put_on_record(world, "0813")
        await pass_time(world, 300, 300, 3600)
        first, second = world.thread()
        assert first == told
        assert "Rejected — the selfie does not look like a live person" in second
        assert "not yet confirmed" not in second
        assert "confirmed with Smile ID" in second
        assert "A reviewer has been told" in second


@pytest.mark.parametrize(
    ("claimed", "recorded", "words"),
    [
        ("0810", "0811", "We received Approved, Smile ID's record says Rejected."),
        ("0811", "0810", "We received Rejected, Smile ID's record says Approved."),
        ("0811", "0903", "We received Rejected, Smile ID's record says No result."),
        ("0903", "1210", "We received No result, Smile ID's record says Approved."),
    ],
)
@pytest.mark.parametrize("told_before", [False, True], ids=["at once", "after it was told"])
async def test_a_record_with_another_final_result_calls_a_person(
    tmp_path: Path, claimed: str, recorded: str, words: str, *, told_before: bool
) -> None:
    async with waiting(tmp_path) as (world, ref):
        await call_back(world, claimed)
        if told_before:
            await pass_time(world, *THROUGH_THE_WAIT)
            assert len(world.thread()) == 1
        put_on_record(world, recorded)
        await pass_time(world, 0, 300, 300)
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "contradiction")
        (told,) = [text for text in world.thread() if "Needs review — the result we received" in text]
        assert words in told
        assert "A reviewer has been told." in told
        assert len([text for text in world.notices() if "differ" in text.splitlines()[0]]) == 1
        assert not any(APPROVED in text for text in world.thread())
        # From here on a person decides: whatever Smile ID says next is kept and settles nothing.
        put_on_record(world, claimed)
        await call_back(world, claimed, "again")
        await pass_time(world, 300, 3600)
        assert (await world.check(ref)).state == "in_review"
        assert len(world.thread()) == (2 if told_before else 1)


async def test_a_confirmed_approval_needs_one_asking_and_says_so(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await world.work()
        assert (await world.check(ref)).state == "approved"
        (told,) = world.thread()
        assert told.startswith(f"@amina {APPROVED}")
        assert "confirmed with Smile ID" in told
        assert askings(world) == 1
        (asked,) = [r.body for r in world.smile_id.requests if r.call == "job_status"]
        assert asked is not None
        assert asked["history"] is True
        assert await fates(world) == [("0810", "counted")]


async def test_confirmation_is_asked_at_once_and_then_after_2_5_15_and_60_seconds(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        await pass_time(world, EARLY)
        early = askings(world)
        await call_back(world, "0810")
        await world.work()
        asked = [askings(world) - early]
        for wait in (1, 2, 4, 2, 12, 4, 57, 4):
            await pass_time(world, wait)
            asked.append(askings(world) - early)
        assert asked == [1, 1, 2, 2, 3, 3, 4, 4, 5]


async def test_the_time_to_wait_for_a_confirmation_is_a_setting(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_CONFIRM_WAIT="10s") as (world, ref):
        await call_back(world, "0811")
        await pass_time(world, 0, 8)
        assert world.thread() == []
        await pass_time(world, 3)
        assert (await world.check(ref)).state == "rejected"


async def test_the_story_of_an_approval_without_a_record_ends_with_a_person(tmp_path: Path) -> None:
    async with journey(tmp_path, story="unconfirmed") as world:
        ref = await world.ask()
        await world.settle()
        await pass_time(world, *THROUGH_THE_WAIT)
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "unconfirmed")
        assert len([text for text in world.thread() if UNCONFIRMED in text]) == 1


async def test_a_forged_approval_under_a_true_signature_opens_nothing(tmp_path: Path) -> None:
    """Whoever learned the address and saw one fresh signature can sign any body: the record decides."""
    async with waiting(tmp_path) as (world, ref):
        stolen = signed(world, {})
        forged = {**message(world.job(), "0810"), **stolen}
        assert await post(world, json.dumps(forged)) == 200
        put_on_record(world, "1211")
        await world.work()
        assert (await world.check(ref)).state == "in_review"
        assert not any("Approved —" in text for text in world.thread())


async def test_a_wrong_smile_job_id_in_an_early_callback_locks_nobody_out(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        # The answer to the upload request is lost, so the bot knows its own job id alone.
        world.smile_id.fail_next("upload", Fault.reset_after())
        ref = await world.ask()
        (due,) = await world.bot.submission.claim(1)
        await world.bot.submission.work(due)
        job = world.job()
        assert await world.smile_id.send_callback(job.job_id, {**message(job, "1012"), "SmileJobID": "1"}) == 200
        put_on_record(world, "0810")
        job.processed = True
        await call_back(world, "0810")
        await pass_time(world, 0, 15)
        assert (await world.check(ref)).state == "approved"


# Who was told


@pytest.mark.parametrize("error", ["is_archived", "not_in_channel", "channel_not_found"])
async def test_without_the_review_channel_the_reviewers_are_called_in_the_thread(tmp_path: Path, error: str) -> None:
    async with waiting(tmp_path) as (world, ref):
        channel = world.slack.channels[REVIEW_CHANNEL]
        match error:
            case "is_archived":
                channel.is_archived = True
            case "not_in_channel":
                channel.members = {REVIEWER, ADMIN}
            case _:
                del world.slack.channels[REVIEW_CHANNEL]
        await call_back(world, "0899", "A code in no table")
        await pass_time(world, 0, 1, 1, 1)
        (told,) = world.thread()
        assert "A reviewer has been told." not in told
        assert "@remi please look at this." in told
        assert (await world.check(ref)).reason == "unknown_code"


async def test_without_reviewers_the_thread_says_that_nobody_is_set_up(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_REVIEWERS="", KYC_REVIEW_CHANNEL="") as (world, _ref):
        await call_back(world, "0899")
        await world.work()
        (told,) = world.thread()
        assert "A person must look at this; no reviewers are set up here." in told
        assert "told" not in told


async def test_without_a_review_channel_the_reviewers_are_called_in_the_thread(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_REVIEW_CHANNEL="") as (world, _ref):
        await call_back(world, "0816", "Pending Enroll - Possible Spoof")
        await world.work()
        (told,) = world.thread()
        assert "@remi please look at this." in told


async def test_a_result_waits_a_little_for_the_notice_that_it_speaks_of_but_not_for_ever(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        # The notice goes first; Slack asks it to wait.
        world.slack.fail_next("chat.postMessage", SlackFault.rate_limited(30))
        await call_back(world, "0899")
        await pass_time(world, 0, 5, 5)
        assert world.thread() == []
        await pass_time(world, 12)
        (told,) = world.thread()
        assert "@remi please look at this." in told
        await pass_time(world, 60, 60)
        assert len(world.notices()) == 1
        assert len(world.thread()) == 1


async def test_admins_hear_once_an_hour_that_an_id_type_is_not_active_and_the_thread_says_so(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        for wait, told in ((0, 1), (600, 1), (3500, 2)):
            world.clock.move(seconds=wait)
            ref = await world.ask(id_number=f"{wait:010d}0")
            await world.work()
            await world.smile_id.wait_for(lambda: world.job().processed)
            put_on_record(world, "1016", "Error - Need to Activate Product")
            await call_back(world, "1016", "Error - Need to Activate Product")
            await world.work()
            assert (await world.check(ref)).state == "failed"
            (result,) = world.thread()
            assert "No result — Smile ID refused our request" in result
            assert "The admins have been told" in result
            direct = world.direct(ADMIN)
            assert len(direct) == told
            assert "this ID type is not active for our account" in direct[-1]


async def test_the_thread_does_not_say_that_admins_were_told_when_they_were_not(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_ADMINS="") as (world, _ref):
        put_on_record(world, "1016")
        await call_back(world, "1016")
        await world.work()
        (result,) = world.thread()
        assert "have been told" not in result


async def test_admins_hear_once_an_hour_that_smile_id_refuses_to_give_results(tmp_path: Path) -> None:
    async with waiting(tmp_path, public=False) as (world, _ref):
        silence(world, Fault.status(400, {"error": "You are not authorized to do that", "code": "2205"}))
        await pass_time(world, *([60] * 50))
        assert len(world.direct(ADMIN)) == 1
        assert "Smile ID refuses to give results." in world.direct(ADMIN)[0]
        await pass_time(world, *([60] * 30))
        assert len(world.direct(ADMIN)) == 2


async def test_nothing_of_a_callback_reaches_the_log(tmp_path: Path, log_lines: Any) -> None:
    async with waiting(tmp_path) as (world, _ref):
        secret = {"FullName": "Ada Clearly Invented", "IDNumber": "00000000000"}
        await call_back(world, "1012", "ID Number Validated", **secret)
        assert await post(world, json.dumps({**message(world.job(), "0810"), **secret})) == 401
        assert await post(world, b"Ada Clearly Invented") == 400
        await world.work()
        token = world.job().callback_url.rsplit("/", 1)[1]
        for personal in ("Invented", "00000000000", token, token[:16]):
            assert personal not in log_lines.getvalue()
        assert '"callback.refused"' in log_lines.getvalue()


async def test_callbacks_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        unknown = f"{world.job().callback_url.rsplit('/', 1)[0]}/{'0' * 64}"
        await post(world, "{}", url=unknown)
        await post(world, "{}")
        await call_back(world, "0814")
        await call_back(world, "0814")
        figures = (await world.bot.figures()).decode()
        for fate in ("unknown_token", "not_trusted", "counted", "repeat"):
            assert f'kyc_callbacks_total{{fate="{fate}"}} 1.0' in figures

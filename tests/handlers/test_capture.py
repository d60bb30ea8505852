"""The door of the customer's page: who may pass it, and what everybody else hears."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from bot.capture import assets
from bot.domain.capture.upload import MAX_BODY_BYTES
from bot.errors import (
    DatabaseBusy,
    DatabaseUnusable,
    FlawedPhoto,
    NewerDevice,
    NotAgreed,
    NotNow,
    PhotosFlawed,
    PhotosUnderWay,
    UploadFault,
    UploadMalformed,
)
from handlers.capture import origin_of
from handlers.capture_answers import HEADERS
from handlers.capture_bodies import JSON_BYTES
from tests.handlers.customers import DEVICE, ORIGIN, OTHER_DEVICE, PHOTOS, TOKEN, Door, Link, headers

pytestmark = pytest.mark.anyio

GENERAL = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
PREVIEWS = {
    "Slack": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp": "WhatsApp/2.23.20.0",
    "Facebook": "facebookexternalhit/1.1",
}
CONSENT = b'{"notice": "2026-11", "language": "en"}'
UNKNOWN = TOKEN[::-1]


def has_every_header(answer: Any) -> bool:
    wanted = {**GENERAL, **{name.lower(): value for name, value in HEADERS.items()}}
    return wanted.items() <= dict(answer.headers).items() and not any(
        "access-control" in name for name in answer.headers
    )


@pytest.mark.parametrize("user_agent", PREVIEWS.values(), ids=PREVIEWS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_preview_sees_the_page_and_uses_nothing_up(method: str, user_agent: str) -> None:
    door = Door()
    for path, kind in (("/c", "text/html"), ("/c?fbclid=IwAR0", "text/html"), ("/c/style.css", "text/css")):
        answer = await door.ask(method, path, headers={"User-Agent": user_agent, "Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert has_every_header(answer)
    assert door.behind.asked == []
    assert (await door.post("open")).status_code == 200


async def test_everything_that_the_page_names_is_handed_out() -> None:
    door = Door()
    page = (await door.ask("GET", "/c")).text
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', page))
    assert len(named) > 3
    for address in named:
        answer = await door.ask("GET", f"/{address}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), address
    for name in assets.ASSETS:
        text = await door.ask("GET", f"/c/{name}")
        for module in re.findall(r'from "\./([^"]+)"', text.text):
            assert (await door.ask("GET", f"/c/{module}")).status_code == 200


async def test_only_files_of_the_page_are_handed_out() -> None:
    door = Door()
    for name in ("index.html", "STYLE.CSS", "style.css%00", "..%2fsettings.py", "%2e%2e", "style.css~", "%ff"):
        answer = await door.ask("GET", f"/c/{name}")
        assert answer.status_code == 404, name
    for path, allowed in (("/c", "GET, HEAD"), ("/c/style.css", "GET, HEAD"), ("/c/open", "POST")):
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "POST" if allowed != "POST" else "GET"):
            answer = await door.ask(method, path, headers=headers())
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
            assert has_every_header(answer)
    assert door.behind.asked == []


async def test_a_customer_opens_agrees_and_hands_photos_in() -> None:
    door = Door()
    opened = await door.post("open")
    assert opened.headers["content-type"] == "application/json"
    assert opened.json() == {
        "company": "Example Bank",
        "privacy_url": "https://www.example.com/privacy",
        "country": "Nigeria",
        "id_type": "Bank Verification Number",
        "number": "•••• 4321",
        "step": "opened",
        "expires_at": "2026-11-30T09:00:00Z",
        "notice": "2026-11",
        "languages": ["en", "fr", "pt", "sw"],
    }
    assert (await door.photos()).status_code == 428
    for _twice in range(2):
        assert (await door.post("consent", CONSENT)).json() == {"step": "agreed"}
    for _twice in range(2):
        assert (await door.photos()).json() == {"step": "taken"}
    assert door.behind.taken == [len(PHOTOS)]
    assert (await door.post("open")).json()["step"] == "taken"
    assert (await door.post("open", device=OTHER_DEVICE)).status_code == 410
    assert door.count("photos", "ok") == 2
    assert door.count("photos", "agree_first") == 1
    assert door.turned_away == ["capture_gone", "status_410"]


@pytest.mark.parametrize("reason", ["no", "not_me"])
async def test_not_to_agree_is_as_easy(reason: str) -> None:
    door = Door()
    await door.post("open")
    answer = await door.post("decline", json.dumps({"reason": reason}).encode())
    assert (answer.status_code, answer.json()) == (200, {"step": "ended"})
    assert door.behind.asked[-1] == f"decline {reason}"


async def test_the_newest_device_wins() -> None:
    door = Door()
    await door.agreed()
    assert (await door.post("open", device=OTHER_DEVICE)).status_code == 200
    for what, body in (("consent", CONSENT), ("decline", b'{"reason": "no"}')):
        answer = await door.post(what, body)
        assert (answer.status_code, answer.json()) == (409, {"error": "newer_device"})
    assert (await door.photos()).status_code == 409


OF_OTHERS: dict[str, dict[str, str | None]] = {
    "no origin": {"origin": None},
    "a file or a frame without one": {"origin": "null"},
    "another site": {"origin": "https://evil.example"},
    "a site below ours": {"origin": "https://a.kyc.example.com"},
    "a name that begins as ours": {"origin": "https://kyc.example.com.evil.example"},
    "in plain": {"origin": "http://kyc.example.com"},
    "another port": {"origin": "https://kyc.example.com:8443"},
    "with a path": {"origin": f"{ORIGIN}/"},
    "two in one": {"origin": f"{ORIGIN}, https://evil.example"},
    "ours, from another site": {"sec_fetch_site": "cross-site"},
    "ours, from a neighbour": {"sec_fetch_site": "same-site"},
    "typed": {"sec_fetch_site": "none"},
    "nowhere": {"sec_fetch_site": ""},
    "two places": {"sec_fetch_site": "same-origin, cross-site"},
    "without a link": {"token": None},
    "without a device": {"device": None},
}


@pytest.mark.parametrize("changed", OF_OTHERS.values(), ids=OF_OTHERS)
@pytest.mark.parametrize("what", ["open", "consent", "decline", "photos"])
async def test_another_site_cannot_post_with_a_link(what: str, changed: dict[str, str | None]) -> None:
    door = Door()
    answer = await door.post(what, b"{}", **changed)
    assert (answer.status_code, answer.json()) == (403, {"error": "not_from_the_page"})
    assert has_every_header(answer)
    assert door.behind.asked == []
    assert "capture_not_from_the_page" in door.turned_away


@pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site", "Kyc-Link", "Kyc-Device"])
async def test_a_header_that_stands_there_twice_is_none_of_the_page(name: str) -> None:
    other = "cross-site" if name == "Sec-Fetch-Site" else dict(headers())[name]
    for fields in ([*headers(), (name, other)], [(name, other), *headers()]):
        door = Door()
        assert (await door.post("open", headers=fields)).status_code == 403
        assert door.behind.asked == []


async def test_a_browser_without_sec_fetch_site_may_post() -> None:
    assert (await Door().post("open", sec_fetch_site=None)).status_code == 200


async def test_a_browser_that_asks_for_another_site_hears_of_none() -> None:
    door = Door()
    asking = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "kyc-link, kyc-device, content-type",
    }
    for path in ("/c", "/c/open", "/c/photos", "/c/style.css", "/c/nothing"):
        answer = await door.ask("OPTIONS", path, headers=asking)
        assert answer.status_code == 405
        assert has_every_header(answer)


async def test_whoever_has_no_open_link_hears_the_same_answer_whatever_became_of_it() -> None:
    door = Door()
    door.behind.links |= {"e" * 43: Link(is_over=True), "u" * 43: Link(device=OTHER_DEVICE, is_over=True)}
    heard = set()
    for token in (UNKNOWN, "e" * 43, "u" * 43, TOKEN[:-1], TOKEN + "x", "", "é" * 43, "." * 43, "x" * 9_000):
        for what, body in (("open", b"{}"), ("consent", CONSENT), ("decline", b'{"reason": "no"}')):
            fields = [(name.encode(), value.encode("latin-1")) for name, value in headers(token=token)]
            answer = await door.post(what, body, headers=fields)
            heard.add((answer.status_code, answer.content, tuple(answer.headers.items())))
            door.now += timedelta(seconds=2)
        answer = await door.photos(headers=[*headers(token=UNKNOWN, content_type="application/octet-stream")])
        heard.add((answer.status_code, answer.content, tuple(answer.headers.items())))
        door.now += timedelta(seconds=2)
    ((status, content, _headers),) = heard
    assert (status, content) == (410, b'{"error": "gone"}')


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/json; charset=utf-8", "application/json, text/plain", "application/octet-stream;", "image/jpeg"),
    ],
)
async def test_other_types_are_not_read(content_type: str | None) -> None:
    door = Door()
    for what in ("open", "photos"):
        answer = await door.post(what, b"{}", content_type=content_type)
        assert (answer.status_code, answer.json()) == (415, {"error": "other_type"})
    assert (await door.post("photos", b"{}", content_type="application/json")).status_code == 415
    assert (await door.post("open", b"{}", content_encoding="gzip")).status_code == 415
    assert door.behind.asked == []


MALFORMED = {
    "open": (b"", b"{", b"[]", b"null", b'""', b'{"a": "b"}', b"{}{}", b"\xff", b"{} x", b"[" * 4_000, b'{"a":' * 700),
    "consent": (
        b"{}",
        b'{"notice": "2026-11"}',
        b'{"notice": "2026-11", "language": "en", "more": ""}',
        b'{"notice": "2026-11", "language": "en", "language": "fr"}',
        b'{"notice": 1, "language": "en"}',
        b'{"notice": NaN, "language": "en"}',
        b'{"notice": "2026-11", "language": "EN"}',
        b'{"notice": "2026-11", "language": ["en"]}',
        b'{"notice": "2026-11", "language": ""}',
        '{"notice": "2026-11", "language": "en"}'.encode("utf-16"),
    ),
    "decline": (b"{}", b'{"reason": "NO"}', b'{"reason": null}', b'{"reason": {}}', b'{"reason": "withdrawn"}'),
}


@pytest.mark.parametrize(("what", "body"), [(what, body) for what, all_of in MALFORMED.items() for body in all_of])
async def test_what_is_not_written_as_the_page_writes_it_is_refused(what: str, body: bytes) -> None:
    door = Door()
    await door.post("open")
    answer = await door.post(what, body)
    assert (answer.status_code, answer.json()) == (400, {"error": "malformed"})
    assert door.behind.asked == ["open"]


@pytest.mark.parametrize("device", ["", "short", "x" * 65, "x" * 21 + "/", "x" * 30 + " "])
async def test_a_device_is_a_word_of_the_pages_making(device: str) -> None:
    door = Door()
    assert (await door.post("open", device=device)).status_code == 400
    assert door.behind.asked == []


async def chunks(count: int, read: list[int], size: int = 1024) -> AsyncIterator[bytes]:
    for number in range(count):
        read.append(number)
        yield bytes(size)


async def test_what_says_that_it_is_too_large_is_not_read_at_all() -> None:
    door, read = Door(), list[int]()
    await door.agreed()
    for what, most, kind in (("open", JSON_BYTES, None), ("photos", MAX_BODY_BYTES, "application/octet-stream")):
        more = {"content_type": kind} if kind else {}
        fields = headers(content_length=str(most + 1), **more)
        answer = await door.post(what, chunks(20, read), headers=fields)
        assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})
    assert read == []
    assert door.behind.asked == ["open", "agree"]


async def test_what_does_not_say_its_length_is_read_no_further_than_it_may_be() -> None:
    door, read = Door(), list[int]()
    assert (await door.post("open", chunks(100, read))).status_code == 413
    await door.agreed()
    assert (await door.photos(chunks(100, read, 1024 * 1024))).status_code == 413
    assert door.behind.taken == []
    # By another program than a browser: `httpx` hands the application all of a body that it asks for, piece by piece.
    assert len(read) < 100
    assert (await door.photos(chunks(3, read))).status_code == 200


async def test_photos_are_read_for_an_open_link_alone() -> None:
    door, read = Door(), list[int]()
    await door.post("open")
    for token, device, status in ((UNKNOWN, DEVICE, 410), (TOKEN, OTHER_DEVICE, 409), (TOKEN, DEVICE, 428)):
        assert (await door.photos(chunks(100, read), token=token, device=device)).status_code == status
    await door.agreed()
    door.behind.places = 0
    answer = await door.photos(chunks(100, read))
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (503, {"error": "not_now"}, "8")
    assert read == []


FLAWED = PhotosFlawed([FlawedPhoto("selfie", None, "dark"), FlawedPhoto("liveness", 3, "unusable")])


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (NewerDevice(), 409, {"error": "newer_device"}),
        (NotAgreed(), 428, {"error": "agree_first"}),
        (PhotosUnderWay(), 425, {"error": "under_way"}),
        (UploadMalformed(UploadFault.TRUNCATED), 400, {"error": "malformed"}),
        (NotNow(0.2), 503, {"error": "not_now"}),
        (DatabaseBusy("busy"), 503, {"error": "not_now"}),
        (DatabaseUnusable("the disk is full"), 503, {"error": "not_now"}),
        (
            FLAWED,
            422,
            {
                "error": "flaws",
                "flaws": [
                    {"photo": "selfie", "number": None, "flaw": "dark"},
                    {"photo": "liveness", "number": 3, "flaw": "unusable"},
                ],
            },
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_each_fault_has_its_own_answer(fault: Exception, status: int, said: dict[str, object]) -> None:
    door = Door()
    await door.agreed()
    door.behind.fault = fault
    answer = await door.photos()
    assert (answer.status_code, answer.json()) == (status, said)
    assert has_every_header(answer)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert door.count("photos", str(said["error"])) == 1
    # What a customer is asked to do once more turns nobody away.
    assert door.turned_away == ([] if status in (422, 425, 428, 503) else [f"status_{status}"])


async def test_a_newer_upload_of_the_same_page_ends_one_that_hangs() -> None:
    door, stuck = Door(), asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield b"KYC1"
        stuck.set()
        await asyncio.Event().wait()

    await door.agreed()
    first = asyncio.create_task(door.photos(hanging()))
    await stuck.wait()
    assert (await door.photos()).json() == {"step": "taken"}
    assert (await first).json() == {"error": "under_way"}
    assert door.behind.taken == [len(PHOTOS)]


async def test_once_photos_are_all_there_a_second_upload_waits_for_them() -> None:
    door = Door()
    await door.agreed()
    door.behind.hold = asyncio.Event()
    first = asyncio.create_task(door.photos())
    await door.behind.is_whole.wait()
    assert (await door.photos()).json() == {"error": "under_way"}
    door.behind.hold.set()
    assert (await first).json() == {"step": "taken"}
    assert door.behind.taken == [len(PHOTOS)]


@pytest.mark.parametrize("what", ["open", "photos"])
async def test_who_sends_too_slowly_is_answered_and_leaves_the_place(what: str) -> None:
    door = Door(body_seconds=0.05, photos_seconds=0.05)
    await door.agreed()

    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b"K"
            await asyncio.sleep(0.02)

    answer = await (door.photos(drips()) if what == "photos" else door.post("open", drips()))
    assert (answer.status_code, answer.json()) == (408, {"error": "too_slow"})
    assert answer.headers["connection"] == "close"
    assert door.behind.under_way == 0
    assert (await door.photos()).status_code == 200


async def test_who_guesses_is_stopped_and_a_neighbour_is_not() -> None:
    door = Door()
    statuses = [(await door.post("open", token=UNKNOWN)).status_code for _ in range(61)]
    assert statuses == [410] * 60 + [429]
    answer = await door.post("open")
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (429, {"error": "too_often"}, "1")
    assert len(door.behind.asked) == 60
    assert (await door.post("open", source="198.51.100.8")).status_code == 200
    door.now += timedelta(seconds=2)
    assert (await door.post("open")).status_code == 200
    assert (await door.ask("GET", "/c")).status_code == 200
    assert door.turned_away.count("capture_too_often") == 2


async def test_behind_a_trusted_proxy_each_client_counts_for_itself() -> None:
    door = Door(proxies=[ip_network("127.0.0.1")])

    async def posted(forwarded: str | None, token: str = TOKEN) -> int:
        fields = headers(token=token, x_forwarded_for=forwarded)
        return (await door.post("open", headers=fields, source="127.0.0.1")).status_code

    for number in range(61):
        await posted(f"192.0.2.{number}, 198.51.100.7", UNKNOWN)
    assert await posted("198.51.100.7") == 429
    assert await posted("198.51.100.8") == 200
    # A proxy that names nobody speaks for everybody.
    for _ in range(61):
        assert await posted(None, UNKNOWN) == 410
    assert await posted(None) == 200


async def test_a_link_is_good_for_so_many_tries_and_again_after_a_while() -> None:
    door = Door()
    await door.agreed()
    door.behind.fault = FLAWED
    statuses = [(await door.photos()).status_code for _ in range(13)]
    assert statuses == [422] * 12 + [429]
    assert (await door.post("open", source="203.0.113.9")).status_code == 422
    door.now += timedelta(seconds=20)
    door.behind.fault = None
    assert (await door.photos()).status_code == 200
    # Another link from the same place is not concerned.
    door.behind.links[UNKNOWN] = Link()
    for _ in range(50):
        await door.post("open")
    assert (await door.post("open")).status_code == 429
    assert (await door.post("open", token=UNKNOWN)).status_code == 200


@pytest.mark.parametrize(
    "fault", [RuntimeError(TOKEN), TimeoutError(), OSError(28, DEVICE), ValueError("photo-canary")]
)
async def test_a_fault_of_ours_is_told_to_the_customer_and_to_whoever_runs_the_bot(
    fault: Exception, log_lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    door = Door()
    await door.agreed()
    door.behind.fault = fault
    for what in ("open", "photos"):
        answer = await (door.photos() if what == "photos" else door.post(what))
        assert (answer.status_code, answer.json()) == (500, {"error": "failed"})
        assert has_every_header(answer)
    assert door.count("photos", "failed") == 1
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert [(line["event"], line["kind"]) for line in lines] == [
        ("capture.failed", "open"),
        ("capture.failed", "photos"),
    ]
    told = log_lines.getvalue() + str(capfd.readouterr())
    assert not any(canary in told for canary in (TOKEN, DEVICE, "photo-canary"))


async def test_nothing_of_a_request_is_logged_or_printed(
    log_lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    door = Door()
    await door.agreed()
    agent, address = "agent-canary/1.0", "203.0.113.77"
    for fault in (None, FLAWED, DatabaseUnusable("the disk is full"), UploadMalformed(UploadFault.NOT_OURS)):
        door.behind.fault = fault
        for what in ("open", "consent", "decline", "photos"):
            for body in (b"", b'{"reason": "body-canary"}', PHOTOS):
                kind = "application/octet-stream" if what == "photos" else "application/json"
                fields = [*headers(content_type=kind), ("User-Agent", agent)]
                answer = await door.post(what, body, headers=fields, source=address)
                said = f"{answer.text} {dict(answer.headers)}"
                assert not any(canary in said for canary in (TOKEN, DEVICE, agent, address, "body-canary"))
    lines = log_lines.getvalue()
    assert "capture.not_stored" in lines
    told = lines + str(capfd.readouterr()) + str(door.turned_away)
    for canary in (TOKEN, DEVICE, agent, address, "body-canary", "photo-canary"):
        assert canary not in told, canary


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://kyc.example.com", "https://kyc.example.com"),
        ("https://KYC.example.com:443/kyc", "https://kyc.example.com"),
        ("https://kyc.example.com:8443", "https://kyc.example.com:8443"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin

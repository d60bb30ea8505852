"""Ten thousand bad requests to every route: none is a fault of ours, and nothing is left of them in the memory."""

import random
import resource
from collections import Counter
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.journeys.smile import waiting
from tests.journeys.world import Journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

EACH = 2_500
GROWTH_KIB = 64 * 1024
"""The peak after the first tenth, and no more than this beyond it in the end."""
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW")
PIECES = (
    *(
        b"",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"&",
        b"=",
        b",",
        b":",
        b"-",
        b"%00",
        b"\r\n",
        b"\x00",
        b"\xff\xfe",
        b"a" * 300,
    ),
    *(
        b"\\u0000",
        b"null",
        b"1e999",
        b"NaN",
        b"payload=",
        b"ssl_check=1",
        b"ResultCode",
        b"PartnerParams",
        b"signature",
    ),
    *(b"timestamp", b"0810", "\N{PILE OF POO}".encode()),
)
HEADERS = (
    (
        "Content-Type",
        ("application/json", "application/x-www-form-urlencoded", "text/html; charset=nope", "", "\u00ff"),
    ),
    ("X-Slack-Signature", ("v0=", "v0=" + "0" * 64, "v1=x", "\u00e9")),
    ("X-Slack-Request-Timestamp", ("0", "-1", "NaN", "9" * 40, "now", "\u0663")),
    ("X-Forwarded-For", ("", ",,,", "::1", "x" * 2000, "1.2.3.4, 5.6.7.8")),
    ("Content-Encoding", ("gzip", "br", "identity")),
    ("Expect", ("100-continue", "nonsense")),
    ("Range", ("bytes=0-", "lines=1")),
)


def request_of(rng: random.Random, client: httpx.AsyncClient, path: str) -> httpx.Request:
    body = b"".join(rng.choice(PIECES) for _ in range(rng.randrange(12)))
    chosen = rng.sample(HEADERS, rng.randrange(4))
    headers = [(name.encode(), rng.choice(values).encode()) for name, values in chosen]
    query = f"?{quote(rng.choice(PIECES))}={quote(rng.choice(PIECES))}" if rng.random() < 0.3 else ""
    method = "POST" if rng.random() < 0.7 else rng.choice(METHODS)
    return client.build_request(method, f"{path}{query}", headers=headers, content=body)


def paths(world: Journey, rng: random.Random) -> list[str]:
    token = urlsplit(world.job().callback_url).path
    strange = quote(b"".join(rng.choice(PIECES) for _ in range(4)), safe="")[:200]
    return [token, f"/smile-id/callback/{strange}", "/slack/events", rng.choice(("/healthz", "/", f"/{strange}", "//"))]


async def test_ten_thousand_bad_requests_are_answered_and_leave_nothing_behind(tmp_path: Path) -> None:
    rng = random.Random(15)
    answered: Counter[int] = Counter()
    # HTTP mode: Slack's route is there too.
    async with waiting(tmp_path) as (world, ref):
        base = "{0.scheme}://{0.netloc}".format(urlsplit(world.job().callback_url))
        async with httpx.AsyncClient(base_url=base, timeout=GIVE_UP_SECONDS, trust_env=False) as client:
            for number in range(EACH):
                for path in paths(world, rng):
                    answer = await client.send(request_of(rng, client, path))
                    assert answer.status_code < 500, (path.partition("/callback")[0], answer.request.method)
                    answered[answer.status_code] += 1
                if number == EACH // 10:
                    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < GROWTH_KIB
        # They came as far as each kind of answer that the routes have, and not all to the first one.
        assert {400, 401, 404, 405, 421} - set(answered) <= {421}
        assert sum(answered.values()) == 4 * EACH
        assert (await world.check(ref)).state == "processing"
        assert world.thread() == []

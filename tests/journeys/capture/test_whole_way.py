"""A customer's page and the real bot behind it: from the link to the result, and what is left of it where."""

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.capture.assets import NOTICE
from bot.domain.capture.upload import CapturedPhotos, pack
from bot.sandbox.smile_id import Fault
from handlers.capture import origin_of
from tests.journeys.access.canaries import Surfaces, photo, picture_of
from tests.journeys.capture.customer import OFFERED, PHONE, agreed, asked, sample
from tests.journeys.submission.test_submission_faults import finish, uploads
from tests.journeys.world import Journey, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

TOKEN = "kanari-token-0123456789-abcdefghijklmnopqrs"
DEVICE, OTHER_DEVICE = "kanari-device-0123456789", "kanari-tablet-9876543210"
AGENT, ADDRESS = "kanari-agent/1.0", "203.0.113.77"
HIDDEN = "kanari inside the photo"
BEHIND_A_PROXY = {**OFFERED, "KYC_TRUSTED_PROXIES": "127.0.0.1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """The page in a customer's browser, as far as the bot hears of it."""

    http: httpx.AsyncClient
    origin: str
    device: str = DEVICE
    token: str = TOKEN

    async def see(self) -> httpx.Response:
        return await self.http.get(f"{self.origin}/c")

    async def post(self, what: str, said: Mapping[str, str] | None = None) -> httpx.Response:
        return await self._post(what, json.dumps(said or {}).encode(), "application/json")

    async def hand_in(self, photos: CapturedPhotos | None = None) -> httpx.Response:
        return await self._post("photos", pack(photos or sample()), "application/octet-stream")

    async def _post(self, what: str, body: bytes, kind: str) -> httpx.Response:
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        own = {"Kyc-Link": self.token, "Kyc-Device": self.device}
        return await self.http.post(f"{self.origin}/c/{what}", content=body, headers=headers | own)


@asynccontextmanager
async def phone_of(world: Journey, device: str = DEVICE) -> AsyncIterator[Phone]:
    headers = {"User-Agent": AGENT, "X-Forwarded-For": ADDRESS}
    async with httpx.AsyncClient(trust_env=False, timeout=GIVE_UP_SECONDS, headers=headers) as http:
        yield Phone(http=http, origin=origin_of(world.bot.settings.public_url or ""), device=device)


def heard(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


GONE = (410, {"error": "gone"})


async def test_from_the_link_to_the_result_and_nobody_can_do_it_again(tmp_path: Path) -> None:
    async with journey(tmp_path, **OFFERED) as world, phone_of(world) as phone:
        customer = await asked(world, token=TOKEN)
        assert "Photos" in (await phone.see()).text
        assert (await phone.hand_in()).status_code == 409  # of no device yet
        opened = (await phone.post("open")).json()
        assert (opened["company"], opened["country"], opened["step"]) == ("Invented Bank", "Nigeria", "opened")
        assert opened["number"] == "•••• 000"
        assert heard(await phone.hand_in()) == (428, {"error": "agree_first"})
        old = {"notice": "2020-01", "language": "en"}
        assert heard(await phone.post("consent", old)) == (428, {"error": "agree_first"})
        assert heard(await phone.post("consent", {"notice": NOTICE, "language": "pt"})) == (200, {"step": "agreed"})
        assert heard(await phone.hand_in()) == (200, {"step": "taken"})
        # A browser repeats what it has heard no answer to; nobody else has any use of the link.
        assert heard(await phone.hand_in()) == (200, {"step": "taken"})
        assert (await phone.post("open")).json()["step"] == "taken"
        for other in (replace(phone, device=OTHER_DEVICE), replace(phone, token=TOKEN[::-1])):
            assert heard(await other.post("open")) == heard(await other.hand_in()) == GONE
            assert heard(await other.post("decline", {"reason": "no"})) == GONE
        assert heard(await phone.post("decline", {"reason": "no"})) == GONE
        assert (await finish(world, customer.ref)).state == "approved"
        assert len(uploads(world)) == 1
        assert any("Approved" in line for line in world.thread())


@pytest.mark.parametrize("reason", ["no", "not_me"])
async def test_who_does_not_agree_ends_it(tmp_path: Path, reason: str) -> None:
    async with journey(tmp_path, **OFFERED) as world, phone_of(world) as phone:
        customer = await asked(world, token=TOKEN)
        await phone.post("open")
        for _twice in range(2):
            assert heard(await phone.post("decline", {"reason": reason})) == (200, {"step": "ended"})
        assert heard(await phone.post("open")) == heard(await phone.hand_in()) == GONE
        assert (await world.check(customer.ref)).state == "cancelled"


async def test_an_older_page_hears_that_the_link_was_opened_elsewhere(tmp_path: Path) -> None:
    async with journey(tmp_path, **OFFERED) as world, phone_of(world) as phone:
        await asked(world, token=TOKEN)
        await phone.post("open")
        await phone.post("consent", {"notice": NOTICE, "language": "en"})
        tablet = replace(phone, device=OTHER_DEVICE)
        assert (await tablet.post("open")).json()["step"] == "opened"
        assert heard(await phone.hand_in()) == (409, {"error": "newer_device"})
        assert heard(await tablet.hand_in()) == (428, {"error": "agree_first"})


async def test_who_comes_too_late_hears_what_everybody_hears(tmp_path: Path) -> None:
    async with journey(tmp_path, **OFFERED) as world, phone_of(world, PHONE) as phone:
        customer = await agreed(world, token=TOKEN)
        world.clock.move(hours=25)
        assert heard(await phone.post("open")) == heard(await phone.hand_in()) == GONE
        await world.bot.capture_links.tick()
        assert heard(await phone.post("open")) == heard(await phone.hand_in()) == GONE
        assert (await world.check(customer.ref)).state == "cancelled"


async def test_dark_photos_are_taken_again_and_smile_id_may_be_away_meanwhile(tmp_path: Path) -> None:
    dark = io.BytesIO()
    Image.new("RGB", (480, 640), (4, 4, 4)).save(dark, "JPEG")
    async with journey(tmp_path, **OFFERED) as world, phone_of(world, PHONE) as phone:
        customer = await agreed(world, token=TOKEN)
        status, said = heard(await phone.hand_in(replace(sample(), selfie=dark.getvalue())))
        assert (status, said["error"]) == (422, "flaws")
        assert {"photo": "selfie", "number": None, "flaw": "dark"} in said["flaws"]
        world.smile_id.fault = lambda _call, _number: Fault.status(503)
        away = await phone.hand_in()
        assert heard(away) == (503, {"error": "not_now"})
        assert int(away.headers["Retry-After"]) > 0
        world.smile_id.fault = None
        for _try in range(20):
            world.clock.move(seconds=30)
            await world.work()
            if (answer := await phone.hand_in()).status_code == 200:
                break
        assert heard(answer) == (200, {"step": "taken"})
        assert (await finish(world, customer.ref)).state == "approved"
        assert len(world.smile_id.jobs) == 1


async def test_a_customer_leaves_no_trace_but_where_it_must_be(
    tmp_path: Path, log_lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    selfie = photo(HIDDEN)
    canaries: dict[str, str | bytes] = {
        "token": TOKEN,
        "device": DEVICE,
        "other device": OTHER_DEVICE,
        "agent": AGENT,
        "address": ADDRESS,
        "hidden in the photo": HIDDEN,
        "pixels": picture_of(selfie),
        "number": "12345678901",
    }
    found = Surfaces(canaries)
    async with journey(tmp_path, **BEHIND_A_PROXY) as world, phone_of(world) as phone:
        customer = await asked(world, token=TOKEN, id_number="12345678901")
        await phone.post("open")
        await replace(phone, device=OTHER_DEVICE).post("open")
        await phone.post("open")
        await phone.post("consent", {"notice": NOTICE, "language": "sw"})
        await replace(phone, token=TOKEN[::-1]).post("open")
        found.read_open_files()
        assert (await phone.hand_in(replace(sample(), selfie=selfie))).status_code == 200
        found.read_open_files()
        await finish(world, customer.ref)
        found.read_slack(world)
        found.read_smile_id(world)
        found.read("monitor", await world.bot.figures())
        await world.bot.turned_away.store(world.bot.database, world.bot.now)
    found.read_files(tmp_path)
    found.read("log", log_lines.getvalue())
    captured = capfd.readouterr()
    found.read("standard output", captured.out + captured.err + " ")
    assert {place: names for place, names in found.found.items() if names} == {
        "Smile ID: info.json": {"number"},
        "Smile ID: photo": {"pixels"},
        # Only its digest: a word that a page made up, and that nobody can guess.
        "database": {"device"},
    }
    assert {"database", "log", "channel", "monitor", "Smile ID: photo"} <= found.seen

"""What stands where: canaries go in by every door, and every byte that leaves or is written is searched for them.

The table says all that may be found, and all of it must be found: an entry that does not occur any more comes out.
"""

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

from bot.runtime.server import connections_of_monitors
from bot.sandbox.demo import CHANNEL
from bot.sandbox.smile_id import Fault
from bot.slack.blocks import ids
from handlers.http import admin
from tests.journeys.access.canaries import Surfaces, photo, picture_of
from tests.journeys.access.walkers import MANAGER, STAFF, VIEWER
from tests.journeys.intake.test_batches import HEADER, csv_of, zip_of
from tests.journeys.review.test_review import ALWAYS, card, decide, disagree, press
from tests.journeys.review.test_review_requests import open_request
from tests.journeys.smile import call_back, pass_time, post, put_on_record, signed
from tests.journeys.smile import message as of_smile_id
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, Journey, journey
from tests.journeys.writing import MENTION

pytestmark = pytest.mark.anyio

ZOE = "U0ZOE000001"
SETTINGS: Mapping[str, Any] = {**STAFF, **ALWAYS, "KYC_REVIEWERS": f"{REVIEWER},{ZOE}"}

TYPED: Mapping[str, str] = {
    # The form.
    "form name": "Kanariform",
    "form number": "22255500101",
    "form phone": "+2348055500102",
    "form date": "1971-03-14",
    "form reference": "CUST-KANARI-FORM",
    "form file": "kanari-form-ada.jpg",
    # Words in a channel, and in a direct message.
    "channel name": "Kanarichannel",
    "channel number": "22255500103",
    "channel file": "kanari-channel-ada.jpg",
    "shortcut name": "Kanarishortcut",
    "shortcut number": "22255500104",
    "direct name": "Kanaridirect",
    "direct number": "22255500105",
    "direct file": "kanari-direct-ada.jpg",
    # Files of customers.
    "table name": "Kanaritable",
    "table number": "22255500106",
    "table reference": "CUST-KANARI-TABLE",
    "table column": "Kanari column of Ada",
    "table file": "kanari-table-ada.csv",
    "table photo": "kanari-table-ada.jpg",
    "sheet": "Kanari sheet of Ada",
    "sheet name": "Kanarisheet",
    "sheet column": "Kanari title of Bola",
    "zip file": "kanari-zip-ada.zip",
    "own name": "Kanariowntable",
    "own reference": "CUST-KANARI-OWN",
    "own column": "Kanari column of Chi",
    # Reviewers.
    "request comment": "kanari request words",
    "note": "kanari note words",
    "reply": "kanari reply words",
    "proposal": "kanari proposal words",
    "objection": "kanari objection words",
    "decision": "kanari decision words",
    # Looking things up.
    "command number": "22255500107",
    "searched number": "22255500108",
    "searched reference": "CUST-KANARI-SOUGHT",
    "command name": "Kanaricommand",
    # Smile ID, and whoever pretends to be it.
    "record name": "KANARI RECORD",
    "record phone": "08055500109",
    "result text": "Kanari result text",
    "error text": "kanari error text",
    "forged words": "kanari forged words",
    "forged token": "kanari-forged-token-0123456789",
    "unsigned words": "kanari unsigned words",
    # Photos.
    "hidden in the photo": "kanari inside the photo",
}

COMMENTS = {"proposal", "objection", "decision", "request comment"}
OF_THE_FORM = {"form name", "form date", "form phone", "form reference"}

ALLOWED: Mapping[str, set[str]] = {
    # What a check is made of: that is what it is for. The photo goes without what was hidden in it.
    "Smile ID: info.json": {
        *OF_THE_FORM,
        "form number",
        *("table name", "table number", "table reference", "sheet name", "own name", "own reference"),
        "callback token",
    },
    "Smile ID: photo": {"pixels"},
    "Smile ID: request": {"form reference", "table reference", "own reference", "callback token"},
    "address": {"callback token"},
    # Smile ID's own sentence is quoted beside its code, never what it tells of the customer.
    "channel": {"result text"},
    "notification of a channel": {"result text"},
    # Reviewers read each other's words, and a screen reader gets the text alone.
    "reviewers' channel": COMMENTS,
    "notification of a reviewers' channel": COMMENTS,
    # To who wrote it, alone.
    "private answer": {"channel file"},
    "direct message": {"direct file", "direct name", "own column"},
    "notification of a direct message": {"own column"},
    "file in a direct message": {"own reference"},
    # Forms and *Details*, for who may see the check; the number in the forms of its requester.
    "window": {
        *OF_THE_FORM,
        "form number",
        *("command number", "command name"),
        *("record name", "record phone", "result text"),
        *("note", "reply", "proposal", "objection", "decision"),
    },
}
"""By place, what stands there and may. Of a place that is not named here, nothing may be found."""

PLACES = {
    *ALLOWED,
    *("Home", "Smile ID: names in the zip", "answer to a callback", "backup", "comment of a file in channel"),
    *("comment of a file in direct message", "database", "file in a channel", "file name on disk", "log", "metadata"),
    *("monitor", "name of a file", "notification of a private answer", "question to Slack", "standard output"),
    *("temporary file", "uploaded bytes"),
}


@pytest.mark.parametrize(
    "spelled",
    [
        b"..kanari-form-ada..",
        b"KANARI-FORM-ADA",
        base64.b64encode(b'{"name":"kanari-form-ada"}'),
        base64.urlsafe_b64encode(b"x kanari-form-ada x"),
        b"kanari-form-ada".hex().encode(),
        hashlib.sha256(b"kanari-form-ada").digest(),
        "kanari-form-ada".encode("utf-16-le"),
    ],
)
def test_a_canary_is_found_in_every_spelling(spelled: bytes) -> None:
    surfaces = Surfaces({"name": "kanari-form-ada", "other": "kanari-else"})
    surfaces.read("here", b"\x00" + spelled + b"\x00")
    assert surfaces.found == {"here": {"name"}}


@pytest.mark.endurance
async def test_what_comes_in_comes_out_only_where_the_table_says(
    tmp_path: Path, log_lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    (folder / "backups").mkdir(parents=True)
    selfie = photo(TYPED["hidden in the photo"])
    async with journey(
        folder, story="never", KYC_BACKUP_DIR=str(folder / "backups"), KYC_BACKUP_EVERY="1m", **SETTINGS
    ) as world:
        surfaces = Surfaces({**TYPED, "pixels": picture_of(selfie), **secrets_of(world)})

        def scan(_method: str, _number: int) -> None:
            surfaces.read_open_files()

        world.slack.fault = scan
        await walk(world, selfie, surfaces)
        surfaces.add("callback token", world.job().callback_url.rpartition("/")[2])
        await read_all(world, surfaces, folder, log_lines.getvalue())
    assert found_in(surfaces, capfd) == ALLOWED
    assert surfaces.seen == PLACES


async def read_all(world: Journey, surfaces: Surfaces, folder: Path, logged: str) -> None:
    await world.bot.backups.run()
    surfaces.read_files(folder)
    surfaces.read_slack(world)
    surfaces.read_smile_id(world)
    surfaces.read("log", logged)
    await read_monitors(world, surfaces)


def found_in(surfaces: Surfaces, capfd: pytest.CaptureFixture[str]) -> dict[str, set[str]]:
    told = capfd.readouterr()
    surfaces.read("standard output", f"{told.out}{told.err} ")
    return {place: names for place, names in sorted(surfaces.found.items()) if names}


def secrets_of(world: Journey) -> dict[str, str]:
    settings = world.bot.settings
    secret = settings.slack_signing_secret
    assert secret is not None
    return {
        "bot token": settings.slack_bot_token.get_secret_value(),
        "signing secret": secret.get_secret_value(),
        "API key": settings.smile_id_api_key.get_secret_value(),
        "encryption key": settings.encryption_keys.get_secret_value(),
    }


async def staffed(world: Journey) -> None:
    for user, name in ((VIEWER, "vera"), (MANAGER, "nia"), (ZOE, "zoe")):
        world.slack.add_user(user, name)
    world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER})
    await world.bot.access.refresh()


async def walk(world: Journey, selfie: bytes, surfaces: Surfaces) -> None:
    await staffed(world)
    world.smile_id.every_story = "never"
    ref = await _by_the_form(world, selfie)
    await _heard_of_smile_id(world, surfaces)
    await _looked_at(world, ref)
    await _reviewed(world, ref)
    await _by_messages(world, selfie)
    await _by_files(world, selfie)
    await _reported(world)


async def _by_the_form(world: Journey, selfie: bytes) -> str:
    modal = await world.form()
    await modal.choose("country", "NG")
    await modal.choose("id_type", "BVN")
    await modal.fill("id_number", TYPED["form number"])
    await modal.attach("selfie", await world.analyst.upload(selfie, TYPED["form file"]))
    await modal.click(ids.MORE_FIELDS)
    for name, value in (
        ("first_name", TYPED["form name"]),
        ("last_name", "Invented"),
        ("phone_number", TYPED["form phone"]),
        ("customer_reference", TYPED["form reference"]),
    ):
        await modal.fill(name, value)
    await modal.choose("dob", TYPED["form date"])
    await modal.choose("consent", ["consented"])
    # Before it is right: what a fault says beside its field must not repeat the value.
    assert (await modal.submit()).closed
    ref = await world.newest()
    await world.work()
    return ref


async def _heard_of_smile_id(world: Journey, surfaces: Surfaces) -> None:
    """An answer with the authority's record, one in no shape, and what anybody can send to an address."""
    await world.smile_id.wait_for(lambda: world.job().processed)
    job = world.job()
    forged = {**of_smile_id(job, "0810", TYPED["forged words"]), "signature": "none", "timestamp": "2026-01-01"}
    elsewhere = job.callback_url.rpartition("/")[0] + "/" + TYPED["forged token"]
    for content, url in (
        (json.dumps(forged), job.callback_url),
        (TYPED["unsigned words"], job.callback_url),
        (json.dumps(signed(world, of_smile_id(job, "0810", TYPED["unsigned words"]))), elsewhere),
    ):
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(url, content=content)
        assert answer.status_code in (400, 401, 404)
        surfaces.read("answer to a callback", f"{answer.headers}{answer.text}")
    assert await post(world, "{", url=elsewhere) == 404
    world.smile_id.fault = lambda call, _n: Fault.status(500, {"error": TYPED["error text"]})
    world.clock.move(seconds=12)
    await world.work()
    world.smile_id.fault = None
    told = {
        "FullName": TYPED["record name"],
        "FullData": {"firstName": TYPED["record name"], "phone": TYPED["record phone"]},
        "PhoneNumber": TYPED["record phone"],
    }
    put_on_record(world, "0812", TYPED["result text"], **told)
    await call_back(world, "0812", TYPED["result text"], **told)
    await pass_time(world, 0, 2, 5, 30, 60)


async def _looked_at(world: Journey, ref: str) -> None:
    """Details, a form with the whole number, searches, words in a command."""
    remi = world.slack.person(REVIEWER)
    for person in (world.analyst, remi, world.slack.person(VIEWER)):
        await person.click(world.root() if person is not remi else card(world), ids.DETAILS)
        await world.answered()
        if person.open_modals:
            await person.open_modals[-1].close(all_views=True)
        await person.open_home()
        name, number = TYPED["command name"], TYPED["command number"]
        for words in (
            f"status {ref}",
            f"status {name}",
            "list all",
            f"find {number}",
            f"find {name} Obi",
            number,
            name,
        ):
            await person.command(words)
            await world.answered()
            if person.open_modals:
                await person.open_modals[-1].close(all_views=True)
    await remi.command("find")
    form = await remi.modal()
    await form.enter(ids.FIND_NUMBER, TYPED["searched number"])
    await form.enter(ids.FIND_REFERENCE, TYPED["searched reference"])
    await form.submit()
    await form.close(all_views=True)


async def _reviewed(world: Journey, ref: str) -> None:
    put_on_record(world, "1212")
    await call_back(world, "1212")
    await pass_time(world, 0, 2, 5)
    await press(world, REVIEWER, ids.REVIEW_CLAIM)
    await world.bot.review.note(REVIEWER, ref, TYPED["note"], form_id="V0NOTE")
    await world.slack.person(ZOE).say(REVIEW_CHANNEL, TYPED["reply"], thread_ts=card(world).ts)
    await decide(world, REVIEWER, "approved", "other", TYPED["proposal"])
    await disagree(world, ZOE, TYPED["objection"])
    await decide(world, REVIEWER, "rejected", "other", TYPED["decision"])
    # Replies below the cards are read once there is a decision.
    await world.bot.reminders.tick()
    await world.work()
    for person, message in ((world.slack.person(REVIEWER), card(world)), (world.analyst, world.root())):
        await person.click(message, ids.DETAILS)
        await world.answered()
        await person.open_modals[-1].close(all_views=True)
    # The whole number is shown to its requester in this form alone.
    await world.analyst.click(world.root(), ids.RUN_AGAIN)
    await (await world.analyst.modal()).close(all_views=True)
    world.smile_id.every_story = "approved"
    other = await world.ask()
    await world.settle()
    request = await open_request(world, other, world.slack.thread(CHANNEL, world.root().ts)[-1])
    await request.choose(ids.REASON, "other")
    await request.fill(ids.WORDS, TYPED["request comment"])
    assert (await request.submit()).closed
    await world.work()


async def _by_messages(world: Journey, selfie: bytes) -> None:
    amina = world.analyst
    said = f"{MENTION} NG BVN {TYPED['channel number']} {TYPED['channel name']} Invented"
    await amina.say(CHANNEL, said, files=[await amina.upload(selfie, TYPED["channel file"])])
    await world.answered()
    words = f"NG BVN {TYPED['shortcut number']} {TYPED['shortcut name']}"
    shortcut = await amina.say(CHANNEL, words, files=[await amina.upload(selfie, "a.jpg")])
    await amina.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, shortcut.ts)
    await world.answered()
    await (await amina.modal()).close(all_views=True)
    written = f"NG BVN {TYPED['direct number']} {TYPED['direct name']} Invented 1990-01-02"
    await amina.write(written, files=[await amina.upload(selfie, TYPED["direct file"])])
    await world.answered()
    await world.work()


async def _by_files(world: Journey, selfie: bytes) -> None:
    row = {"country": "NG", "id_type": "BVN", "last_name": "Invented", "selfie": TYPED["table photo"]}
    table = csv_of(
        [
            row
            | {
                "id_number": TYPED["table number"],
                "first_name": TYPED["table name"],
                "customer_reference": TYPED["table reference"],
            }
        ],
        [*HEADER, TYPED["table column"]],
    )
    photos = {TYPED["table photo"]: selfie}
    packed = zip_of({TYPED["table file"]: table, **photos})
    await _batch(world, {TYPED["zip file"]: packed})
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = TYPED["sheet"]
    sheet.append(["country", "id_type", "id_number", "first_name", "selfie", TYPED["sheet column"]])
    sheet.append(["NG", "BVN", "22255500201", TYPED["sheet name"], TYPED["table photo"], "x"])
    out = io.BytesIO()
    book.save(out)
    await _batch(world, {"customers.xlsx": out.getvalue(), **photos})
    # A file that is none: its name stands in what is said of it.
    await _batch(world, {TYPED["zip file"]: b"PK\x03\x04 none"}, sends=False)
    mine = csv_of(
        [
            row
            | {
                "id_number": "22255500202",
                "first_name": TYPED["own name"],
                "customer_reference": TYPED["own reference"],
            }
        ],
        [*HEADER, TYPED["own column"]],
    )
    await _batch(world, {"mine.csv": mine, **photos}, directly=True)


async def _batch(world: Journey, files: Mapping[str, bytes], *, directly: bool = False, sends: bool = True) -> None:
    amina = world.analyst
    uploaded = [await amina.upload(data, name) for name, data in files.items()]
    if directly:
        await amina.write("", files=uploaded)
    else:
        await amina.say(CHANNEL, MENTION, files=uploaded)
    await world.answered()
    await world.work()
    place = amina.direct_channel_id if directly else CHANNEL
    batch = [m for m in world.slack.messages(place) if "file of customers" in m.text][-1]
    if not sends:
        return
    world.smile_id.every_story = "approved"
    await amina.click(batch, ids.BATCH_CONFIRM)
    await world.settle()
    world.clock.move(seconds=5)
    await world.settle()


async def _reported(world: Journey) -> None:
    nia = world.slack.person(MANAGER)
    await nia.command("summary today")
    await nia.command("export csv")
    await nia.command("export xlsx")
    await world.answered()
    await world.work()


async def read_monitors(world: Journey, surfaces: Surfaces) -> None:
    transport = httpx.ASGITransport(app=admin(world.bot, connections_of_monitors(world.bot)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/metrics", "/readyz"):
            surfaces.read("monitor", (await client.get(path)).text)

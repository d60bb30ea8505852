"""What the audit trail holds of looks, refusals and strangers; never what was typed, and never who it was about."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import SecretStr

import handlers
from bot.domain.trail import ACTS, ActKind
from bot.runtime import starts
from bot.runtime.server import connections_of
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault
from bot.settings import Settings
from bot.slack.blocks import ids
from storage.engine.sealing import Sealer
from tests.journeys.access.test_outsiders import chosen, typed, view
from tests.journeys.access.walkers import CANARIES, MANAGER, STAFF, VIEWER, a_check
from tests.journeys.world import ADMIN, REVIEWER, Journey, bot_between, journey

pytestmark = pytest.mark.anyio

FLOOD = 100_000


class Line(NamedTuple):
    actor: str
    act: str
    ref: str | None
    detail: str


async def trail(world: Journey, *acts: str) -> list[Line]:
    """The lines of these acts, oldest first; what is on its way is stored first."""
    await world.bot.database.write(lambda _tx: None)
    rows = await world.bot.database.read(lambda tx: tx.rows("SELECT actor, act, ref, detail FROM audit ORDER BY seq"))
    return [line for line in (Line(*row) for row in rows) if not acts or line.act in acts]


async def test_who_has_a_role_and_is_refused_leaves_a_line_for_each_click_submit_and_message(tmp_path: Path) -> None:
    async with journey(tmp_path, **STAFF) as world:
        ref = await a_check(world)
        vera, nia = world.slack.person(VIEWER), world.slack.person(MANAGER)
        root = (await posted(world)).channels[CHANNEL].posts[0]
        button = {"type": "button", "action_id": ids.PHOTOS_SHOW, "block_id": "b", "value": ref}
        await vera.press(button, message=root)
        await vera.command("find")
        await vera.submit(view(ids.FIND, "", {ids.FIND_NUMBER: {"value": typed(CANARIES[2])}}))
        await vera.command(f"cancel {ref}")
        await nia.command(f"review {CANARIES[2]}")
        await nia.command("rerun K-0000000")
        await nia.write("NG BVN 00000000000")
        await world.answered()
        found = await trail(world, "act.refused")
        assert found == [
            Line(VIEWER, "act.refused", ref, f"not_a_reviewer:block_actions:{ids.PHOTOS_SHOW}"),
            Line(VIEWER, "act.refused", None, f"find_is_personal:view_submission:{ids.FIND}"),
            Line(VIEWER, "act.refused", ref, "unknown_ref:command"),
            Line(MANAGER, "act.refused", None, "not_a_reviewer:command"),
            Line(MANAGER, "act.refused", None, "no_right:command"),
            Line(MANAGER, "act.refused", None, "no_right:message"),
        ]
        # What nobody may see was not looked at, and nothing that was typed is kept.
        assert await trail(world, "photos.opened", "details.opened", "checks.found") == []
        everything = str(await trail(world))
        assert not [word for word in CANARIES if word in everything]


async def test_every_look_leaves_a_line(tmp_path: Path) -> None:
    async with journey(tmp_path, **STAFF) as world:
        ref = await a_check(world)
        await world.settle()
        remi, vera, nia = (world.slack.person(one) for one in (REVIEWER, VIEWER, MANAGER))
        await remi.command(f"status {ref}")
        await vera.command(f"status {ref}")
        await world.analyst.command(f"status {ref}")
        await remi.command(f"review {ref}")
        await remi.command("list all")
        await remi.command("list review")
        await vera.command("list all")
        await world.analyst.command("list")
        await remi.submit(view(ids.FIND, "", {ids.FIND_NUMBER: {"value": typed(CANARIES[2])}}))
        await remi.submit(view(ids.FIND, "", {ids.FIND_NUMBER: {"value": typed("11111111111")}}))
        nobody = {ids.FIND_NUMBER: {"value": typed("11111111111")}, ids.FIND_COUNTRY: {"value": chosen("NG")}}
        await remi.submit(view(ids.FIND, "", nobody))
        await nia.command("summary")
        root = world.root()
        customer = {"type": "button", "action_id": ids.CUSTOMER_MESSAGE, "block_id": "b", "value": ref}
        await remi.press(customer, message=root)
        await world.answered()
        looks = [act for act, one in ACTS.items() if one.kind is ActKind.LOOK]
        assert await trail(world, *looks) == [
            Line(REVIEWER, "status.shown", ref, "whole"),
            Line(VIEWER, "status.shown", ref, "record"),
            Line(ANALYST, "status.shown", ref, "whole"),
            Line(REVIEWER, "card.shown", ref, ""),
            Line(REVIEWER, "checks.found", None, "list:1"),
            Line(REVIEWER, "check.listed", ref, "list"),
            Line(REVIEWER, "queue.shown", None, "0"),
            Line(VIEWER, "checks.found", None, "list:1"),
            # The same check in the same hour is one line, however it was found.
            Line(REVIEWER, "checks.found", None, "number:1"),
            Line(REVIEWER, "checks.found", None, "number:0"),
            Line(REVIEWER, "checks.found", None, "number:0"),
            Line(MANAGER, "summary.shown", None, await day(world)),
            Line(REVIEWER, "customer_text.shown", ref, ""),
        ]
        # Where the country was chosen, the line points to whom was looked for; nobody else can tell who that is.
        rows = await world.bot.database.read(
            lambda tx: tx.rows(
                "SELECT person FROM audit WHERE act = 'checks.found' AND detail LIKE 'number:%' ORDER BY seq"
            )
        )
        assert [row["person"] is not None for row in rows] == [False, False, True]
        assert "11111111111" not in str(await trail(world))
        world.clock.move(hours=1)
        # Whoever asks twice at once is listed it once, whether or not the first line is stored by then.
        await asyncio.gather(remi.command("list all"), remi.command("list all"))
        await remi.command("list all")
        assert len(await trail(world, "check.listed")) == 2
        assert not [word for word in CANARIES if word in str(await trail(world))]


async def day(world: Journey) -> str:
    (line,) = await trail(world, "summary.shown")
    assert line.detail.startswith("day 20")
    return line.detail


async def test_a_home_tab_is_a_look_when_its_person_opens_it(tmp_path: Path) -> None:
    async with journey(tmp_path, story="unknown_code", **STAFF) as world:
        await a_check(world)
        ref = await world.ask()
        await world.settle()
        assert (await world.check(ref)).state.value == "in_review"
        world.slack.add_user("U0OTTO00001", "otto")
        await world.slack.person("U0OTTO00001").open_home()
        await world.slack.person(REVIEWER).open_home()
        await world.work()
        shown = [Line(REVIEWER, "home.shown", None, "queue"), Line(REVIEWER, "check.listed", ref, "home")]
        assert await trail(world, "home.shown", "check.listed") == shown
        # Published anew by itself it was opened by nobody; opened again it was, though it reads the same.
        await world.bot.home.tick()
        await world.work()
        assert await trail(world, "home.shown", "check.listed") == shown
        await world.slack.person(REVIEWER).open_home()
        await world.slack.person(VIEWER).open_home()
        await world.work()
        found = await trail(world, "home.shown", "check.listed")
        assert sorted(found) == sorted([*shown, shown[0], Line(VIEWER, "home.shown", None, "queue")])


async def test_what_changes_a_check_or_leaves_has_its_line(tmp_path: Path) -> None:
    async with journey(tmp_path, **STAFF) as world:
        ref = await a_check(world)
        await world.settle()
        await world.slack.person(MANAGER).command("export csv")
        form = await review_notices(world)
        await world.work()
        (job,) = world.smile_id.jobs
        acts = [(line.actor, line.act, line.detail) for line in await trail(world) if line.ref == ref]
        assert [one for one in acts if one[1].startswith(("job.", "result."))] == [
            ("kyc-bot", "job.made", job),
            ("kyc-bot", "job.sent", job),
            ("smile-id", "result.received", "1013:callback"),
            ("smile-id", "result.confirmed", "1013"),
        ]
        assert await trail(world, "export.asked", "export.made", "notices.chosen") == [
            Line(MANAGER, "export.asked", None, "csv:1"),
            Line(REVIEWER, "notices.chosen", None, form),
            Line(MANAGER, "export.made", None, "csv:1"),
        ]


async def review_notices(world: Journey) -> str:
    """A reviewer chooses of what they hear; gives their choice."""
    remi = world.slack.person(REVIEWER)
    await remi.command("notify")
    modal = await remi.modal()
    block = next(one for one in modal.blocks if one["type"] == "input")
    option = block["element"]["options"][0]["value"]
    await modal.choose(block["block_id"], [option])
    assert (await modal.submit()).closed
    return str(option)


async def posted(world: Journey) -> Any:
    await world.work()
    return world.slack


async def test_strangers_are_a_number_and_no_line_each(tmp_path: Path) -> None:
    async with journey(tmp_path, **{**STAFF, "KYC_REQUESTERS": ANALYST}) as world:
        await a_check(world)
        stranger = "U0OTTO00001"
        world.slack.add_user(stranger, "otto")
        otto = world.slack.person(stranger)
        before = await trail(world)
        for text in ("", "list", "status K-0000000", "help"):
            await otto.command(text)
        await otto.write("NG BVN 00000000000")
        await world.answered()
        base = f"http://127.0.0.1:{world.bot.settings.port}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
            for _time in range(3):
                assert (await http.post("/smile-id/callback/nobodys", json={})).status_code == HTTPStatus.NOT_FOUND
            assert (await http.post("/slack/events", content=b"{}")).status_code == HTTPStatus.UNAUTHORIZED
            assert (await http.get("/wp-login.php")).status_code == HTTPStatus.NOT_FOUND
        assert await trail(world) == before
        store = world.bot.turned_away.store
        # Two at once, as at a tick that coincides with the end.
        await asyncio.gather(*(store(world.bot.database, world.bot.now) for _time in range(2)))
        lines = (await trail(world))[len(before) :]
        assert {(line.actor, line.act, line.ref) for line in lines} == {("kyc-bot", "requests.turned_away", None)}
        assert [line.detail for line in lines] == [
            "callback_unknown_token:3",
            "person_no_access:5",
            "signature_unsigned:1",
            "status_401:1",
            "status_404:4",
        ]
        await store(world.bot.database, world.bot.now)
        assert (await trail(world))[len(before) :] == lines


async def test_who_gains_or_loses_a_role_has_a_line_and_a_silent_slack_changes_nothing(tmp_path: Path) -> None:
    group = "S0REVIEWERS"
    settings = {**STAFF, "KYC_REVIEWERS": f"{group},{ADMIN}", "KYC_VIEWERS": "*", "KYC_MANAGERS": "U0GONE00001"}
    settings["KYC_ENCRYPTION_KEYS"] = Sealer.new_key()
    async with journey(tmp_path, **settings) as world:
        slack, roles = world.slack, world.bot.roles
        slack.add_usergroup(group, [REVIEWER, VIEWER])
        slack.add_user(VIEWER, "vera")
        await roles.refresh()
        assert await roles_told(world) == [
            f"role.gained {role}:{person}"
            for role, person in (
                ("requester", ANALYST),
                ("reviewer", ADMIN),
                ("reviewer", REVIEWER),
                ("reviewer", VIEWER),
                ("viewer", "*"),
                ("admin", ADMIN),
            )
        ]
        before = await roles_told(world)
        # A day in which Slack answers nothing: nobody has lost anything by it.
        slack.fault = lambda _method, _number: Fault.error("internal_error")
        world.clock.move(days=1)
        await roles.refresh()
        slack.fault = None
        assert await roles_told(world) == before
        slack.usergroups[group] = {REVIEWER}
        slack.users[ADMIN].is_deleted = True
        world.clock.move(minutes=11)
        await asyncio.gather(roles.refresh(), roles.refresh())
        lost = ["role.lost reviewer:U0MUSA00001", f"role.lost reviewer:{VIEWER}", "role.lost admin:U0MUSA00001"]
        assert await roles_told(world) == [*before, *lost]
        # Another process knows what was known; until Slack has spoken to it, it says nothing.
        environment = settings_for(slack, world.smile_id, database=tmp_path / "kyc.db", socket_mode=False, **settings)
        await world.bot.database.close()
        slack.fault = lambda _method, _number: Fault.error("internal_error")
        async with bot_between(slack, world.smile_id, environment, clock=world.clock) as again:
            await again.bot.roles.refresh()
            assert await roles_told(again) == [*before, *lost]
            slack.fault = None
            slack.users[ADMIN].is_deleted = False
            again.clock.move(minutes=11)
            await again.bot.roles.refresh()
            gained = [f"role.gained reviewer:{ADMIN}", f"role.gained admin:{ADMIN}"]
            assert await roles_told(again) == [*before, *lost, *gained]


async def roles_told(world: Journey) -> list[str]:
    return [f"{line.act} {line.detail}" for line in await trail(world, "role.gained", "role.lost")]


async def test_each_start_says_with_what_settings_and_no_secret(tmp_path: Path) -> None:
    async with journey(tmp_path, **STAFF, HTTPS_PROXY="http://proxy-user:proxy-word@127.0.0.1:9") as world:
        used = starts.used(world.bot.settings)
        assert set(used) == {"version", *(str(field.alias) for field in Settings.model_fields.values())}
        for _start in range(2):
            await world.bot.database.write(starts.begun, used, at=world.clock())
        other = {**used, "KYC_REVIEWERS": "*", "SLACK_SIGNING_SECRET": ""}
        await world.bot.database.write(starts.begun, other, at=world.clock())
        *_starts, changed = await trail(world, "bot.started", "settings.changed")
        assert changed.detail == "KYC_REVIEWERS,SLACK_SIGNING_SECRET"
        assert [line.act for line in _starts] == ["bot.started"] * 3
        told = json.loads(_starts[0].detail)
        assert (told["KYC_REVIEWERS"], told["KYC_REVIEW_CHANNEL"]) == (REVIEWER, "C0KYCREV001")
        secrets = {name for name, value in told.items() if value == "(secret)"}
        assert secrets >= {"SLACK_BOT_TOKEN", "SMILE_ID_API_KEY", "KYC_ENCRYPTION_KEYS", "HTTPS_PROXY"}
        settings = world.bot.settings
        held = [getattr(settings, name) for name in Settings.model_fields]
        words = [value.get_secret_value() for value in held if isinstance(value, SecretStr)]
        assert words
        everything = str(await trail(world))
        assert not [word for word in [*words, "proxy-word"] if word and word in everything]


@pytest.mark.endurance
async def test_a_flood_of_forged_requests_adds_a_few_lines(tmp_path: Path) -> None:
    """At the application itself, since it is the trail that is flooded here and not the network."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(_message: Any) -> None:
        pass

    async with journey(tmp_path) as world:
        bot = world.bot
        web = handlers.web(bot, handlers.bolt(bot), connections_of(bot))
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"x-slack-signature", b"v0=00")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "root_path": "",
        }
        before = len(await trail(world))
        for number in range(FLOOD):
            path = "/slack/events" if number % 2 else "/slack/elsewhere"
            await web({**scope, "path": path, "raw_path": path.encode()}, receive, send)
            if number % (FLOOD // 10) == 0:
                await bot.turned_away.store(bot.database, bot.now)
        await bot.turned_away.store(bot.database, bot.now)
        lines = await trail(world)
        assert len(lines) - before <= 11 * 3
        counted: dict[str, int] = {}
        for line in lines[before:]:
            kind, _, count = line.detail.partition(":")
            counted[kind] = counted.get(kind, 0) + int(count)
        assert (counted["status_401"], counted["status_404"]) == (FLOOD // 2, FLOOD // 2)

"""A walk over every listener as somebody who must not get in: nothing opens, nothing is sent, each is told politely.

All of them are the same person, who asked for a check while everything was in order and became an outsider since. The
steps are held against the app's own list of listeners: a new one wants a step here.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import handlers
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import BOT_USER_ID, ApiCall, Message, Person, Reply
from bot.sandbox.slack.delivery import Delivery
from bot.slack.blocks import ids
from bot.slack.blocks.find import PageCursor
from bot.slack.blocks.message import MessagePointer
from tests.journeys.world import ADMIN, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

JSON = dict[str, Any]
GROUP = "S0TEAM00001"
PERSONAL = ("Aisha", "Inventedname", "00000000000", "CUST-WALK")
"""Of the invented customer: none of it may stand in anything that an outsider is shown."""
POLITE = ("You don't have access yet.", "Only members of this workspace can use this app.")
"""One message for who has no role, whatever they try; another for who is of another workspace."""
TABLES = ("verifications", "attempts", "photos", "batches", "reviews", "exports", "notice_choices", "audit")


@dataclass(slots=True)
class Walk:
    """One outsider, and what they still have on their screen."""

    world: Journey
    ref: str
    message: str
    """Their own message with a selfie, which asks for a check."""
    form: JSON
    """The form that they had open."""
    shown: Message
    """An answer that they alone see, with a button."""
    user: str = ANALYST

    @property
    def person(self) -> Person:
        return self.world.slack.person(self.user)

    async def command(self, text: str) -> Reply:
        return await self.person.command(text)

    async def press(self, action_id: str, value: str = "", **more: Any) -> Reply:
        """A button of the request's message."""
        action = {"type": "button", "action_id": action_id, "block_id": "b", "value": value or self.ref, **more}
        return await self.person.press(action, message=self.world.slack.channels[CHANNEL].posts[0])

    async def press_in(self, view: JSON, action_id: str, value: str = "", **more: Any) -> Reply:
        action = {"type": "button", "action_id": action_id, "block_id": "b", "value": value or self.ref, **more}
        return await self.person.press(action, view=view)

    async def submit(self, callback_id: str, metadata: str = "", **fields: Any) -> Delivery:
        values = {name: {"value": value} for name, value in fields.items()}
        return await self.person.submit(view(callback_id, metadata or self.ref, values))


def view(callback_id: str, metadata: str, values: JSON) -> JSON:
    field = next(iter(values), ids.FIND_REF)
    element = {"type": "plain_text_input", "action_id": "value"}
    block = {"type": "input", "block_id": field, "label": {"type": "plain_text", "text": "Any"}, "element": element}
    return {
        "id": f"V0{callback_id.upper()}",
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": metadata,
        "title": {"type": "plain_text", "text": "Biometric KYC check"},
        "blocks": [block],
        "state": {"values": values},
        "hash": "1.abc",
    }


def typed(value: str) -> JSON:
    return {"type": "plain_text_input", "value": value}


def chosen(value: str) -> JSON:
    return {"type": "static_select", "selected_option": {"value": value}}


FOUND = json.dumps([None, None, None, None, None])
"""What the pages of a search are of: everything."""

Step = Callable[[Walk], Awaitable[Reply | Delivery | None]]
WORDS = (
    "",
    "check",
    "status {ref}",
    "list",
    "list all",
    "find",
    "rerun {ref}",
    "cancel {ref}",
    "review {ref}",
    "notify",
    "summary",
    "export csv",
    "forget {ref}",
    "hold {ref}",
    "unhold {ref}",
    "help",
    "anything else",
)


def said(text: str) -> Step:
    return lambda walk: walk.command(text.format(ref=walk.ref))


def pressed(action_id: str, value: Callable[[Walk], str] = lambda walk: walk.ref, **more: Any) -> Step:
    return lambda walk: walk.press(action_id, value(walk), **more)


def of_menu(menu: str, action_id: str) -> Step:
    """An entry of a message's menu, of the walk's own check."""
    return lambda walk: walk.press(menu, selected_option={"value": f"{action_id}|{walk.ref}"})


def sent(callback_id: str, metadata: str = "", **fields: JSON) -> Step:
    async def step(walk: Walk) -> Delivery:
        values = {name: {"value": held} for name, held in fields.items()}
        return await walk.person.submit(view(callback_id, metadata.format(ref=walk.ref), values))

    return step


def pointer(walk: Walk) -> str:
    return MessagePointer(channel=CHANNEL, ts=walk.message, thread_ts=None, fingerprint="any").dump()


def proposal(walk: Walk) -> str:
    return f"{walk.ref}|2026-11-27T00:00:00+00:00"


async def form_sent(walk: Walk) -> Delivery:
    return await walk.person.submit(walk.form)


async def chosen_in_form(walk: Walk) -> Reply:
    return await walk.person.press(
        {"type": "static_select", "action_id": ids.PICK_COUNTRY, "block_id": "country", **chosen("NG")},
        view=walk.form,
    )


async def opened_again(walk: Walk) -> Reply:
    """The button that they alone were shown when the form had not opened in time."""
    button = {"type": "button", "action_id": ids.OPEN_FORM, "block_id": "b", "value": CHANNEL}
    return await walk.person.press(button, message=walk.shown)


async def mentioned(walk: Walk) -> None:
    await walk.person.say(CHANNEL, f"<@{BOT_USER_ID}> NG BVN 00000000000 Aisha Inventedname")


async def wrote(walk: Walk) -> None:
    await walk.person.write("NG BVN 00000000000 Aisha Inventedname")


async def sent_a_file(walk: Walk) -> None:
    table = b"country,id_type,id_number,selfie\nNG,BVN,00000000000,a.jpg\n"
    await walk.person.write("", files=[await walk.person.upload(table, "applicants.csv")])


async def suggested(walk: Walk) -> Delivery:
    return await walk.person.suggest(walk.form, block_id="country", action_id="menu", typed="nig")


STEPS: Mapping[str, list[Step]] = {
    "handlers.commands.kyc": [said(words) for words in WORDS],
    "handlers.check_form.start": [
        lambda walk: walk.person.shortcut(ids.SHORTCUT_CHECK),
        lambda walk: walk.press_in(view("home", "", {}), ids.HOME_START, "start"),
    ],
    "handlers.home.chosen": [
        lambda walk: walk.press_in(
            view("home", "", {}), ids.HOME_QUEUE, type="static_select", selected_option={"value": "all"}
        ),
        lambda walk: walk.press_in(view("home", "", {}), f"{ids.HOME_PAGE}:next", "1"),
    ],
    "handlers.home.review_next": [lambda walk: walk.press_in(view("home", "", {}), ids.HOME_NEXT, "next")],
    "handlers.home.find": [lambda walk: walk.press_in(view("home", "", {}), ids.HOME_FIND, "find")],
    "handlers.home.notify": [lambda walk: walk.press_in(view("home", "", {}), ids.HOME_NOTIFY, "notify")],
    "handlers.messages.shortcut": [
        lambda walk: walk.person.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, walk.message)
    ],
    "handlers.messages.mentioned": [mentioned],
    "handlers.messages.direct": [wrote, sent_a_file],
    "handlers.messages.open_form": [pressed(ids.OPEN_FORM_OF_MESSAGE, pointer)],
    "handlers.messages.send": [pressed(ids.SEND_MESSAGE, pointer)],
    "handlers.events.home_opened": [lambda walk: walk.person.open_home()],
    "handlers.check_form.open_again": [opened_again],
    "handlers.check_form.chosen": [chosen_in_form],
    "handlers.check_form.submitted": [form_sent],
    "handlers.checks.open_details": [pressed(ids.DETAILS)],
    "handlers.checks.push_details": [lambda walk: walk.press_in(view(ids.FOUND, FOUND, {}), ids.FOUND_DETAILS)],
    "handlers.photos.show_photos": [
        pressed(ids.PHOTOS_SHOW),
        lambda walk: walk.press_in(view(ids.DETAILS_VIEW, walk.ref, {}), ids.PHOTOS_SHOW),
    ],
    "handlers.photos.ask_for_photos": [lambda walk: walk.press_in(view(ids.PHOTOS_VIEW, walk.ref, {}), ids.PHOTOS_ASK)],
    "handlers.checks.run_again": [pressed(ids.RUN_AGAIN)],
    "handlers.checks.cancel": [pressed(ids.CANCEL)],
    "handlers.checks.let_pass": [pressed(ids.SEND_HELD)],
    "handlers.links.renew": [pressed(ids.NEW_LINK)],
    "handlers.links.withdraw": [pressed(ids.WITHDRAW_LINK)],
    "handlers.more.chosen": [
        of_menu(ids.CHECK_MORE, action) for action in (ids.REQUEST_REVIEW, ids.CUSTOMER_MESSAGE, "kyc_gone")
    ],
    "handlers.checks.sent_anyway": [
        sent(ids.SEND_ANYWAY_FORM, "{ref}", reason=chosen("other"), words=typed("because"))
    ],
    "handlers.review.closed": [pressed(ids.REVIEW_CLOSE)],
    "handlers.review.ended": [pressed(ids.REVIEW_END)],
    "handlers.customer.pressed": [pressed(ids.CUSTOMER_MESSAGE)],
    "handlers.customer.done": [sent(ids.CUSTOMER_FORM, "{ref}", any=typed("x"))],
    "handlers.review_requests.pressed": [pressed(ids.REQUEST_REVIEW)],
    "handlers.review_requests.requested": [
        sent(ids.REVIEW_REQUEST_FORM, "{ref}", reason=chosen("other"), words=typed("because"))
    ],
    "handlers.corrections.edit": [pressed(ids.EDIT)],
    "handlers.corrections.ask_for_photos": [pressed(ids.OTHER_PHOTOS)],
    "handlers.corrections.photos_replaced": [sent(ids.PHOTOS_FORM, "{ref}")],
    "handlers.corrections.ask_for_new_photos": [pressed(ids.SEND_PHOTOS)],
    "handlers.corrections.new_photos_submitted": [sent(ids.NEW_PHOTOS_FORM, "{ref}:1")],
    "handlers.review.claimed": [pressed(ids.REVIEW_CLAIM), pressed(ids.REVIEW_REOPEN)],
    "handlers.review.released": [pressed(ids.REVIEW_RELEASE)],
    "handlers.review.agreed": [pressed(ids.REVIEW_AGREE, proposal)],
    "handlers.review.disagree": [pressed(ids.REVIEW_DISAGREE, proposal)],
    "handlers.review.more": [
        *(
            of_menu(ids.REVIEW_MORE, action)
            for action in (
                ids.REVIEW_CLAIM,
                ids.REVIEW_RELEASE,
                ids.REVIEW_HAND_ON,
                ids.REVIEW_NOTE,
                f"{ids.REVIEW_DECIDE}:new_photos",
            )
        ),
    ],
    "handlers.review.skipped": [lambda walk: walk.press_in(view(ids.NEXT_VIEW, "{}", {}), ids.REVIEW_SKIP, "K-7F3K2Q")],
    "handlers.review.disagreed": [
        sent(ids.DISAGREE_FORM, '["{ref}","2026-11-27T00:00:00+00:00",{{}}]', words=typed("because"))
    ],
    "handlers.review.decide": [pressed(f"{ids.REVIEW_DECIDE}:approved")],
    "handlers.review.hand_on": [pressed(ids.REVIEW_HAND_ON)],
    "handlers.review.note": [pressed(ids.REVIEW_NOTE)],
    "handlers.review.decided": [
        sent(ids.DECIDE_FORM, '["{ref}","approved","seen"]', reason=chosen("other"), words=typed("because"))
    ],
    "handlers.review.handed_on": [sent(ids.HAND_ON_FORM, "{ref}", hand_to={"selected_user": ADMIN})],
    "handlers.forget.confirmed": [sent(ids.FORGET_FORM, "{ref}")],
    "handlers.review.noted": [sent(ids.NOTE_FORM, "{ref}", words=typed("a note"))],
    "handlers.review.notified": [
        sent(ids.NOTIFY_FORM, choices={"selected_options": [{"value": "results"}, {"value": "cards"}]})
    ],
    "handlers.batches.template": [pressed(ids.BATCH_TEMPLATE)],
    "handlers.batches.decided": [
        pressed(action, lambda _walk: "B-7F3K2Q")
        for action in (
            ids.BATCH_CONFIRM,
            ids.BATCH_CONFIRM_ALL,
            ids.BATCH_CONFIRM_LINK,
            ids.BATCH_CONFIRM_LINK_ALL,
            ids.BATCH_NEW_LINKS,
            ids.BATCH_PAUSE,
            ids.BATCH_RESUME,
            ids.BATCH_CANCEL,
            ids.BATCH_APPROVE,
            ids.BATCH_REJECT,
        )
    ],
    "handlers.search.turned": [
        pressed(f"{ids.LIST_PAGE}:older", lambda _walk: PageCursor(shown="mine").dump()),
        pressed(ids.LIST_FILTER, selected_option={"value": "all"}),
    ],
    "handlers.search.next_page": [
        lambda walk: walk.press_in(
            view(ids.FOUND, FOUND, {}), f"{ids.FIND_PAGE}:older", PageCursor(shown="mine").dump()
        )
    ],
    "handlers.search.submitted": [sent(ids.FIND, find_number=typed("00000000000"))],
    "handlers.summary.shared": [
        pressed(
            ids.SHARE_SUMMARY,
            lambda _walk: '{"kind":"day","first":"2026-11-27","last":"2026-11-27","once":"0123"}',
        )
    ],
    "handlers.listeners.old_command": [lambda walk: walk.person.command("status", command="/kyc-old")],
    "handlers.listeners.old_button": [pressed("kyc_gone"), lambda walk: walk.person.shortcut("kyc_gone")],
    "handlers.listeners.old_form": [sent("kyc_gone_form", "{ref}", any=typed("x"))],
    "handlers.listeners.no_options": [suggested],
}
NOT_OF_PEOPLE = {
    "handlers.events.group_changed",
    "handlers.events.channel_changed",
    "handlers.events.person_changed",
    "handlers.events.sharing_changed",
    "handlers.events.access_lost",
    "handlers.listeners.nothing",
    "handlers.review.given_up",
}
"""They answer nobody: what they do is held by tests of their own."""
SILENT = {"handlers.listeners.no_options"}
"""A menu has no place for words: it stays empty."""


def flagged(**flags: Any) -> Callable[[Journey], Awaitable[None]]:
    async def become(world: Journey) -> None:
        for name, value in flags.items():
            setattr(world.slack.users[ANALYST], name, value)

    return become


def disguised(change: Callable[[JSON], JSON]) -> Callable[[Journey], Awaitable[None]]:
    async def become(world: Journey) -> None:
        world.slack.disguise = change

    return become


def of_team(payload: JSON) -> JSON:
    if "event" in payload or "command" in payload:
        return {**payload, "team_id": "T0OTHER0001"}
    return {**payload, "team": {"id": "T0OTHER0001", "domain": "elsewhere"}}


def of_enterprise(payload: JSON) -> JSON:
    if "event" in payload or "command" in payload:
        return {**payload, "enterprise_id": "E0OTHER0001"}
    return {**payload, "enterprise": {"id": "E0OTHER0001", "name": "Elsewhere"}}


async def lose_the_role(world: Journey) -> None:
    """Yesterday: the group has other members since."""
    world.slack.usergroups[GROUP] = {ADMIN}
    world.clock.move(hours=24)
    await world.bot.access.refresh()


OUTSIDERS: Mapping[str, Callable[[Journey], Awaitable[None]]] = {
    "deleted": flagged(is_deleted=True),
    "guest": flagged(is_guest=True),
    "single-channel guest": flagged(is_single_channel_guest=True),
    "bot": flagged(is_bot=True),
    "workflow bot": flagged(is_workflow_bot=True),
    "invited": flagged(is_invited=True),
    "stranger": flagged(is_stranger=True),
    "member of another workspace": flagged(team_id="T0OTHER0001"),
    "member of another workspace of an organization": flagged(
        team_id="T0SISTER001", enterprise_id="E0OTHER0001", enterprise_teams=("T0ACME00001",)
    ),
    "role lost yesterday": lose_the_role,
    "foreign team": disguised(of_team),
    "foreign enterprise": disguised(of_enterprise),
    "foreign app": disguised(lambda payload: {**payload, "api_app_id": "A0OTHER0001"}),
}
WALKED_EACH_TIME = {"guest", "foreign team", "role lost yesterday"}
"""One by what Slack says of them, one by where a request comes from, one by the settings. The others walk the same way
in `make endurance`."""
ROLES = dict.fromkeys(("KYC_REQUESTERS", "KYC_REVIEWERS", "KYC_MANAGERS"), f"{ANALYST},{ADMIN}")
"""Everything would open to them, were they what they seem."""


async def test_every_listener_has_its_place_in_the_walk(tmp_path: Path) -> None:
    """By the app's own list, so that a listener without a step is noticed here and not by an outsider."""
    async with journey(tmp_path) as world:
        listeners = handlers.bolt(world.bot)._async_listeners
    names = {f"{one.ack_function.__module__}.{one.ack_function.__name__}" for one in listeners}
    assert names == {*STEPS, *NOT_OF_PEOPLE}


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind in WALKED_EACH_TIME else pytest.mark.endurance) for kind in OUTSIDERS],
)
async def test_to_an_outsider_nothing_opens_and_nothing_is_sent(
    tmp_path: Path, kind: str, *, socket_mode: bool
) -> None:
    group = kind == "role lost yesterday"
    settings: dict[str, Any] = dict.fromkeys(ROLES, GROUP) if group else ROLES
    async with journey(tmp_path, socket_mode=socket_mode, **settings, KYC_ADMINS=ADMIN) as world:
        world.slack.add_usergroup(GROUP, [ANALYST, ADMIN])
        await world.bot.access.refresh()
        walk = await begin(world)
        await OUTSIDERS[kind](world)
        if kind != "role lost yesterday":
            world.clock.move(minutes=11)
        before = state_of(world)
        untold = []
        for listener, steps in STEPS.items():
            for number, step in enumerate(steps):
                heard = private_words(world)
                answer = await step(walk)
                await world.answered()
                await world.work()
                told = [*told_since(world, heard), *shown_by(answer)]
                assert state_of(world) == before, f"{listener} {number}: something changed"
                assert not [word for word in PERSONAL if any(word in text for text in told)], (listener, told)
                assert all(any(polite in text for polite in POLITE) for text in told if text), (listener, told)
                if not any(told) and not may_be_silent(listener, kind, answer):
                    untold.append(f"{listener} {number}")
        assert untold == []


async def begin(world: Journey) -> Walk:
    """Yesterday, as everything was in order: a check that ended, a message that asks for another, a form left open."""
    ref = await world.ask(first_name="Aisha", last_name="Inventedname", customer_reference="CUST-WALK")
    await world.settle()
    amina = world.analyst
    selfie = await amina.upload(SELFIE, "selfie.jpg")
    message = await amina.say(CHANNEL, "NG BVN 00000000000 Aisha Inventedname", files=[selfie])
    form = await world.fill(await world.form(), customer_reference="CUST-WALK")
    await world.answered()
    shown = {**form.view, "state": form.view["state"]}
    await form.close()
    whispered = world.slack.world.whisper(CHANNEL, ANALYST, text="Try again.")
    return Walk(world=world, ref=ref, message=message.ts, form=shown, shown=whispered)


def state_of(world: Journey) -> JSON:
    """What an outsider must not change: rows about checks, channels, views, and what Smile ID was asked."""
    opened = ("views.open", "views.push", "views.update")
    with closing(sqlite3.connect(f"file:{world.bot.settings.database_file}?mode=ro", uri=True)) as db:
        # That somebody with another role was refused is on record, and nothing else.
        whole = {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}  # noqa: S608
        rows = [(table, *row) for table, found in whole.items() for row in found if "act.refused" not in row]
    return {
        "rows": rows,
        "channels": {
            channel.id: [(post.ts, post.text) for post in channel.posts if post.user == BOT_USER_ID]
            for channel in world.slack.channels.values()
            if not channel.is_im
        },
        "files": len(world.slack.bot_files(world.analyst.direct_channel_id)),
        "views": [call.method for call in world.slack.calls if call.method in opened and not says_no(call)],
        "smile_id": len(world.smile_id.requests),
        "home": home_without_words(world),
    }


def says_no(call: ApiCall) -> bool:
    """Whether it takes the place of what was open with nothing but the refusal."""
    shown = json.dumps(call.arguments, ensure_ascii=False)
    return call.method == "views.update" and any(polite in shown for polite in POLITE)


def home_without_words(world: Journey) -> str:
    """The Home tab says nothing but that there is no access; before it was first opened it says nothing at all."""
    shown = "" if world.analyst.home is None else world.slack.plain(world.analyst.home)
    return "" if "You don't have access yet." in shown else shown


def private_words(world: Journey) -> Counter[tuple[str, str]]:
    """What this person alone was told, by ephemeral message or directly: text and blocks of each."""
    told = [*world.slack.ephemerals(ANALYST), *world.slack.direct_messages(ANALYST)]
    return Counter((message.text, json.dumps(message.blocks)) for message in told)


def told_since(world: Journey, heard: Counter[tuple[str, str]]) -> list[str]:
    """What they were told beyond that, as read."""
    news = (private_words(world) - heard).elements()
    return [world.slack.plain({"text": text, "blocks": json.loads(blocks)}) for text, blocks in news]


def shown_by(answer: Reply | Delivery | None) -> list[str]:
    """What the answer to Slack itself shows."""
    if isinstance(answer, Reply):
        assert answer.ok, answer
        return [answer.text]
    if isinstance(answer, Delivery):
        assert answer.ok, answer
        body = answer.body if isinstance(answer.body, dict) else {}
        shown = [*body.get("errors", {}).values()]
        if "view" in body:
            shown += [block["text"]["text"] for block in body["view"]["blocks"] if "text" in block]
        return shown
    return []


def may_be_silent(listener: str, kind: str, answer: Reply | Delivery | None) -> bool:
    """Where Slack has no place for words, or would carry them to nobody."""
    is_event = answer is None or listener == "handlers.events.home_opened"
    if kind.startswith(("foreign", "member of another")):
        # Foreign events are dropped; a click outside a message gave no address to answer to.
        return is_event or listener in SILENT | IN_NO_MESSAGE
    if kind in ("deleted", "stranger"):
        # Slack opens no conversation with them, and they see no Home tab.
        return is_event or listener in SILENT | IN_NO_MESSAGE
    return listener in SILENT | {"handlers.events.home_opened"}


IN_NO_MESSAGE = {
    "handlers.check_form.start",
    "handlers.check_form.chosen",
    "handlers.home.chosen",
    "handlers.home.review_next",
    "handlers.home.find",
    "handlers.home.notify",
    "handlers.checks.push_details",
    "handlers.photos.show_photos",
    "handlers.photos.ask_for_photos",
    "handlers.review.skipped",
    "handlers.search.next_page",
    "handlers.listeners.old_button",
}

"""Every way by which a person is shown somebody else's check: which are counted by the hour, and which are work.

The steps are those of the outsiders' walk, which are held against the app's own list of listeners: a new one wants its
word here.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.masking import tail
from bot.outbox.look_ups import LookUp
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.slack.blocks import ids
from storage.engine.database import Transaction
from tests.journeys.access.test_outsiders import STEPS, WORDS, Walk, of_menu, pressed, said
from tests.journeys.access.test_viewers_walk import MORE_WORDS, begin
from tests.journeys.access.walkers import DOB, FIRST, LAST, MANAGER, NUMBER, PHONE, REFERENCE, VIEWER
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.queries.test_look_ups import TOO_OFTEN
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, MovedClock, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

EVERY_ROLE: dict[str, Any] = {
    "KYC_REQUESTERS": f"{ANALYST},{ADMIN}",
    "KYC_REVIEWERS": f"{REVIEWER},{ADMIN}",
    "KYC_VIEWERS": VIEWER,
    "KYC_MANAGERS": f"{MANAGER},{ADMIN}",
    "KYC_ADMINS": ADMIN,
    "KYC_REVIEW_CHANNEL": REVIEW_CHANNEL,
    "KYC_SEEN_BEFORE": "30d",
}
LIMITS = ("KYC_FINDS_PER_HOUR", "KYC_LOOKS_PER_HOUR", "KYC_SEEN_BEFORE_PER_HOUR")

FIND, CHECK, SEEN_BEFORE = LookUp
WORK = "not counted: it waits for a reviewer, and is theirs to decide"
OPEN = "not counted: pressed in the photos of the check, whose opening was"
NOTHING = "shows nothing that a customer could be known by"

WORD = {
    **dict.fromkeys(WORDS, NOTHING),
    "status {ref}": CHECK,
    "rerun {ref}": CHECK,
    "review {ref}": CHECK,
    "list all": FIND,
}
MORE = {**dict.fromkeys(MORE_WORDS, NOTHING), "list review": WORK, "list all rejected": FIND}
STEP: Mapping[str, Sequence[str]] = {
    "handlers.commands.kyc": [WORD[word] for word in WORDS],
    "more words": [MORE[word] for word in MORE_WORDS],
    # A form that opens empty is counted with what is sent.
    "handlers.check_form.start": [NOTHING, NOTHING],
    "handlers.home.find": [NOTHING],
    "handlers.home.notify": [NOTHING],
    "handlers.home.chosen": [WORK, WORK],
    "handlers.home.review_next": [WORK],
    "handlers.events.home_opened": [WORK],
    # What somebody sends in is compared with everybody's checks, where they may see them.
    "handlers.messages.shortcut": [NOTHING],
    "handlers.messages.mentioned": [NOTHING],
    "handlers.messages.direct": [NOTHING, SEEN_BEFORE],
    "handlers.messages.open_form": [NOTHING],
    "handlers.messages.send": [NOTHING],
    "handlers.check_form.open_again": [NOTHING],
    "handlers.check_form.chosen": [NOTHING],
    "handlers.check_form.submitted": [NOTHING],
    "handlers.checks.open_details": [CHECK],
    "handlers.checks.push_details": [CHECK],
    "handlers.photos.show_photos": [CHECK, CHECK],
    "handlers.photos.ask_for_photos": [OPEN],
    "handlers.checks.run_again": [CHECK],
    "handlers.corrections.edit": [CHECK],
    "handlers.corrections.ask_for_new_photos": [CHECK],
    "handlers.more.chosen": [NOTHING, CHECK, NOTHING],
    "handlers.customer.pressed": [CHECK],
    "handlers.customer.done": [NOTHING],
    # They say of a check what the message says in which they are pressed, or that something was done.
    "handlers.checks.cancel": [NOTHING],
    "handlers.checks.let_pass": [NOTHING],
    "handlers.checks.sent_anyway": [NOTHING],
    "handlers.corrections.ask_for_photos": [NOTHING],
    "handlers.corrections.photos_replaced": [NOTHING],
    "handlers.corrections.new_photos_submitted": [NOTHING],
    "handlers.review_requests.pressed": [NOTHING],
    "handlers.review_requests.requested": [NOTHING],
    "handlers.forget.confirmed": [NOTHING],
    "handlers.links.renew": [NOTHING],
    "handlers.links.withdraw": [NOTHING],
    # Reviews.
    "handlers.review.claimed": [NOTHING, NOTHING],
    "handlers.review.closed": [NOTHING],
    "handlers.review.ended": [NOTHING],
    "handlers.review.released": [NOTHING],
    "handlers.review.agreed": [NOTHING],
    "handlers.review.disagree": [NOTHING],
    "handlers.review.disagreed": [NOTHING],
    "handlers.review.more": [NOTHING, NOTHING, NOTHING, NOTHING, WORK],
    "handlers.review.skipped": [WORK],
    "handlers.review.decide": [WORK],
    "handlers.review.decided": [NOTHING],
    "handlers.review.hand_on": [NOTHING],
    "handlers.review.handed_on": [NOTHING],
    "handlers.review.note": [NOTHING],
    "handlers.review.noted": [NOTHING],
    "handlers.review.notified": [NOTHING],
    # Of a file they show how many rows it has; of figures and settings, no check at all.
    "handlers.batches.template": [NOTHING],
    "handlers.batches.decided": [NOTHING] * 10,
    "handlers.search.turned": [NOTHING, FIND],
    "handlers.search.next_page": [FIND],
    "handlers.search.submitted": [FIND],
    "handlers.summary.shared": [NOTHING],
    "handlers.listeners.old_command": [NOTHING],
    "handlers.listeners.old_button": [NOTHING, NOTHING],
    "handlers.listeners.old_form": [NOTHING],
    "handlers.listeners.no_options": [NOTHING],
}
"""What each step is, for somebody who has every role and asked for none of the checks."""
OF_THE_CUSTOMER = (FIRST, LAST, NUMBER, REFERENCE, DOB, PHONE, f"ending {tail(NUMBER)}")


@asynccontextmanager
async def in_one_hour(folder: Path, **limits: str) -> AsyncIterator[Journey]:
    """A journey from the beginning of an hour on, so that no other one begins in the middle of it."""
    clock, hour = MovedClock(), timedelta(hours=1)
    begun = clock().replace(minute=0, second=0, microsecond=0)
    clock.move(seconds=(begun + hour - clock()).total_seconds())
    async with journey(folder, clock=clock, **{**EVERY_ROLE, **limits}) as world:
        yield world


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a step came to: which looks were counted, and what the person alone was shown."""

    counted: Counter[str]
    shown: Sequence[str]


async def walked(walk: Walk, step: Callable[[Walk], Awaitable[Any]]) -> Heard:
    world, before = walk.world, await looks(walk.world)
    calls, whispers = len(world.slack.calls), [*private(world)]
    answer = await step(walk)
    await world.answered()
    await world.work()
    views = [repr(one.arguments) for one in world.slack.calls[calls:] if one.method.startswith("views.")]
    told = [text for text in private(world) if text not in whispers]
    for modal in reversed(walk.person.open_modals):
        await modal.close()
    counted = Counter(kind for kind, _hour in (await looks(world) - before).elements())
    return Heard(counted=counted, shown=[repr(answer), *views, *told])


def private(world: Journey) -> Sequence[str]:
    messages = [*world.slack.ephemerals(ADMIN), *world.slack.direct_messages(ADMIN)]
    return [f"{message.text}{message.blocks}" for message in messages]


async def looks(world: Journey) -> Counter[tuple[str, str]]:
    """How many looks this person has taken, or was refused, by kind and hour."""

    def read(tx: Transaction) -> Counter[tuple[str, str]]:
        rows = tx.rows("SELECT kind, hour, looks + refused AS count FROM look_ups WHERE person = :admin", admin=ADMIN)
        return Counter({(row["kind"], row["hour"]): row["count"] for row in rows})

    return await world.bot.database.read(read)


def shown_of_customer(heard: Heard) -> Sequence[str]:
    return [datum for datum in OF_THE_CUSTOMER if any(datum in text for text in heard.shown)]


@pytest.mark.parametrize(
    "limit", [pytest.param(1000, id="below the limits", marks=pytest.mark.endurance), pytest.param(1, id="beyond them")]
)
async def test_whatever_shows_anothers_check_is_counted_or_is_a_reviewers_work(tmp_path: Path, limit: int) -> None:
    steps = {**STEPS, "more words": [said(words) for words in MORE_WORDS]}
    assert {name: len(each) for name, each in steps.items()} == {name: len(each) for name, each in STEP.items()}
    is_beyond, looks_taken = limit == 1, set(LookUp)
    async with in_one_hour(tmp_path, **dict.fromkeys(LIMITS, str(limit))) as world:
        walk = await begin(world, ADMIN)
        if is_beyond:
            for kind in LookUp:
                await world.bot.search.look_ups.require(ADMIN, kind)
        for name, each in steps.items():
            for number, (step, what) in enumerate(zip(each, STEP[name], strict=True)):
                heard, about = await walked(walk, step), f"{name} {number}"
                assert heard.counted == (Counter({what: 1}) if what in looks_taken else Counter()), about
                may_show = what in (WORK, OPEN) or (what in looks_taken and not is_beyond)
                assert may_show or not shown_of_customer(heard), about
                assert what not in (WORK, OPEN) or shown_of_customer(heard), about
                refused = any(TOO_OFTEN in text for text in heard.shown)
                assert refused is (is_beyond and what in (FIND, CHECK)), about


# Forms and pages that hold a customer, each of a check in which they open


OPENS: Mapping[str, tuple[str, Callable[[Walk], Awaitable[Any]]]] = {
    "status": ("rejected", said("status {ref}")),
    "review": ("rejected", said("review {ref}")),
    "rerun": ("rejected", said("rerun {ref}")),
    "run again": ("rejected", pressed(ids.RUN_AGAIN)),
    "send other photos": ("rejected", pressed(ids.SEND_PHOTOS)),
    "message for the customer": ("rejected", of_menu(ids.CHECK_MORE, ids.CUSTOMER_MESSAGE)),
    "details": ("rejected", pressed(ids.DETAILS)),
    "photos": ("rejected", pressed(ids.PHOTOS_SHOW)),
    "edit": ("held", pressed(ids.EDIT)),
}
"""By what they are called; each with the state of the check."""


async def checks_in_states(world: Journey) -> Mapping[str, str]:
    """References of checks that the analyst asked for, by state."""
    customer = {"first_name": FIRST, "id_number": NUMBER, "customer_reference": REFERENCE}
    world.smile_id.stories_by_id_number[NUMBER] = "rejected"
    refs = {"rejected": await world.ask(**customer)}
    await world.settle()
    refs["held"] = await world.ask(**customer, selfie=blurred())
    await world.work()
    world.slack.channels[CHANNEL].members.add(ADMIN)
    return refs


async def test_no_form_or_page_of_anothers_check_opens_beyond_the_limit(tmp_path: Path) -> None:
    async with in_one_hour(tmp_path, KYC_SEEN_BEFORE="0", KYC_LOOKS_PER_HOUR="1") as world:
        refs = await checks_in_states(world)
        shown = world.slack.world.whisper(CHANNEL, ADMIN, text="Try again.")
        for way, (state, step) in OPENS.items():
            walk = Walk(world=world, ref=refs[state], message="", form={}, shown=shown, user=ADMIN)
            first, second = await walked(walk, step), await walked(walk, step)
            assert first.counted == second.counted == Counter({CHECK: 1}), way
            assert not any(TOO_OFTEN in text for text in first.shown), way
            assert any(TOO_OFTEN in text for text in second.shown), way
            assert shown_of_customer(first) or way == "message for the customer", way
            assert not shown_of_customer(second), way
            world.clock.move(hours=1)


async def test_what_a_reviewer_has_claimed_is_work_and_no_limit_stops_it(tmp_path: Path) -> None:
    async with in_one_hour(tmp_path, KYC_LOOKS_PER_HOUR="1") as world:
        walk = await begin(world, ADMIN)
        ref, look = walk.ref, pressed(ids.DETAILS)
        assert shown_of_customer(await walked(walk, look))
        assert not shown_of_customer(await walked(walk, look))
        await world.bot.review.claim(ADMIN, ref)
        for step in (look, pressed(ids.PHOTOS_SHOW), said("review {ref}"), look):
            heard = await walked(walk, step)
            assert heard.counted == Counter()
            assert shown_of_customer(heard)
        # Given back by the card that they alone see: that stands, and the card says so, whatever the limit.
        assert (await walk.command(f"review {ref}")).ok
        assert (await walk.person.click(world.slack.ephemerals(ADMIN)[-1], ids.REVIEW_MORE, value="Unclaim")).ok
        await world.answered()
        card = world.slack.ephemerals(ADMIN)[-1]
        assert ref in str(card.blocks)
        assert "Claimed by" not in world.slack.plain(card)
        assert any(TOO_OFTEN in text for text in (await walked(walk, look)).shown)
        # Whoever else has it now.
        await world.bot.review.claim(REVIEWER, ref)
        assert any(TOO_OFTEN in text for text in (await walked(walk, look)).shown)

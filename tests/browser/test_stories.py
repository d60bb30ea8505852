"""Every story of *What Smile ID answers next*, ordered in the page and played once: what people then read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from bot.sandbox.smile_id import STORIES
from tests.browser.world import REVIEWS, VERY_WIDE, Client, Site, open_demo_site

pytestmark = [pytest.mark.browser, pytest.mark.anyio]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What people see of one story."""

    thread: str
    """What the analyst reads in the thread at the end."""
    cards: tuple[str, ...] = ()
    """What the reviewers' cards of it say then; none: they are not called."""
    before: str = ""
    """What the thread said before people at Smile ID looked; empty: nobody looks."""
    after: timedelta = timedelta(0)
    """How long nobody hears anything."""


APPROVED = "Approved — face and ID number verified"
REJECTED = "Rejected — the selfie does not match the authority's photo"
NOT_FINAL = "Not final: provisionally approved, in human review at Smile ID"
SPOOF = "Rejected — the selfie does not look like a live person"

ROWS = {
    "approved": Row(thread=APPROVED),
    "another_person": Row(thread="Approved by Smile ID — but the name differs", cards=("differs",)),
    "rejected": Row(thread=REJECTED),
    "provisional": Row(thread=NOT_FINAL, cards=("Not final",), before=NOT_FINAL),
    "provisional_approved": Row(thread=APPROVED, cards=("Approved",), before=NOT_FINAL),
    "provisional_rejected": Row(thread=REJECTED, cards=("Rejected",), before="Not final: inconclusive"),
    "spoof": Row(thread=SPOOF, cards=("Not final: suspected spoof", SPOOF), before="Not final: suspected spoof"),
    "spoof_strict": Row(thread=SPOOF, cards=(SPOOF,)),
    "id_not_found": Row(thread="Rejected — the authority does not know this ID number"),
    "bad_id_format": Row(thread="No result — wrong BVN format"),
    "authority_down": Row(thread="No result — the authority's register is unavailable"),
    "no_face": Row(thread="Rejected — no usable face in the selfie"),
    "selfie_unusable": Row(thread="No result — Smile ID could not use the photos"),
    "authority_photo_missing": Row(
        thread="No result — the authority holds no photo of this person",
        cards=("No result — the authority holds no photo of this person",),
    ),
    "unverified_id": Row(thread="Needs review — selfie accepted, ID number not verified", cards=("Needs review",)),
    "unknown_code": Row(
        thread="Needs review — Smile ID answered with a code we do not know (0899)", cards=("Needs review",)
    ),
    "suspects": Row(thread="Smile ID reports other accounts with this face", cards=("other accounts with this face",)),
    "silent": Row(thread=APPROVED, after=timedelta(minutes=6)),
    "never": Row(thread="Still waiting after 7 days", cards=("Still waiting",), after=timedelta(days=7, minutes=1)),
    "repeats": Row(thread=APPROVED),
    "out_of_order": Row(thread=APPROVED),
    "contradiction": Row(
        thread="Needs review — the result we received and Smile ID's own record differ", cards=("Needs review",)
    ),
    "unconfirmed": Row(
        thread="Not final: approval received, not yet in Smile ID's own record",
        cards=("Not final",),
        after=timedelta(minutes=3),
    ),
    "second_final": Row(
        thread="Needs review — Smile ID sent another final result: first Rejected, now Approved",
        cards=("Needs review",),
        before=REJECTED,
    ),
    "callback_first": Row(thread=APPROVED),
}
NUMBERS = {story: f"0000000{100 + at}0" for at, story in enumerate(STORIES)}
"""An ID number of its own for each, by whose ending its messages are told apart."""


@pytest.fixture(scope="module")
async def site(chromium: Browser) -> AsyncIterator[Site]:
    async with open_demo_site(chromium) as opened:
        yield opened


@pytest.fixture(scope="module")
async def amina(site: Site) -> Client:
    return await site.client(size=VERY_WIDE)


@pytest.fixture(scope="module")
async def remi(site: Site) -> Client:
    return await site.client("remi", place=REVIEWS)


def test_every_story_has_a_row() -> None:
    assert set(ROWS) == set(STORIES)


@pytest.mark.parametrize("story", STORIES)
async def test_a_story_that_was_ordered_is_read_to_its_end(site: Site, amina: Client, remi: Client, story: str) -> None:
    row, number = ROWS[story], NUMBERS[story]
    ending = f"BVN ending {number[-3:]}"
    await amina.order(story)
    await amina.ask(number=number)
    if row.after:
        await expect(amina.messages.filter(has_text=ending)).to_contain_text("Waiting for Smile ID")
        await expect(amina.messages.filter(has_text=ending).locator(".replies")).to_have_count(0)
        await site.smile_id_has_spoken(story)
        await site.let_pass(row.after)
    await amina.open_thread_of(ending)
    if row.before:
        await expect(amina.replies.filter(has_text=row.before)).to_have_count(1)
        await amina.press("What Smile ID answers next", "Let Smile ID's people look now")
    await expect(amina.replies.filter(has_text=row.thread)).to_have_count(1)
    await site.rest()
    await expect(amina.replies.filter(has_text=row.thread)).to_have_count(1)
    await expect(remi.messages.filter(has_text=ending)).to_contain_text(list(row.cards))
    assert site.complaints == []

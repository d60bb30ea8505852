"""Lists of checks, and the search."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from bot.domain.check.states import ReviewReason, State
from bot.domain.results.codes import ResultStory
from bot.slack.blocks import find, review_queue
from bot.slack.blocks.private import answer
from bot.slack.blocks.review_queue import WaitingCheck
from tests.pictures.people import AMINA, REMI
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import CHECK_BVN, LINK, ended, reading
from tests.slack.blocks.samples import ID_TYPES, a_review

REQUESTERS = [name for name in find.LABELS if name != "all"]
EVERYBODYS = ["all", *(f"all {name}" for name in find.LABELS if name not in ("mine", "all"))]


def sheets() -> list[Sheet]:
    shown = list(rows())
    countries = list(ID_TYPES.countries().items())
    return [
        Sheet(
            name="lists",
            title="Lists and search",
            line="`/kyc list` and `/kyc find`: the checks that one may see, newest first.",
            scenes=[
                _list("/kyc list", shown, "mine", has_older=True),
                _list("/kyc list all, a page in the middle", shown, "all", has_older=True, has_newer=True),
                _list("/kyc list of somebody who has not asked yet", [], "mine"),
                _list("/kyc list review of who asked, and there is none", [], "review"),
                _queue("/kyc list review of a reviewer", more=3),
                _queue("/kyc list review, and nothing is waiting", more=None),
                Scene(
                    caption="/kyc list with a filter that I do not know",
                    shows=answer(find.unknown_filter("<b>late</b>", REQUESTERS)),
                    place=Place.PRIVATE,
                ),
                Scene(caption="/kyc find", shows=find.form(countries)),
                Scene(
                    caption="/kyc find of a viewer or manager",
                    shows=find.form(countries, finds_customers=False, finds_others=False),
                ),
                Scene(
                    caption="Nothing was filled in",
                    shows=find.form(countries),
                    errors={"find_ref": find.NOTHING_SOUGHT},
                ),
                Scene(
                    caption="Found",
                    shows=find.results(shown[:4], metadata="", has_older=True, has_newer=True),
                ),
                Scene(
                    caption="Nothing found",
                    shows=find.results([], metadata="", has_older=False, has_newer=False),
                ),
            ],
        )
    ]


def rows() -> Iterator[find.CheckRow]:
    checks = [
        CHECK_BVN,
        replace(CHECK_BVN, state=State.IN_REVIEW, reason=ReviewReason.SMILE_ID),
        replace(CHECK_BVN, state=State.IN_REVIEW, reason=ReviewReason.ID_UNVERIFIED),
        ended(State.APPROVED, reading(ResultStory.CONFIRMED)),
        ended(State.REJECTED, reading(ResultStory.FACES_DIFFER)),
        replace(ended(State.FAILED, reading(ResultStory.AUTHORITY_DOWN)), country="KE", id_type="NATIONAL_ID"),
        replace(CHECK_BVN, state=State.CANCELLED),
    ]
    for number, check in enumerate(checks):
        shown = replace(
            check,
            ref=f"K-{7 - number}F3K2Q",
            requester=AMINA if number % 2 else REMI,
            asked_at=check.asked_at - timedelta(hours=9 * number),
        )
        entry = ID_TYPES.find(shown.country, shown.id_type)
        yield find.CheckRow(check=shown, entry=entry, link=LINK if number else None)


def _queue(caption: str, *, more: int | None) -> Scene:
    in_review = [row for row in rows() if row.check.state is State.IN_REVIEW]
    reviews = (a_review(claimed_by=REMI), a_review())
    waiting = [WaitingCheck(row=row, review=one) for row, one in zip(in_review, reviews, strict=True)]
    said = review_queue.listing(
        [] if more is None else waiting, viewer=REMI, more=more or 0, shown="review", offers=["review", *EVERYBODYS]
    )
    return Scene(caption=caption, shows=said, place=Place.PRIVATE)


def _list(
    caption: str, rows: list[find.CheckRow], shown: str, *, has_older: bool = False, has_newer: bool = False
) -> Scene:
    offers = EVERYBODYS if shown == "all" else REQUESTERS
    said = find.listing(rows, shown=shown, offers=offers, has_older=has_older, has_newer=has_newer)
    return Scene(caption=caption, shows=said, place=Place.PRIVATE)

"""What one person sees alone: status, help, the Details."""

from dataclasses import replace
from datetime import timedelta

from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import Message
from bot.domain.results.codes import ResultStory
from bot.domain.results.customer_texts import CustomerTexts
from bot.domain.results.record_match import RecordMatch
from bot.domain.results.trust_rules import Source
from bot.domain.review.review import ReviewState
from bot.slack.blocks import command_help, customer, private, record
from bot.slack.blocks.command_help import HelpPart
from tests.pictures.people import REMI
from tests.pictures.scene import TWO_MODALS, Place, Scene, Sheet
from tests.pictures.scenes.samples import CHECK_BVN, DIFFERS, ENTRY, LINK, RECEIVED_AT, ended, reading
from tests.slack.blocks.samples import DATA, a_review, decided

_AUTHORITY = {
    "Name at the authority": "Ada Chidinma Obi",
    "Date of birth at the authority": "1990-01-02",
    "Gender": "Female",
    "Address": "1 Invented Street, Lagos",
}

REVIEWERS = {HelpPart.REVIEW, HelpPart.LOOK_UP, HelpPart.NOTIFY}
TEXTS = CustomerTexts.parse((DATA / "customer-messages.csv").read_text("utf-8"))


def sheets() -> list[Sheet]:
    approved = ended(State.APPROVED, reading(ResultStory.CONFIRMED))
    rejected = ended(State.REJECTED, reading(ResultStory.FACES_DIFFER))
    differing = replace(approved, record=DIFFERS)
    waiting = replace(CHECK_BVN, state=State.REQUESTED, photos_checked_at=None, sent_at=None)
    return [
        Sheet(
            name="status-and-help",
            title="Status and help",
            line="Answers to `/kyc status` and `/kyc help`, seen by who asked alone.",
            scenes=[
                _alone("/kyc status of a check that waits", record.status(waiting, ENTRY, None, link=LINK)),
                _alone("/kyc status of an approved check", record.status(approved, ENTRY, None, link=LINK)),
                _alone(
                    "/kyc status of a rejected check, its message gone", record.status(rejected, ENTRY, None, link=None)
                ),
                _alone("/kyc help", command_help.message({HelpPart.START, HelpPart.LOOK_UP, HelpPart.NOTIFY})),
                _alone("/kyc help of a reviewer", command_help.message(REVIEWERS)),
                _alone("/kyc help of a viewer", command_help.message({HelpPart.LOOK_UP})),
                _alone("The form could not open in time", private.try_again("C0KYC")),
                _alone(
                    "/kyc with an unknown word", command_help.message(REVIEWERS, unknown="<script>alert(1)</script>")
                ),
            ],
        ),
        Sheet(
            name="customer",
            title="For the customer",
            line="Texts to copy, by result and language; the bot sends nothing to customers.",
            scenes=[
                Scene(caption="A rejected check", shows=customer.form(rejected, TEXTS.of(rejected))),
                Scene(
                    caption="Approved, but the name differs",
                    shows=customer.form(differing, TEXTS.of(differing)),
                ),
                Scene(
                    caption="While a reviewer looks at an approval",
                    shows=customer.form(replace(approved, review=ReviewState.OPEN), ()),
                ),
                Scene(
                    caption="While a reviewer looks at a rejection",
                    shows=customer.form(replace(rejected, review=ReviewState.OPEN), TEXTS.of(rejected)),
                ),
            ],
        ),
        Sheet(
            name="record",
            title="The record",
            line="What *Details* shows to viewers and managers: where the check stands, and nothing personal.",
            scenes=[
                Scene(
                    caption="A rejected check",
                    shows=record.view(replace(rejected, id_info={}), ENTRY, None, link=LINK),
                ),
                Scene(
                    caption="In review, claimed; decided once before",
                    shows=record.view(
                        replace(
                            ended(State.IN_REVIEW, reading(ResultStory.UNKNOWN_CODE)),
                            id_info={},
                            reason=ReviewReason.UNKNOWN_CODE,
                            ended_at=None,
                        ),
                        ENTRY,
                        a_review(claimed_by=REMI),
                        [decided("", by=REMI)],
                        link=LINK,
                    ),
                ),
            ],
        ),
        Sheet(
            name="details",
            title="Details",
            line="Everything that is held of a check, for who asked, reviewers and admins.",
            width=TWO_MODALS,
            scenes=[
                Scene(
                    caption="While links to the photos are fetched; nothing said yet",
                    shows=private.details(CHECK_BVN, ENTRY, [], photo_links=None),
                ),
                Scene(
                    caption="An approved check",
                    shows=private.details(
                        approved,
                        ENTRY,
                        [
                            _told(ResultStory.ID_DETAILS, 4),
                            _told(ResultStory.CONFIRMED, 9),
                            _told(ResultStory.SUSPECTS, 30),
                        ],
                        photo_links={
                            "selfie_image": "https://example.com/selfie?X-Amz-Date=1&X-Amz-Signature=2",
                            "id_card_image": "https://example.com/card?X-Amz-Date=1",
                        },
                    ),
                ),
                Scene(
                    caption="An approved check whose number belongs to somebody else",
                    shows=private.details(
                        replace(approved, record=DIFFERS),
                        ENTRY,
                        [_told(ResultStory.CONFIRMED, 9)],
                        photo_links={},
                        compared=[
                            private.ComparedField(
                                name="Name", entered="Ada Obi", recorded=["EZE CHIDI TEST"], word=RecordMatch.DIFFERS
                            ),
                            private.ComparedField(
                                name="Date of birth",
                                entered="1990-01-02",
                                recorded=["1971-05-06"],
                                word=RecordMatch.DIFFERS,
                            ),
                        ],
                    ),
                ),
                Scene(
                    caption="A customer's reference that looks like a script stays text",
                    shows=private.details(
                        replace(rejected, customer_reference="<script>alert(1)</script> & <b>C-17</b>", id_info={}),
                        ENTRY,
                        [_told(ResultStory.ANTIFRAUD, 2), _told(ResultStory.FACES_DIFFER, 9)],
                        photo_links={},
                    ),
                ),
            ],
        ),
    ]


def _told(why: ResultStory, seconds: int) -> private.MessageDetails:
    has_suspects = why is ResultStory.SUSPECTS
    return private.MessageDetails(
        at=RECEIVED_AT + timedelta(seconds=seconds),
        source=Source.CALLBACK if seconds < 9 else Source.JOB_STATUS,
        reading=replace(reading(why), actions={}) if why is ResultStory.ID_DETAILS else reading(why),
        authority=_AUTHORITY if why is ResultStory.ID_DETAILS else {},
        suspects=["user-7 (same face, other name)"] if has_suspects else [],
    )


def _alone(caption: str, said: Message) -> Scene:
    return Scene(caption=caption, shows=said, place=Place.PRIVATE)

"""*Show photos*: the page of a reviewer, and what the requester reads when they cannot see one."""

from dataclasses import replace
from pathlib import Path

from bot.domain.check.check import PhotosBy
from bot.domain.outbox import PostKind
from bot.slack.blocks import photos, review_actions
from bot.slack.blocks.photos import AskedFor, Missing, ShownPhoto
from bot.slack.blocks.review_actions import Reader
from tests.pictures.people import AMINA, NOW, REMI
from tests.pictures.scene import TWO_MODALS, Place, Scene, Sheet
from tests.pictures.scenes.review import IN_REVIEW, OPEN
from tests.pictures.scenes.samples import CHECK_BVN, ENTRY, LINK

_FACES = Path(__file__).parents[3] / "bot" / "sandbox" / "data" / "photos"
_FILE = "https://acme-compliance.slack.com/files/U0AMINA0001/F0{}/photo.jpg"
_SELFIE = ShownPhoto(name="Selfie", file_id="F0SELFIE001", link=_FILE.format("SELFIE001"))
_LIVENESS = ShownPhoto(name="Liveness image 1", file_id="F0LIVE00001", link=_FILE.format("LIVE00001"))
_IMAGES = {
    _SELFIE.file_id: (_FACES / "selfie.jpg").read_bytes(),
    _LIVENESS.file_id: (_FACES / "liveness_0.jpg").read_bytes(),
}
_WITH_LIVENESS = replace(CHECK_BVN, liveness_images=8)
_DIRECT = replace(CHECK_BVN, channel=f"D{AMINA[1:]}")
_READER = Reader(user=REMI, is_reviewer=True, is_admin=False)
_ASKED = AskedFor(at=NOW, thread=LINK)


def sheets() -> list[Sheet]:
    lapsed = [
        replace(_SELFIE, missing=Missing.DELETED),
        *(
            ShownPhoto(name=f"Liveness image {number}", file_id=f"F{number}", missing=missing)
            for number, missing in enumerate((Missing.HIDDEN, Missing.CLOSED, Missing.SILENT), start=1)
        ),
    ]
    inside = replace(_SELFIE, missing=Missing.INSIDE)
    return [
        Sheet(
            name="photos",
            title="Show photos",
            line="The one page with faces, on top of the Details: for reviewers and admins, not for who asked.",
            width=TWO_MODALS,
            scenes=[
                Scene(caption="While Slack is asked", shows=photos.opening(CHECK_BVN.ref)),
                Scene(
                    caption="The photos of nobody",
                    shows=photos.photos(
                        IN_REVIEW, ENTRY, [_SELFIE, _LIVENESS], row=review_actions.in_photos(IN_REVIEW, OPEN, _READER)
                    ),
                    images=_IMAGES,
                ),
                Scene(
                    caption="Where Slack refuses to show them, with the requester asked",
                    shows=photos.photos(CHECK_BVN, ENTRY, [_SELFIE, _LIVENESS], as_links=True, asked=_ASKED),
                ),
                Scene(
                    caption="The customer took them",
                    shows=photos.photos(replace(CHECK_BVN, photos_by=PhotosBy.LINK), ENTRY, []),
                ),
                Scene(caption="What has lapsed is said by name", shows=photos.photos(CHECK_BVN, ENTRY, lapsed)),
                Scene(
                    caption="A row of a file of customers, asked for in a private conversation",
                    shows=photos.photos(_DIRECT, ENTRY, [inside]),
                ),
                Scene(
                    caption="The requester of a private conversation is asked",
                    shows=photos.photos(_DIRECT, ENTRY, [inside], asked=_ASKED),
                ),
                Scene(
                    caption="Who attached them has left",
                    shows=photos.photos(CHECK_BVN, ENTRY, [_SELFIE], as_links=True, has_left=True),
                ),
                Scene(caption="Nothing known", shows=photos.photos(CHECK_BVN, ENTRY, [])),
            ],
        ),
        Sheet(
            name="photos-asked",
            title="Photos asked for",
            line="What the requester reads when a reviewer cannot see the photos.",
            scenes=[
                Scene(
                    caption="In the thread",
                    shows=photos.request(_WITH_LIVENESS, by=REMI, is_direct=False),
                    kinds=[PostKind.PHOTOS_ASKED],
                    place=Place.THREAD,
                ),
                Scene(
                    caption="In a conversation with the bot",
                    shows=photos.request(_DIRECT, by=REMI, is_direct=False),
                    place=Place.DIRECT,
                ),
            ],
        ),
    ]

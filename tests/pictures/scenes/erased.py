"""What stands where something about a customer stood, and what people are asked to delete themselves."""

from dataclasses import replace
from datetime import timedelta

from bot.domain.check.states import State
from bot.domain.outbox import PostKind
from bot.domain.privacy.erasures import CheckLeft, Copies, Erased, Erasure, FoundBy, RecordKept, Standing, Traces
from bot.domain.privacy.holds import CAUSES, HoldCause, Stay
from bot.domain.results.codes import ResultStory
from bot.outbox.builders import File
from bot.privacy import certificate, signing
from bot.slack.blocks import erased, forget, holds, photos, private, record, thread
from bot.slack.blocks.erased import ToDelete
from storage.engine.chain import Head
from storage.engine.sealing import Sealer
from tests.pictures.people import MUSA, NOW
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import CHECK_BVN, ENTRY, LINK, ended, reading

_FILE = "https://acme-compliance.slack.com/files/U0AMINA0001/F0{}"


def _certificate(caption: str, check: CheckLeft) -> Scene:
    asked = Erasure(
        id="F-6C3W8N",
        found_by=FoundBy.REF,
        asked_by=MUSA,
        asked_at=NOW,
        checks={check.ref: check.erased},
        looked_for=(),
    )
    copies = Copies(backups=(), backups_until=None, set_aside=())
    standing = Standing(erasure=asked, checks=[check], copies=copies, traces=Traces.NONE)
    head = Head(seq=4_711, chain="0" * 64)
    signed = signing.sign(certificate.document(standing, head, at=NOW), Sealer([bytes(range(32))]))
    name = f"certificate-{asked.id}{'-done' if standing.is_whole else ''}.json"
    file = File(channel="D0", thread_ts=None, name=name, data=signed, comment=forget.certificate(standing))
    return Scene(caption=caption, shows=file, kinds=[PostKind.CERTIFICATE], place=Place.DIRECT)


def sheets() -> list[Sheet]:
    photo, others = _FILE.format("SELFIE001"), [_FILE.format(f"LIVE0000{number}") for number in range(8)]
    two = [
        ToDelete(ref=CHECK_BVN.ref, files=[photo, *others]),
        ToDelete(ref="K-2M9D4W", files=[photo], messages=[LINK]),
    ]
    kept = RecordKept(until=NOW + timedelta(days=5 * 365), rule="KYC_RETENTION_RECORD, 5y")
    left = CheckLeft(ref=CHECK_BVN.ref, erased=None, stay=None, record=kept)
    done = replace(left, erased=Erased(at=NOW, gone={}))
    approved = ended(State.APPROVED, reading(ResultStory.CONFIRMED))
    gone = replace(approved, id_info={}, customer_reference="", photos_erased_at=NOW, personal_erased_at=NOW)
    return [
        Sheet(
            name="erased",
            title="Erased",
            line="When the time of a customer's data is over, or they are forgotten.",
            scenes=[
                Scene(
                    caption="The message of a check whose customer's data is erased, and whose record is kept",
                    shows=thread.request_message(gone, ENTRY),
                ),
                Scene(
                    caption="/kyc status of it",
                    shows=record.status(gone, ENTRY, None, link=LINK),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="Its Details",
                    shows=private.details(gone, ENTRY, [], photo_links=None),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="Its photos",
                    shows=photos.photos(gone, ENTRY, []),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="/kyc forget",
                    shows=forget.form(left),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="Confirmed, while something stays",
                    shows=forget.done(replace(left, stay=Stay.HELD, causes=[CAUSES[HoldCause.LEGAL]]), certified=True),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="Erased",
                    shows=forget.done(replace(done, in_slack=["file: due"]), certified=True),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="/kyc forget of one that was erased before",
                    shows=forget.done(done),
                    place=Place.PRIVATE,
                ),
                _certificate("The certificate, half a minute later", replace(done, in_slack=["file: no_user_token"])),
                _certificate("The last one, once nothing is left", done),
                Scene(
                    caption="/kyc hold",
                    shows=holds.held(CHECK_BVN.ref, HoldCause.RELATIONSHIP, is_new=True),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="/kyc unhold, where another cause runs on",
                    shows=holds.ended(CHECK_BVN.ref, [HoldCause.LEGAL], is_new=True),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="/kyc unhold",
                    shows=holds.ended(CHECK_BVN.ref, [], is_new=True),
                    place=Place.PRIVATE,
                ),
                Scene(
                    caption="In place of each message about the check, while its record is kept",
                    shows=erased.message(CHECK_BVN.ref, at=NOW, is_record_kept=True),
                ),
                Scene(
                    caption="And once nothing is kept",
                    shows=erased.message(CHECK_BVN.ref, at=NOW, is_record_kept=False),
                    place=Place.THREAD,
                ),
                Scene(
                    caption="Who put photos there is asked to delete them, where the bot may not",
                    shows=erased.deletion_asked([ToDelete(ref=CHECK_BVN.ref, files=[photo])]),
                    kinds=[PostKind.DELETION_ASKED],
                    place=Place.DIRECT,
                ),
                Scene(
                    caption="The same for two checks, one of them asked for by a message",
                    shows=erased.deletion_asked(two),
                    kinds=[PostKind.DELETION_ASKED],
                    place=Place.DIRECT,
                ),
            ],
        )
    ]

"""What a bot is made of, by capability.

A step that makes several parts returns them by the names of `Bot`'s fields, where `build` unpacks them: mypy finds one
that is missing, doubled or of another type.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypedDict

from bot.access.causes import Causes
from bot.access.refusals import Refusals
from bot.capture import assets
from bot.capture.handover import SEND_SECONDS, Handover
from bot.capture.interface import Capture, CustomerPage
from bot.capture.link_actions import LinkActions
from bot.capture.links import CaptureLinks
from bot.domain.results.attempt import Receipt
from bot.domain.results.codes import ResultMeaning
from bot.intake.answer_delivery import AnswerDelivery
from bot.intake.answers import AnswerBuilder
from bot.intake.batches import Batches
from bot.intake.corrections import Corrections
from bot.intake.inbox import Inbox
from bot.intake.messages import MessageReader
from bot.intake.service import Intake
from bot.outbox.rate_limiter import RateLimiter
from bot.privacy.erased_posts import ErasedPosts
from bot.privacy.erasure import Erasures
from bot.privacy.holds import Holds
from bot.privacy.retention import NightlyPurge
from bot.privacy.slack_removals import SlackRemovals
from bot.privacy.trail_heads import TrailHeads
from bot.queries.customer import CustomerMessages
from bot.queries.details import CheckDetails
from bot.queries.home import HomeTab
from bot.queries.photos import CheckPhotos
from bot.queries.search import CheckSearch
from bot.reporting.report_reader import ReportReader
from bot.results.announcements import Announcements
from bot.results.callbacks import Callbacks
from bot.results.polling import StatusPoller
from bot.results.settlement import Settlement
from bot.results.settling import CallbackSettler
from bot.review.cards import ReviewCards
from bot.review.decisions import ReviewDecisions
from bot.review.photos import PhotoAccess
from bot.review.reminders import Reminders
from bot.review.requests import ReviewRequests
from bot.review.subscriptions import Subscriptions
from bot.runtime import doors
from bot.runtime.doors import CallbackDoor, CaptureDoor, SlackDoor
from bot.runtime.foundation import Foundation
from bot.runtime.health import Degraded
from bot.runtime.tables import read_customer_texts
from bot.settings import Settings
from bot.slack.retry import Retry
from bot.slack.signature import SlackSignature
from bot.submission.photo_decoder import PhotoDecoder
from bot.submission.photo_memory import PhotoMemory
from bot.submission.photos import PhotoLoader
from bot.submission.preflight import Preflight
from bot.submission.reconciliation import Reconciler
from bot.submission.retries import RetryPolicy
from bot.submission.sender import Sender
from bot.submission.slack_photos import SlackPhotos
from bot.submission.worker import SubmissionWorker


class IntakeParts(TypedDict):
    causes: Causes
    retry: Callable[[], Retry]
    intake: Intake
    corrections: Corrections
    messages: MessageReader
    batches: Batches
    refusals: Refusals
    answers: AnswerBuilder
    answer_delivery: AnswerDelivery
    inbox: Inbox


def make_intake(base: Foundation) -> IntakeParts:
    """How checks are asked for: by forms, messages and files."""
    process, health, slack, smile_id = base.process, base.health, base.outgoing.slack, base.outgoing.smile_id
    causes = Causes(
        access=process["access"],
        slack_refuses=lambda: health.refusal_of_slack,
        smile_id_refuses=lambda: Degraded.SMILE_ID_KEY in health.degraded,
        ask_smile_id=smile_id.accepts_credentials,
    )
    retry = partial(Retry, sleep=base.timeouts.answer_sleep)
    intake = Intake(
        **process, slack=base.outgoing.listener_slack, links=base.links, causes=causes, look_ups=base.look_ups
    )
    messages = MessageReader(**process, slack=slack, look_up_seconds=base.timeouts.look_up_seconds)
    batches = Batches(**process, slack=slack, bundles=base.bundles, look_ups=base.look_ups)
    refusals = Refusals(**process, count=base.turned_away.count)
    answers = AnswerBuilder(intake=intake, messages=messages, batches=batches, refusals=refusals)
    answer_delivery = AnswerDelivery(**process, slack=slack, builder=answers)
    inbox = Inbox(**process, slack=slack, answers=answers, delivery=answer_delivery, retry=retry)
    return IntakeParts(
        causes=causes,
        retry=retry,
        intake=intake,
        corrections=Corrections(**process, intake=intake),
        messages=messages,
        batches=batches,
        refusals=refusals,
        answers=answers,
        answer_delivery=answer_delivery,
        inbox=inbox,
    )


def make_submission(base: Foundation) -> SubmissionWorker:
    """How photos and fields reach Smile ID."""
    process, smile_id, retries = base.process, base.outgoing.smile_id, RetryPolicy(**base.process)
    reconciler = Reconciler(**process, smile_id=smile_id, retries=retries)
    return SubmissionWorker(
        **process,
        slack_photos=SlackPhotos(slack=base.outgoing.slack, files=base.outgoing.files, bundles=base.bundles),
        photo_loader=PhotoLoader(decoder=PhotoDecoder()),
        memory=PhotoMemory(),
        preflight=Preflight(**process),
        retries=retries,
        reconciler=reconciler,
        sender=Sender(**process, smile_id=smile_id, reconciler=reconciler, retries=retries),
        pass_seconds=base.timeouts.one_pass_seconds,
    )


def make_doors(base: Foundation) -> tuple[SlackDoor, CallbackDoor]:
    now, slack_clock = base.process["now"], base.outgoing.slack_clock
    signature = SlackSignature(
        base.process["settings"].slack_signing_secret, slack_time=lambda: slack_clock.theirs(now()).timestamp()
    )
    return doors.make(signature, metrics=base.metrics, health=base.health, steady=base.steady)


class ResultParts(TypedDict):
    callbacks: Callbacks
    settler: CallbackSettler
    poller: StatusPoller


def make_results(base: Foundation, *, on_callback: Callable[[str], None]) -> ResultParts:
    """How Smile ID's results arrive, and what they settle."""
    process, smile_id = base.process, base.outgoing.smile_id
    announcements = Announcements(access=process["access"], settings=process["settings"])
    settlement = Settlement(
        smile_id=smile_id, announcements=announcements, settings=process["settings"], rng=process["rng"]
    )
    return ResultParts(
        callbacks=Callbacks(**process, smile_id=smile_id, settlement=settlement, on_callback=on_callback),
        settler=CallbackSettler(**process, settlement=settlement, on_callback=on_callback),
        poller=StatusPoller(**process, smile_id=smile_id, settlement=settlement),
    )


class QueryParts(TypedDict):
    home: HomeTab
    details: CheckDetails
    search: CheckSearch
    check_photos: CheckPhotos
    customer_messages: CustomerMessages


def make_queries(base: Foundation, reports: ReportReader) -> QueryParts:
    """What people are shown of checks when they ask."""
    process, outgoing, links, look_ups = base.process, base.outgoing, base.links, base.look_ups
    slack, texts = outgoing.slack, read_customer_texts(process["settings"])
    return QueryParts(
        home=HomeTab(**process, slack=slack, links=links, reports=reports, steady=base.steady),
        details=CheckDetails(
            **process, slack=outgoing.listener_slack, links=links, smile_id=outgoing.smile_id, look_ups=look_ups
        ),
        search=CheckSearch(**process, links=links, look_ups=look_ups),
        check_photos=CheckPhotos(
            **process, slack=slack, links=links, photo_access=PhotoAccess(**process, look_ups=look_ups)
        ),
        customer_messages=CustomerMessages(**process, texts=texts, look_ups=look_ups),
    )


class ReviewParts(TypedDict):
    cards: ReviewCards
    review: ReviewDecisions
    review_requests: ReviewRequests
    reminders: Reminders
    subscriptions: Subscriptions


def make_review(base: Foundation) -> ReviewParts:
    """Who decides where Smile ID does not."""
    process, smile_id = base.process, base.outgoing.smile_id

    def read(receipt: Receipt) -> ResultMeaning:
        return smile_id.read_message(receipt.body).reading

    return ReviewParts(
        cards=ReviewCards(**process, links=base.links, look_ups=base.look_ups, read=read),
        review=ReviewDecisions(**process),
        review_requests=ReviewRequests(**process),
        reminders=Reminders(**process, slack=base.outgoing.slack),
        subscriptions=Subscriptions(**process),
    )


class PrivacyParts(TypedDict):
    slack_removals: SlackRemovals
    erasures: Erasures
    holds: Holds
    purge: NightlyPurge
    heads: TrailHeads


def make_privacy(base: Foundation) -> PrivacyParts:
    """What is deleted, when, and what proves it."""
    process, health, instances, steady = base.process, base.health, base.instances, base.steady
    settings = process["settings"]
    # Half of what Slack takes: the other half is for what people wait for. Each tick wakes the pool.
    pace = RateLimiter(
        usual=timedelta(seconds=2 / settings.slack_posts_per_second),
        steady=steady,
        wake_in=lambda _wait: None,
        share=lambda: instances.count,
    )
    return PrivacyParts(
        slack_removals=SlackRemovals(
            **process,
            slack=base.outgoing.slack,
            posts=ErasedPosts(**process),
            as_person=base.outgoing.slack_as_person,
            note=partial(health.note, Degraded.SLACK_DELETIONS),
            pace=pace,
        ),
        erasures=Erasures(**process),
        holds=Holds(**process),
        purge=NightlyPurge(**process, is_clock_off=lambda: health.clock_is_off),
        heads=TrailHeads(**process, note=partial(health.note, Degraded.AUDIT_HEAD), steady=steady),
    )


class CaptureParts(TypedDict):
    capture_door: CaptureDoor
    capture_links: CaptureLinks
    link_actions: LinkActions
    handover: Handover
    capture: Capture | None


def make_capture(base: Foundation, submission: SubmissionWorker) -> CaptureParts:
    """Customers' links, and the photos that they take there."""
    process = base.process
    links = CaptureLinks(**process)
    handover = Handover(
        **process,
        photo_loader=submission.photo_loader,
        memory=submission.memory,
        preflight=submission.preflight,
        reconciler=submission.reconciler,
        sender=submission.sender,
        under_way=submission.under_way,
        at_work=base.instances.at_work,
        send_seconds=min(SEND_SECONDS, base.timeouts.one_pass_seconds),
    )
    page = _customer_page(process["settings"])
    return CaptureParts(
        capture_door=doors.make_capture_door(base.metrics, steady=base.steady),
        capture_links=links,
        link_actions=LinkActions(**process),
        handover=handover,
        capture=Capture(page=page, links=links, handover=handover) if page else None,
    )


def _customer_page(settings: Settings) -> CustomerPage | None:
    """What stands behind customers' links, where the settings say who asks and where that can be read."""
    company, privacy_url = settings.company_name, settings.privacy_url
    if not settings.offers_links or company is None or privacy_url is None:
        return None
    return CustomerPage(
        company=company,
        privacy_url=privacy_url,
        notice=assets.NOTICE,
        languages=assets.LANGUAGES,
        document=assets.PAGE,
        assets=assets.ASSETS,
    )

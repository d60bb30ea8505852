"""What became of the checks that were asked for, counted from what the stand-ins saw and from nothing else."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import Message, SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.journeys.world import REVIEW_CHANNEL

REFERENCE = re.compile(r"\bK-[0-9A-Z]{6}\b")
ENDING = "Approved — face and ID number verified"


@dataclass(slots=True, kw_only=True)
class Counts:
    """One run, or several added up."""

    asked: int = 0
    lost: int = 0
    """Asked for, and no result in its thread."""
    submitted_twice: int = 0
    """Zips that Smile ID took beyond the first of a check, and checks that nobody asked for."""
    posted_twice: int = 0
    """Results beyond the first of a check, and request messages likewise."""
    misplaced: int = 0
    """Replies in another check's thread, in the channel itself, or to anybody else."""
    faults: int = 0
    details: list[str] = field(default_factory=list)
    """Which checks, by reference."""

    def __add__(self, other: Self) -> "Counts":
        return Counts(
            asked=self.asked + other.asked,
            lost=self.lost + other.lost,
            submitted_twice=self.submitted_twice + other.submitted_twice,
            posted_twice=self.posted_twice + other.posted_twice,
            misplaced=self.misplaced + other.misplaced,
            faults=self.faults + other.faults,
            details=[*self.details, *other.details],
        )

    def __str__(self) -> str:
        words = (
            f"{self.asked:4} checks, {self.faults:4} faults: {self.lost} lost, {self.submitted_twice} submitted twice, "
            f"{self.posted_twice} posted twice, {self.misplaced} in the wrong place"
        )
        return "; ".join([words, *self.details])

    @property
    def clean(self) -> bool:
        return not (self.lost or self.submitted_twice or self.posted_twice or self.misplaced)


def count(slack: SlackSandbox, smile_id: SmileIDSandbox, *, asked: int, faults: int) -> Counts:
    """Each check is told its request, and one result in the thread below it; everything else is too much."""
    counts = Counts(asked=asked, faults=faults)
    zips: Counter[str] = Counter()
    for job in smile_id.jobs.values():
        zips[str(job.partner_params["reference"])] += job.upload_count
    requests: Counter[str] = Counter()
    results: Counter[str] = Counter()
    threads: dict[str, str] = {}
    for message in slack.messages(CHANNEL):
        if message.thread_ts in (None, message.ts):
            text = slack.plain(message)
            found = REFERENCE.search(text)
            if found is None or "Biometric KYC ·" not in text:
                counts.misplaced += 1
                counts.details.append("a reply in the channel")
                continue
            threads[message.ts] = found[0]
            requests[found[0]] += 1
    for message in slack.messages(CHANNEL):
        if message.thread_ts not in (None, message.ts):
            _count_reply(slack.plain(message), threads.get(str(message.thread_ts)), results, counts)
    elsewhere = _elsewhere(slack)
    counts.misplaced += len(elsewhere)
    counts.details += [f"elsewhere: {slack.plain(message)[:60]!r}" for message in elsewhere]
    checks = set(requests) | set(zips)
    counts.lost = max(0, asked - sum(results[ref] > 0 for ref in checks))
    counts.submitted_twice = sum(max(0, n - 1) for n in zips.values()) + max(0, len(checks) - asked)
    counts.posted_twice = sum(max(0, n - 1) for n in [*requests.values(), *results.values()])
    counts.details += [
        f"{ref}: {requests[ref]} requests, {zips[ref]} zips, {results[ref]} results"
        for ref in sorted(checks)
        if not requests[ref] == zips[ref] == results[ref] == 1
    ]
    return counts


def _count_reply(text: str, thread: str | None, results: Counter[str], counts: Counts) -> None:
    found = REFERENCE.search(text)
    ref = found[0] if found else None
    if ref is None or ref != thread:
        counts.misplaced += 1
        counts.details.append(f"{ref} in the thread of {thread}")
    elif ENDING in text:
        results[ref] += 1
    else:
        counts.details.append(f"{ref} was told: {text.splitlines()[0]!r}")


def _elsewhere(slack: SlackSandbox) -> list[Message]:
    """Said to anybody but the thread and the reviewers, who may be told of a record that is late."""
    return [
        message
        for channel in slack.channels
        if channel not in (CHANNEL, REVIEW_CHANNEL)
        for message in slack.messages(channel)
    ]

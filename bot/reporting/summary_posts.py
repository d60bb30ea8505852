"""Builds the posts of the managers' figures at delivery: the summary, its picture and its table.

A post's payload names a request and no figures, so a late summary has the figures known by then.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from bot.access.process import Process
from bot.domain.outbox import CheckLinks, Message, Post, PostKind
from bot.domain.reporting.figure_tables import COLUMNS, table
from bot.domain.reporting.figures import Figures, Report
from bot.domain.reporting.periods import at, name
from bot.domain.reporting.spreadsheets import csv_bytes
from bot.errors import SlackError, SlackNotSent, SlackRefused
from bot.outbox.builders import Builders, File
from bot.outbox.links import PATIENT_SECONDS, Links
from bot.reporting import chart
from bot.reporting.chart import Bar, Chart
from bot.reporting.report_reader import ReportReader, from_payload
from bot.slack.blocks import summary
from bot.slack.blocks.summary import SummaryContext
from bot.slack.blocks.summary_details import GROUPS
from bot.slack.blocks.summary_numbers import DisplayNames, checks, percent
from bot.slack.blocks.text import foreign, linked
from bot.slack.client import SlackClient
from bot.slack.error_codes import FILE_GONE
from storage import outbox

LATE = timedelta(hours=1)
"""A summary that is later than this says so."""
NAMES_SECONDS = 5.0
PICTURE_WITHIN = timedelta(days=1)
"""After this a summary is no longer changed: its picture stays in the thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryPostData:
    report: Report
    opening: Post | None
    """The summary whose thread a file belongs to."""


@dataclass(slots=True, kw_only=True, eq=False)
class SummaryPosts(Process):
    slack: SlackClient
    links: Links
    reports: ReportReader

    def builders(self) -> Builders:
        return {
            PostKind.SUMMARY: self._summary,
            PostKind.SUMMARY_OLDER: self._older,
            PostKind.SUMMARY_CHART: self._file,
            PostKind.SUMMARY_CSV: self._file,
            PostKind.SUMMARY_PICTURE: self._with_picture,
        }

    async def _report(self, post: Post) -> Report:
        return await self.reports.read(from_payload(post.payload))

    async def _summary(self, post: Post) -> Message:
        report = await self._report(post)
        refs = [waiting.ref for waiting in report.backlog.named]
        links = await self.links.of(refs, seconds=PATIENT_SECONDS)
        return summary.message(report, self._display_names({}, links), self._summary_context(post, report))

    async def _older(self, post: Post) -> Message:
        report, payload = await self._report(post), post.payload
        return summary.older(report, unit=payload["unit"], count=int(payload["count"]), today=self.today())

    async def _with_picture(self, post: Post) -> Message | None:
        """The message as it is posted, with the picture in it. Raises SlackNotSent while Slack works on the file.

        Its own blocks are kept, not built anew: figures that people have read never change under the same message.
        """
        opening = await self.database.read(outbox.find, post.parent_id or "")
        if opening is None or opening.ts is None or opening.channel is None:
            return None
        if self.now() - post.created_at > PICTURE_WITHIN:
            return None
        try:
            file = await self.slack.file(post.payload["file"])
        except SlackRefused as no:
            if no.code in FILE_GONE:
                return None
            raise
        if not file.get("mimetype"):
            # Shown now, it would be refused as an invalid file: https://github.com/slackapi/python-slack-sdk/issues/1658
            raise SlackNotSent("files.info: Slack still works on the picture")
        posted = await self.slack.message(channel=opening.channel, ts=opening.ts, thread_ts=None)
        if posted is None:
            return None
        said = Message(text=str(posted.get("text") or ""), blocks=list(posted.get("blocks") or ()))
        return summary.with_picture(said, file_id=post.payload["file"], alt_text=str(file.get("alt_txt") or ""))

    async def _file(self, post: Post) -> File | None:
        opening = await self.database.read(outbox.find, post.parent_id) if post.parent_id else None
        found = SummaryPostData(report=await self._report(post), opening=opening)
        named = found.report.figures.by_requester[:GROUPS] if post.kind is PostKind.SUMMARY_CSV else ()
        return await self.file(post, found, await self._names(group.key[0] for group in named))

    async def file(self, post: Post, found: SummaryPostData, people: Mapping[str, str]) -> File | None:
        """The picture or the table; None when there is no thread for it, or no check to report."""
        report, opening = found.report, found.opening
        if opening is None or opening.ts is None or opening.channel is None or not report.figures.asked:
            return None
        if post.kind is PostKind.SUMMARY_CHART and not chart.can_draw():
            # Enqueued before the bot was reinstalled without the extra `charts`.
            return None
        context = self._summary_context(post, report)
        if post.kind is PostKind.SUMMARY_CSV:
            data, kind, alt_text = csv_bytes(COLUMNS, table(report)), "csv", ""
            comment = summary.file_comment(report, self._display_names(people))
        else:
            # Drawing takes a second of a processor: not on the loop that answers Slack.
            data, kind = await asyncio.to_thread(chart.draw, self._chart(report)), "png"
            alt_text = summary.alt_text(report, self._display_names({}), context)
            comment = "The same figures as a picture."
        return File(
            channel=opening.channel,
            thread_ts=opening.ts,
            name=f"{_file_name(report)}.{kind}",
            data=data,
            comment=comment,
            alt_text=alt_text,
        )

    def _summary_context(self, post: Post, report: Report) -> SummaryContext:
        due = at(report.period.last + timedelta(days=1), self.settings.summary_time, self.settings.zone)
        by = post.payload.get("by")
        is_late = by is None and self.now() - due > LATE
        return SummaryContext(
            today=self.today(), late_since=due if is_late else None, by=by, zone=self.settings.timezone
        )

    def _display_names(
        self, people: Mapping[str, str], links: Mapping[str, CheckLinks] = MappingProxyType({})
    ) -> DisplayNames:
        return DisplayNames(
            subject=self.id_types.subject,
            country=self.id_types.country_name,
            person=lambda user: people.get(user, user),
            check=lambda ref: linked(ref, links.get(ref, CheckLinks())),
        )

    async def _names(self, users: Iterable[str]) -> dict[str, str]:
        """Names instead of mentions, which would notify people; ids where Slack does not answer in time."""

        async def ask(user: str) -> tuple[str, str]:
            try:
                found = await asyncio.wait_for(self.slack.user(user), NAMES_SECONDS)
            except (SlackError, TimeoutError):
                return user, user
            profile = found.get("profile") or {}
            display = profile.get("display_name") or found.get("real_name") or found.get("name") or user
            return user, foreign(str(display), 60)

        return dict(await asyncio.gather(*map(ask, users)))

    def _chart(self, report: Report) -> Chart:
        f, today = report.figures, self.today()
        rate = percent(f.approval)
        only = summary.narrowed(report, self._display_names({}))
        unit = report.period.kind.value
        # The parts of the other days' columns are named too.
        shown = {what for _period, each in report.series for what, count in _parts(each) if count}
        shown |= {"approved", "rejected"}
        return Chart(
            title=f"KYC, {name(report.period, today)}",
            subtitle=" · ".join(
                filter(None, (only, checks(f.asked), f"approval rate {rate}" if rate else "too few for a rate"))
            ),
            counts=[(what, count) for what, count in _parts(f) if what in shown],
            bars=[
                Bar(
                    label=summary.short(period),
                    asked=figures.asked,
                    parts=_parts(figures),
                    rate=percent(figures.approval),
                )
                for period, figures in report.series
            ],
            bars_title=f"Checks a {unit}, and approval rate",
        )


def _parts(f: Figures) -> list[tuple[str, int]]:
    return [
        ("approved", f.approved),
        ("rejected", f.rejected),
        ("no result", f.failed),
        ("other photos", f.new_photos),
        ("cancelled", f.cancelled),
        ("still open", f.open),
    ]


def _file_name(report: Report) -> str:
    """Names the period, so that the file is found by its name after a lost answer."""
    first, last = report.period.first.isoformat(), report.period.last.isoformat()
    only = [part for part in (report.country, report.id_type) if part]
    return "-".join(["kyc", report.period.kind.value, first, *([last] if first != last else []), *only])

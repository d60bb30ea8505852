"""The jobs: how one comes to be, takes its zip, and is told about by job_status. Knows no HTTP."""

import itertools
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from . import info_json, package
from .messages import unusable_package
from .package import PackageError
from .prep_upload import PrepUpload
from .records import Message, SandboxJob
from .refusals import RefusedError
from .signature import Signer, written
from .stories import STORIES, UNUSABLE_PACKAGE, Story, choose
from .writing import write

_VERDICTS_THAT_ENROL = {"0810", "1210"}
_NO_VERDICT = {"1012", "5210", "5211", "5212"}
"""These stand in the history; job_status's `result` stays with the verdict (ours)."""


class Register:
    """All jobs of one partner, by the partner's job_id."""

    def __init__(self, signer: Signer, clock: Callable[[], datetime]) -> None:
        self.jobs: dict[str, SandboxJob] = {}
        self._signer = signer
        self._clock = clock
        self._numbers = itertools.count(104_211)

    def prepare(self, wanted: PrepUpload, *, story: str) -> SandboxJob:
        """The job to upload a zip for; raises `RefusedError` 2215 or 2209.

        `retry` opens a job again whose zip never came: same smile_job_id, new URL. That it is honoured for
        server-to-server clients is not documented; the mobile SDK relies on it.
        """
        job = self.jobs.get(wanted.job_id)
        if job is not None:
            if not wanted.retry or job.upload_count or job.user_id != wanted.user_id:
                raise RefusedError("2215")
            job.prep_count += 1
            job.partner_params = wanted.partner_params
            job.callback_url = wanted.callback_url
            return job
        if self._enrolled(wanted.user_id) and not wanted.allow_new_enroll:
            raise RefusedError("2209")
        self.jobs[wanted.job_id] = job = SandboxJob(
            job_id=wanted.job_id,
            user_id=wanted.user_id,
            smile_job_id=f"{next(self._numbers):010d}",
            story=story,
            callback_url=wanted.callback_url,
            partner_params=wanted.partner_params,
        )
        return job

    def take_zip(
        self,
        job: SandboxJob,
        data: bytes,
        *,
        ordered: Callable[[], str | None],
        default: str,
        by_id_number: Mapping[str, str],
    ) -> Story | None:
        """Keep the zip and say how the job goes on; None for a second zip, which changes nothing.

        `ordered` is asked for each sound package; the story that it names goes before all rules.
        """
        job.upload_count += 1
        if job.upload_count > 1:
            return None
        try:
            job.entries = package.unpack(data)
            job.info = package.read_info(job.entries)
            info_json.check(job.info, job.entries, job_id=job.job_id, signer=self._signer)
        except PackageError as fault:
            job.story = UNUSABLE_PACKAGE
            story = Story(
                title="Unusable package", purpose=fault.text, machine=(unusable_package(fault.code, fault.text),)
            )
        else:
            job.usable = True
            job.story = ordered() or choose(job.info, job.partner_params, default=default, by_id_number=by_id_number)
            story = STORIES[job.story]
        job.messages = story.sendings(write(story.machine, job) + write(story.review, job))
        return story

    def record(self, job: SandboxJob, messages: list[Message]) -> None:
        job.record += [self.seal(message) for message in messages]

    def seal(self, message: Message) -> Message:
        """The message with the time of now, signed."""
        timestamp = written(self._clock())
        return {**message, "timestamp": timestamp, "signature": self._signer.sign(timestamp)}

    def status(self, job: SandboxJob, *, history: bool) -> dict[str, Any]:
        """The body of a job_status answer, signed.

        A processed job without a result (stories `never` and `unconfirmed`) is told as code 2302 with
        job_complete false and an empty result: the code is seen so in SDK fixtures.
        """
        if not job.processed:
            answer: dict[str, Any] = {"code": "2314", "result": "No zip uploaded yet"}
        else:
            verdicts = [message for message in job.record if message["ResultCode"] not in _NO_VERDICT]
            answer = {"code": "2302", "result": verdicts[-1] if verdicts else {}}
        result = answer["result"]
        code = result.get("ResultCode") if isinstance(result, dict) else None
        answer["job_complete"] = code is not None
        answer["job_success"] = code in _VERDICTS_THAT_ENROL
        if history:
            answer["history"] = job.record[::-1]
        return self.seal(answer)

    def new_reference(self, job: SandboxJob) -> str:
        """Partner, job and a random part: names the upload, and its folder in storage."""
        return f"{self._signer.partner_id}-{job.smile_job_id}-{secrets.token_hex(12)}"

    def _enrolled(self, user_id: str) -> bool:
        return any(
            message["ResultCode"] in _VERDICTS_THAT_ENROL
            for job in self.jobs.values()
            if job.user_id == user_id
            for message in job.record
        )

"""Submits accepted checks to Smile ID: `worker` makes the passes, the other modules are its steps."""

from bot.submission.retries import MAX_TRIES
from bot.submission.worker import PASS_SECONDS, SubmissionWorker

__all__ = ["MAX_TRIES", "PASS_SECONDS", "SubmissionWorker"]

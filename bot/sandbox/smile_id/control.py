"""Two endpoints of our own beside Smile ID's, for use from the shell.

curl -d '{"name": "rejected"}' http://127.0.0.1:PORT/sandbox/story
curl http://127.0.0.1:PORT/sandbox/jobs
"""

import json
from collections.abc import Iterable
from typing import Any

from .records import SandboxJob
from .stories import known


class ChoiceError(ValueError):
    """A choice that cannot be followed; says why."""


def read_choice(raw: bytes) -> tuple[str, str | None]:
    """The story's name and the ID number it is for, if not for all; raises `ValueError`."""
    wanted = json.loads(raw)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str):
        raise ChoiceError('say which story: {"name": "approved"}, with "id_number" for one number alone')
    id_number = wanted.get("id_number")
    if not isinstance(id_number, str | None):
        raise ChoiceError("id_number is a string")
    return known(wanted["name"]), id_number


def listing(jobs: Iterable[SandboxJob]) -> list[dict[str, Any]]:
    """The jobs without personal data, oldest first."""
    return [
        {
            "job_id": job.job_id,
            "user_id": job.user_id,
            "smile_job_id": job.smile_job_id,
            "story": job.story,
            "upload_count": job.upload_count,
            "prep_count": job.prep_count,
            "processed": job.processed,
            "record": [message["ResultCode"] for message in job.record],
        }
        for job in jobs
    ]

"""The message of a file of customers."""

import json
from dataclasses import replace

from bot.domain.applicants.batch import BatchCounts
from bot.slack.blocks import batch
from tests.pictures.scenes.batch import BATCH as TWENTY


def test_a_single_check_is_spoken_of_as_one() -> None:
    asked = json.dumps(batch.message(replace(TWENTY, total=1, ready=1), BatchCounts()).blocks)
    assert '"Send 1 check"' in asked
    assert "1 check goes to Smile ID and is charged." in asked
    assert "20 checks go to Smile ID and are charged." in json.dumps(batch.message(TWENTY, BatchCounts()).blocks)

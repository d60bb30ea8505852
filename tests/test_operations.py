"""docs/operations.md tells of every alert and of everything that can be degraded: what it means, what to do."""

import re

from bot.domain.outbox import OperatorAlert
from bot.runtime.health import Degraded
from bot.slack.blocks.refusals import SENTENCES
from tests.test_readme import OPERATIONS, bare, rows


def test_every_degraded_key_is_explained_and_no_other() -> None:
    told = rows(OPERATIONS, "what")
    assert sorted(bare(row[0]) for row in told) == sorted(Degraded)
    assert all(len(row) == 3 and row[1] and row[2] for row in told)


def test_every_alert_is_explained_in_the_words_that_operators_read() -> None:
    told = rows(OPERATIONS, "it says")
    said = {re.sub(r"\{\w+\}", "…", SENTENCES[alert]) for alert in OperatorAlert}
    assert {row[0] for row in told} == said
    assert len(told) == len(OperatorAlert)
    assert all(len(row) == 3 and row[1] and row[2] for row in told)

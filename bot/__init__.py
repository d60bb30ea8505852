"""kyc-bot: Smile ID Biometric KYC checks from Slack.

The rooms, downwards:

- `handlers/` translate a Slack or HTTP request into one call, and its outcome into an answer.
- The rooms of `bot/` are the processes: `intake` accepts what people ask for, `submission`, `results` and `outbox` do
  the rest, `review` is what people decide; `queries` and `reporting` answer, `access` says who may, `runtime` makes all
  objects.
- `storage/` speaks SQL, `bot/smile_id/` Smile ID, `bot/slack/` Slack's Web API, `bot/slack/blocks/` Block Kit.
- `bot/domain/` decides and touches nothing.
- `bot/sandbox/` plays Slack and Smile ID on the loopback, for the demo and the tests.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts a clone with an older Python is told what is wrong
    sys.exit(f"kyc-bot needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}.")

__version__ = "1.0.0"
"""Stated here alone; the wheel and `kyc-bot --version` read it."""

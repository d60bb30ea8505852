"""kyc-bot: Smile ID Biometric KYC checks from Slack.

The rooms, downwards:

- `handlers/` translate a Slack or HTTP request into one call, and its outcome into an answer.
- `bot/*.py` are the processes: `messages` and `batches` read what people send, `intake` accepts it, `holding` asks
  before it is paid for, `submission`, `results` and `outbox` do the rest; `review` is what people decide and are
  reminded of; `desk` and `finding` answer.
  `access` says who may, `schedule` when, `app` makes all objects.
- `storage/` speaks SQL, `bot/smile_id/` Smile ID, `bot/slack/` Slack's Web API, `bot/slack/blocks/` Block Kit.
- `bot/domain/` decides and touches nothing.
- `bot/sandbox/` plays Slack and Smile ID on the loopback, for the demo and the tests.
"""

__version__ = "1.0.0"
"""Stated here alone; the wheel and `kyc-bot --version` read it."""

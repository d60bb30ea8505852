"""A stand-in for Smile ID's v1 API, as far as Biometric KYC (job type 1) needs it.

It refuses what the real service is known to refuse, tolerates what the official SDKs differ in, tells
stories (`stories.py`) and breaks on demand (`faults.py`). It imports nothing of the bot, so that it cannot
share the bot's mistakes, and it speaks to loopback addresses only.
"""

from .faults import Fault
from .records import SandboxJob, SeenRequest, SentCallback
from .server import SmileIDSandbox, run, serve_forever
from .stories import STORIES, Story

__all__ = [
    "STORIES",
    "Fault",
    "SandboxJob",
    "SeenRequest",
    "SentCallback",
    "SmileIDSandbox",
    "Story",
    "run",
    "serve_forever",
]

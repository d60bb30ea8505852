"""Turns what Smile ID says into the state of a check: `service` is the way in, `settlement` the one way through."""

from bot.results.callbacks import Answer, Callback
from bot.results.service import Results

__all__ = ["Answer", "Callback", "Results"]

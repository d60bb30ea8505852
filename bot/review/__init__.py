"""Reviewing: `deciding` is what people click; `reminding` is what the clock does when nobody does anything, with
`replies`, which reads what was written below the cards; `rights` says who may.
"""

from bot.review.decisions import ReviewDecisions
from bot.review.reminders import Reminders

__all__ = ["Reminders", "ReviewDecisions"]

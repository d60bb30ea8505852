"""Delivers every post to Slack: `delivery` is the worker; builders make the content."""

from bot.outbox.delivery import Outbox

__all__ = ["Outbox"]

"""Delivers every post to Slack: `delivery` is the worker; builders make the content."""

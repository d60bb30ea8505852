"""Slack's Web API and files, spoken in one place: calls in, plain values out, Slack's failures as our errors."""

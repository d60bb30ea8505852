"""Managers' figures: summaries on schedule and on request, their charts, and exports."""

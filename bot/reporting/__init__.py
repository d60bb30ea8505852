"""Managers' figures: summaries by the clock and on request, their charts, and exports."""

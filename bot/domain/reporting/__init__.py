"""Figures, periods, exports and searches, as values and pure functions."""

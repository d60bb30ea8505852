"""Figures, periods and exports, as values and pure functions."""

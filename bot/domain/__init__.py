"""Decisions without side effects: no clock, no network, no SQL, no randomness of its own."""

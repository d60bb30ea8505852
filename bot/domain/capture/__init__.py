"""Capture links: when one is open, how it ends, and what the customer's page hands in."""

"""The invented people, places and the moment of all pictures."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bot.sandbox.page.marks import Reader

AMINA, REMI, MUSA, ZOLA = "U0AMINA00001", "U0REMI00001", "U0MUSA00001", "U0ZOLA00001"
PEOPLE = {AMINA: "amina", REMI: "remi", MUSA: "musa", ZOLA: "zola"}
"""Amina asks, Remi reviews, Musa runs the bot, Zola manages."""

REQUESTS, REVIEWS, SUMMARIES = "C0KYC", "C0REVIEWS", "C0SUMMARY"
CHANNELS = {REQUESTS: "kyc-requests", REVIEWS: "kyc-reviews", SUMMARIES: "kyc-summary"}

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
"""The moment of the pictures; today and yesterday count from here."""
ZONE = ZoneInfo("Africa/Lagos")

READER = Reader(people=PEOPLE, channels=CHANNELS, now=NOW, zone=ZONE)

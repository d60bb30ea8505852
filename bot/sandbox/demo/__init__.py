"""The demo: both stand-ins and the real bot as three parties, for people who try it and for tests of processes."""

from bot.sandbox.demo.bot_process import (
    ANALYST,
    CHANNEL,
    KYC_BOT,
    DemoFailed,
    free_port,
    reserved_port,
    settings_for,
    start_bot,
    stop_bot,
)

__all__ = [
    "ANALYST",
    "CHANNEL",
    "KYC_BOT",
    "DemoFailed",
    "free_port",
    "reserved_port",
    "settings_for",
    "start_bot",
    "stop_bot",
]

"""What a person needs to act: the workspace, the way to the bot, and the addresses for its answers."""

from dataclasses import dataclass

from bot.sandbox.slack.announcing import Announcer
from bot.sandbox.slack.delivery import Courier
from bot.sandbox.slack.response_urls import ResponseUrls
from bot.sandbox.slack.views import Triggers, Views
from bot.sandbox.slack.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    world: World
    views: Views
    triggers: Triggers
    response_urls: ResponseUrls
    courier: Courier
    announcer: Announcer

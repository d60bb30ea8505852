"""A stand-in for Slack on a loopback port: Web API, Socket Mode, signed HTTP, and people who use it.

It imports nothing of the bot, and refuses what Slack refuses: bad tokens, spent triggers, oversized
blocks, posts in channels the bot is not in. `server` puts the parts together; `world` is the state,
`web_api` the front of the methods, `delivery` and `socket_mode` the way to the bot, `announcing` what it hears of,
`person` and `modal` the human side, `reading` turns messages into words.
"""

from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.faults import Fault
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.modal import Modal
from bot.sandbox.slack.person import Person, Reply
from bot.sandbox.slack.reading import pings, plain
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.submission import Submission
from bot.sandbox.slack.web_api import ApiCall
from bot.sandbox.slack.world import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID, Channel, Message, User

__all__ = [
    "APP_ID",
    "BOT_ID",
    "BOT_USER_ID",
    "TEAM_ID",
    "ApiCall",
    "Channel",
    "ClientRefuses",
    "Delivery",
    "Fault",
    "Message",
    "Modal",
    "Person",
    "Reply",
    "SlackFile",
    "SlackSandbox",
    "Submission",
    "User",
    "pings",
    "plain",
]

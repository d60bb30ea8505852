"""Who sees what: people, places and messages as one person may see them."""

import re

from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.world import BOT_USER_ID, Channel, Message, User

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
HOME = "home"
"""The place of the app's Home tab."""


class NotSeen(Exception):
    """There is no such person, place, message or file, or this person may not see it."""


def people(slack: SlackSandbox) -> list[User]:
    """Everybody whom one can be here, in the order in which they came."""
    return [
        user
        for user in slack.users.values()
        if not (user.is_bot or user.is_workflow_bot or user.is_deleted or user.is_stranger or user.is_invited)
    ]


def find_person(slack: SlackSandbox, wanted: str) -> User:
    """By name or user id."""
    for user in people(slack):
        if wanted in (user.name, user.id):
            return user
    raise NotSeen(f"nobody here is called {wanted}")


def handle(slack: SlackSandbox, user: User) -> str:
    """What stands for this person in an address: the name, where it is plain and nobody else's."""
    names = [other.name for other in people(slack)]
    return user.name if _PLAIN.fullmatch(user.name) and names.count(user.name) == 1 else user.id


def may_see(user: User, channel: Channel) -> bool:
    if user.id in channel.members:
        return True
    is_guest = user.is_guest or user.is_single_channel_guest
    return not (channel.is_private or channel.is_im or is_guest)


def channels_of(slack: SlackSandbox, user: User) -> list[Channel]:
    """Channels that this person may see; conversations with the bot are not among them."""
    return [
        channel
        for channel in slack.channels.values()
        if not channel.is_im and not channel.is_archived and may_see(user, channel)
    ]


def direct_channel_id(user: User) -> str:
    """As `World.direct_channel` makes it."""
    return f"D{user.id[1:]}"


def find_channel(slack: SlackSandbox, user: User, channel_id: str) -> Channel:
    if channel_id == direct_channel_id(user):
        return slack.world.direct_channel(user.id)
    channel = slack.channels.get(channel_id)
    if channel is None or not may_see(user, channel):
        raise NotSeen(f"{user.name} sees no channel {channel_id}")
    return channel


def find_message(slack: SlackSandbox, user: User, channel_id: str, ts: str) -> Message:
    """A message in a channel, or one that this person alone sees."""
    channel = find_channel(slack, user, channel_id)
    whispered = (post for post in slack.ephemerals(user.id) if post.ts == ts and post.channel == channel_id)
    message = channel.find(ts) or next(whispered, None)
    if message is None:
        raise NotSeen(f"{user.name} sees no message {ts}")
    return message


def find_file(slack: SlackSandbox, user: User, file_id: str) -> SlackFile:
    file = slack.files.get(file_id)
    shared = [] if file is None else [slack.channels[place] for place in file.shared_in if place in slack.channels]
    if file is None or file.is_deleted or not (file.user == user.id or any(may_see(user, place) for place in shared)):
        raise NotSeen(f"{user.name} sees no file {file_id}")
    return file


def unread(slack: SlackSandbox, channel: Channel, read_ts: str, user: User) -> list[Message]:
    """Messages of others since, replies included."""
    return [post for post in slack.messages(channel.id) if post.ts > read_ts and post.user != user.id]


def direct_posts(slack: SlackSandbox, user: User) -> list[Message]:
    """What the bot wrote to this person."""
    channel = slack.channels.get(direct_channel_id(user))
    return [] if channel is None else [post for post in slack.messages(channel.id) if post.user == BOT_USER_ID]

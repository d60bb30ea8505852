"""Slack's error codes, grouped by what the bot does about them.

Source: the list of errors on each method's page at docs.slack.dev/reference/methods (2026-11).
"""

CONVERSATION_CLOSED = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "restricted_action_thread_only_channel",
        "thread_not_found",
        "cannot_reply_to_message",
        "team_access_not_granted",
    }
)
"""The bot cannot post there, now or later."""

MESSAGE_GONE = frozenset({"message_not_found", "cant_update_message"})
"""Of chat.update: somebody has deleted it, or Slack has, as the workspace keeps messages for a time alone.

What stands in the place of one that had replies is Slack's own message, which the bot may not update.
"""

MESSAGE_FIXED = MESSAGE_GONE | {"edit_window_closed", "is_inactive"}
"""The message is gone, or takes no update any more: by a setting of the workspace, or in a channel that is frozen."""

BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
"""The same message may pass without its blocks."""

FILE_GONE = frozenset({"file_not_found", "file_deleted", "not_visible", "access_denied"})
"""The bot cannot read that file, now or later; any other refusal says nothing of the file."""

THREAD_GONE = frozenset({"thread_not_found", "message_not_found"})
"""Of conversations.replies: the first message of the thread was deleted."""

SLACK_FAILED = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
"""Slack failed in the middle: the call may or may not have acted."""

RATE_LIMITED = frozenset({"ratelimited", "rate_limited"})

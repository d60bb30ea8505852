"""Who may do what: permissions from the settings and from Slack, and the workspace that the bot is installed in."""

"""Everything the bot can say, as pictures that need no Slack: `make pictures` writes `docs/pictures`.

`scenes/` builds messages and modals with the real builders of `bot/slack/blocks`, about invented people; `marks` and
`drawing` turn Block Kit into HTML that looks like Slack, and refuse what they do not know; `camera` photographs it.
`tests/test_pictures.py` holds the scenes, without a browser.
"""

"""Everything the bot can say, as pictures that need no Slack: `make pictures` writes `docs/pictures`.

`scenes/` builds messages and modals with the real builders of `bot/slack/blocks`, about invented people; `drawing` of
`bot/sandbox/page` turns Block Kit into HTML that looks like Slack, and refuses what it does not know; `camera`
photographs it.
`tests/test_pictures.py` holds the scenes, without a browser.
"""

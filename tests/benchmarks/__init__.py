"""How fast the bot is, each time beside something that was run in the same minute on the same machine.

`make bench` runs all subjects, `make bench ONLY=callbacks` one of them; docs/performance.md has the last figures.
"""

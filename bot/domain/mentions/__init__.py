"""Messages that people write to the bot: the files they bring (`incoming`), and what they say of a check (`parser`).

`tokens` makes words of Slack's text, `vocabulary` and `dates` know what they mean. The grammar works on one `draft`:
`fixed_forms` first, then the `rules` for what has no form of its own.
"""

"""Messages that people write to the bot: which files they bring (`incoming`) and what they say of a check (`parser`).

`tokens` makes words of Slack's text, `vocabulary` knows what words mean, `parser` holds the grammar.
"""

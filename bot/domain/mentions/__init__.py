"""Messages that people write to the bot: the files they bring (`incoming`), and what they say of a check (`parser`).

`tokens` makes words of Slack's text, `vocabulary` and `dates` know what they mean. The grammar is four rules on one
`draft`: `fixed_forms`, `country_and_type`, `numbers`, `names`. `channel` sees numbers where others read them.
"""

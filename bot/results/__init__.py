"""Turns what Smile ID says into the state of a check.

`callbacks` and `polling` receive it; both end in `settlement`, which asks `bot.domain.results.trust_rules` how much of
it to believe, and has `announcements` report it.
"""

"""Reviewing: `decisions` handles clicks, `reminders` handles silence, `transitions` are the moves of a review.

`cards` builds the posts, `thread_notes` reads the replies below them, `eligibility` says who may review.
"""

"""The one place that decides how much of a personal datum may be shown."""


def tail(number: str) -> str:
    """The last four characters of an ID number, and never more than a third of it; empty if that leaves none."""
    bare = "".join(ch for ch in number if ch.isalnum())
    shown = min(4, len(bare) // 3)
    return bare[-shown:] if shown else ""

"""How much of a personal datum may be displayed, and when two of them are the same."""


def tail(number: str) -> str:
    """The last four characters of an ID number, and never more than a third of it; empty if that leaves none."""
    bare = number if number.isalnum() else "".join(ch for ch in number if ch.isalnum())
    shown = min(4, len(bare) // 3)
    return bare[-shown:] if shown else ""


def same_number(country: str, number: str) -> str:
    """Equal for every way in which people write one ID number: blanks, dashes and case do not matter."""
    return f"{country}:{''.join(ch for ch in number if ch.isalnum()).upper()}"


def same_reference(reference: str) -> str:
    """Equal for every way of writing a customer reference that a person would call the same."""
    return " ".join(reference.casefold().split())

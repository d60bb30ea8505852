"""*What Smile ID answers next*: one of the stories of its stand-in, for the next check or for all from now on."""

from bot.sandbox.smile_id import STORIES, SmileIDSandbox

BY_NUMBER = ""
"""No story: the last digit of the ID number decides, as in Smile ID's own sandbox."""
BY_NUMBER_TITLE = "As the ID number says"
NEXT, ALL = "next", "all"
WAITS_IN_VAIN = "Smile ID's record will never hold a final result: this shows how long the bot waits, and what it says."


def order(smile_id: SmileIDSandbox, story: str, until: str) -> str:
    """Says what will happen. Raises KeyError for an unknown story, ValueError for another span."""
    if story != BY_NUMBER and story not in STORIES:
        raise KeyError(story)
    if until == NEXT:
        smile_id.next_story = story or None
    elif until == ALL:
        smile_id.next_story, smile_id.every_story = None, story or None
    else:
        raise ValueError(f"either {NEXT} or {ALL}")
    in_vain = story != BY_NUMBER and not STORIES[story].has_final_result
    return f"{ordered(smile_id)} {WAITS_IN_VAIN}" if in_vain else ordered(smile_id)


def ordered(smile_id: SmileIDSandbox) -> str:
    """What is ordered now, in a sentence or two."""
    every = STORIES[smile_id.every_story].title if smile_id.every_story else ""
    always = f"from now on “{every}”" if every else "as the ID number says"
    if smile_id.next_story is None:
        return f"Smile ID answers {always}."
    return f"Smile ID answers the next check with “{STORIES[smile_id.next_story].title}”, then {always}."

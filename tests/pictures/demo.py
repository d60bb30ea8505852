"""Pictures of the demo's page as it is in a browser: `make screenshots` takes them on demand.

They show the time at which they were taken, so that no hash can tell whether they are out of date.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot:
    """One picture under `docs/pictures`."""

    name: str
    """Its file, without ending."""
    line: str
    alt: str
    width: int


SCREENSHOTS = (
    Screenshot(
        name="demo-thread",
        line="As the analyst: the channel, and beside it the thread of a check that has ended. 1280 px, light.",
        alt="A workspace in the browser: channels and people on the left, checks in the middle, a thread with the "
        "approved result on the right",
        width=1280,
    ),
    Screenshot(
        name="demo-review",
        line="As a reviewer: the cards of what needs review, with the buttons to decide. 1280 px, dark.",
        alt="The reviewers' channel with cards of checks and their buttons, in dark colours",
        width=1280,
    ),
    Screenshot(
        name="demo-desk",
        line="*Behind the scenes*, beside the workspace: Smile ID is slow just now. 1280 px, light.",
        alt="The panel beside the workspace with a list of what can be broken, and what is broken now",
        width=1280,
    ),
    Screenshot(
        name="demo-home",
        line="The analyst's Home tab on a phone. 360 px, light.",
        alt="The Home tab with the analyst's checks, as narrow as a phone",
        width=360,
    ),
    Screenshot(
        name="demo-summary",
        line="The summary of yesterday with its picture, for the manager on a phone. 360 px, dark.",
        alt="The thread of the day's summary with its chart, as narrow as a phone, in dark colours",
        width=360,
    ),
    Screenshot(
        name="demo-erased",
        line="*Erase a person*: what became of everything, beside the channel. 1280 px, light.",
        alt="The panel beside the workspace with what became of an erased person: thread, Home, rows, files, chain and "
        "certificate; in the channel the check's message says Erased on",
        width=1280,
    ),
)

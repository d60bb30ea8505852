"""Pictures of the page on which a customer takes the photos: `make screenshots` takes them on demand.

The page is the bot's own, in a browser whose camera sees a drawn face, before a stand-in of its door.
"""

from dataclasses import dataclass

PHONE_WIDTH = 360
GAP, EDGE = 16, 16
"""Between two phones, and around them all, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageShot:
    """One picture under `docs/pictures`: phones side by side."""

    name: str
    """Its file, without ending."""
    line: str
    is_dark: bool
    """Dark ones speak French."""
    columns: tuple[tuple[str, ...], ...]
    """From the left, each from above; steps as tests/browser/capture_steps.py calls them."""

    @property
    def width(self) -> int:
        return len(self.columns) * (PHONE_WIDTH + GAP) - GAP + 2 * EDGE

    @property
    def alt(self) -> str:
        words = [WORDS[step] for column in self.columns for step in column]
        return f"Phones, in {'dark' if self.is_dark else 'light'} colours: {'; '.join(words)}"


WORDS = {
    "opening": "the link is being opened, and it takes a while",
    "consent": "who asks, what is taken, who receives it, and the two answers: I agree, I do not agree",
    "not-me": "the question whether this is really somebody else's ID",
    "ready": "advice on light, face and phone before the camera opens",
    "filming": "a face in the oval, and the button that takes the photos",
    "smile": "the camera at work, asking for a smile",
    "review": "the selfie and the eight images, to send or to take again",
    "waiting": "Smile ID is away: the photos are kept, and tried again",
    "flaws": "what is wrong with which photo, and the way to new ones",
    "sending": "the photos are on their way",
    "done": "done, thank you",
    "in-app": "inside an app's own browser: which browser to open",
    "waking": "the camera has not answered, and what to look for",
    "fault": "no camera was found, and what to do",
    "declined": "did not agree, and has been told what that means",
    "wrong-person": "thanks for saying that the link reached the wrong person",
    "elsewhere": "opened on another device, and the way to have it back",
    "ended": "this link no longer works",
    "trouble": "something went wrong on our side",
    "incomplete": "the link is not complete",
}
"""What each step shows, for who does not see it."""

_WAY = (("consent",), ("ready", "review"), ("filming", "sending"), ("smile", "done"))
_ELSE = (
    ("not-me", "wrong-person", "declined"),
    ("elsewhere", "ended", "incomplete"),
    ("in-app", "waking", "fault"),
    ("opening", "waiting", "trouble"),
    ("flaws",),
)

PAGE_SHOTS = (
    PageShot(
        name="page-way-light",
        line="The way: consent, getting ready, the camera, the smile; below, looking at the photos, sending, done. "
        "360 px each, light, English.",
        is_dark=False,
        columns=_WAY,
    ),
    PageShot(name="page-way-dark", line="The same. 360 px each, dark, French.", is_dark=True, columns=_WAY),
    PageShot(
        name="page-else-light",
        line="Whatever else it may have to say. From the left: another person, or no consent; another device, a link "
        "that has ended or is not whole; an app's own browser, the camera; waiting; flaws. Light, English.",
        is_dark=False,
        columns=_ELSE,
    ),
    PageShot(name="page-else-dark", line="The same. 360 px each, dark, French.", is_dark=True, columns=_ELSE),
)

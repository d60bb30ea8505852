"""The same on a phone, as far as width may spoil it."""

from tests.pictures.scene import PHONE, Sheet
from tests.pictures.scenes import batch, find, form, held, private, thread

_SHOWN = {
    "request": ("Received", "No answer for six minutes", "Rejected, not yet confirmed"),
    "results": ("Approved — face and ID number verified", "No result — wrong ID number format"),
    "needs-a-person": ("The same without a channel of reviewers: they are called here",),
    "held": ("Many such photos",),
    "files-of-applicants": ("Sending", "Results"),
    "form-faults": ("This ID number was checked before",),
    "details": ("An approved check",),
    "lists": ("/kyc list all, a page in the middle", "Found"),
}
"""Captions by sheet."""


def sheets() -> list[Sheet]:
    wide = {sheet.name: sheet for room in (thread, held, batch, form, private, find) for sheet in room.sheets()}
    scenes = [
        next(scene for scene in wide[name].scenes if scene.caption == caption)
        for name, captions in _SHOWN.items()
        for caption in captions
    ]
    return [
        Sheet(
            name="phone",
            title="On a phone",
            line="Messages and modals of the other sheets at the width of a phone.",
            scenes=scenes,
            width=PHONE,
        )
    ]

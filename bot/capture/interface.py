"""All that the door of the customer's page knows of what stands behind it.

`bot.capture.links` and `bot.capture.handover` implement the two processes, `bot.capture.assets` has the page. All
methods raise only what `bot.errors` lists under CaptureError, DatabaseFault, and what reading a body raises.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.domain.capture.links import Decline, LinkStep


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLink:
    """What whoever opens a link is shown of the check: enough to say *this is not me*."""

    country: str
    """As people read it; so is the ID type."""
    id_type: str
    number: str = field(repr=False)
    """Masked."""
    step: LinkStep
    expires_at: datetime


class CustomerLinks(Protocol):
    """What a customer may do with a link but for the photos. All of it may be repeated from the same device."""

    async def open(self, token: str, device: str) -> OpenedLink:
        """The link is that of this device from now on. Raises LinkGone."""

    async def agree(self, token: str, device: str, *, notice: str, language: str) -> LinkStep:
        """Raises LinkGone, NewerDevice; NotAgreed where the page says something else today than `notice`."""

    async def decline(self, token: str, device: str, *, reason: Decline) -> None:
        """Raises LinkGone, NewerDevice."""


class PhotoTaker(Protocol):
    async def take(self, token: str, device: str, read: Callable[[], Awaitable[bytes]]) -> LinkStep:
        """Hand photos on to Smile ID; returns once they are there.

        `read` gives the whole body, of 12 MiB at most. It is awaited once at most, and only for a link that is open,
        agreed to, and has a place among those under way: so strangers cannot fill the memory. What it raises passes.
        Raises every CaptureError, and UploadMalformed.
        """


class PageFile(Protocol):
    """One file of the page."""

    @property
    def body(self) -> bytes: ...

    @property
    def content_type(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPage:
    """What every customer is shown, whichever link they have."""

    company: str
    """Who asks."""
    privacy_url: str
    notice: str
    """The version of what they agree to."""
    languages: tuple[str, ...]
    document: PageFile
    assets: Mapping[str, PageFile]
    """By the last part of their address: whatever else the page asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What a site has that offers links."""

    page: CustomerPage
    links: CustomerLinks
    handover: PhotoTaker

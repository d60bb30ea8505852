"""Which ID types the form offers: what Smile ID tells of them, asked daily and kept for when it cannot be asked.

Two lists: `services` (what Smile ID offers to anyone) and `products_config` (what this partner may use). Each stands
for itself: while one gives no answer, its last one counts, also that of an earlier run. An operator's own table of ID
types (`KYC_ID_TYPES`) is their word on what each type needs, so `services` is neither asked nor followed then; what
the partner may use narrows it all the same.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from bot.domain.id_types.id_types import IDTypes
from bot.domain.id_types.services import dump_enabled, dump_services, load_enabled, load_services
from bot.errors import DatabaseFault, SmileIDError
from bot.settings import Settings
from bot.smile_id.interface import SmileID
from storage import meta
from storage.engine.database import Database

log = structlog.get_logger(__name__)

SERVICES = "smile_id_services"
PRODUCTS = "smile_id_products"


class IDTypeSync:
    """Keeps the ID types on offer up to date."""

    def __init__(
        self,
        *,
        database: Database,
        smile_id: SmileID,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._smile_id = smile_id
        self._id_types = id_types
        self._follows_services = settings.id_types is None
        # Another environment or partner has other lists; a database may have seen both.
        self._whose = f"{settings.smile_id_url} {settings.smile_id_partner_id}"
        self._now = now

    async def load(self) -> None:
        """Offer what was known when the last process asked; what cannot be read is passed over and logged."""
        services = await self._kept(SERVICES) if self._follows_services else None
        if services is not None:
            try:
                self._id_types.lay_over(load_services(services))
            except ValueError:
                _damaged(SERVICES)
        products = await self._kept(PRODUCTS)
        if products is not None:
            try:
                self._id_types.enable_only(load_enabled(products))
            except ValueError:
                _damaged(PRODUCTS)

    async def refresh(self) -> bool:
        """Ask Smile ID and keep its answers; False when one is missing, and then the last one goes on counting."""
        return all(await asyncio.gather(self._ask_services(), self._ask_products()))

    async def _ask_services(self) -> bool:
        if not self._follows_services:
            return True
        try:
            services = await self._smile_id.offered_id_types()
        except SmileIDError as fault:
            log.warning("services.unknown", error=str(fault))
            return False
        self._id_types.lay_over(services)
        await self._keep(SERVICES, dump_services(services) if services else None)
        return True

    async def _ask_products(self) -> bool:
        try:
            enabled = await self._smile_id.enabled_id_types()
        except SmileIDError as fault:
            log.warning("products.unknown", error=str(fault))
            return False
        self._id_types.enable_only(enabled)
        await self._keep(PRODUCTS, dump_enabled(enabled) if enabled is not None else None)
        return True

    async def _keep(self, name: str, answer: Mapping[str, object] | None) -> None:
        """None is an answer too: this environment has no such list."""
        kept = json.dumps({"at": self._now().isoformat(), "whose": self._whose, "answer": answer})
        try:
            await self._database.write(meta.keep, name, kept)
        except DatabaseFault as fault:
            # The form is up to date all the same; only the next start would know less.
            log.warning("catalogue.not_kept", list=name, error=str(fault))

    async def _kept(self, name: str) -> dict[str, object] | None:
        """The last answer that is of use to us."""
        text = await self._database.read(meta.kept, name)
        if text is None:
            return None
        try:
            kept = json.loads(text)
            at, whose, answer = kept["at"], kept["whose"], kept["answer"]
        except (ValueError, RecursionError, TypeError, KeyError):
            _damaged(name)
            return None
        if whose != self._whose or answer is None:
            return None
        if not isinstance(answer, dict):
            _damaged(name)
            return None
        log.info("catalogue.loaded", list=name, told_at=at)
        return answer


def _damaged(name: str) -> None:
    """The next answer takes its place."""
    log.warning("catalogue.damaged", list=name)

"""Which ID types the form offers: read from Smile ID daily, and kept for when it does not answer.

Of `services` (what Smile ID offers to anyone) and `products_config` (what this partner may use) each one's last answer
counts, also that of an earlier run. An operator's own table (`KYC_ID_TYPES`) decides what a type needs: then `services`
is neither read nor followed, and only the partner's list narrows that table.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

from bot.access.process import Process
from bot.domain.id_types.services import dump_enabled, dump_services, load_enabled, load_services
from bot.errors import DatabaseFault, SmileIDError
from bot.smile_id.interface import SmileID
from storage import meta

T = TypeVar("T")

log = structlog.get_logger(__name__)

SERVICES = "smile_id_services"
PRODUCTS = "smile_id_products"


@dataclass(slots=True, kw_only=True, eq=False)
class IDTypeSync(Process):
    smile_id: SmileID

    @property
    def _whose(self) -> str:
        """Another environment or partner has other lists; a database may have seen both."""
        return f"{self.settings.smile_id_url} {self.settings.smile_id_partner_id}"

    async def load(self) -> None:
        """Offer what the last process learned; what cannot be read is skipped and logged."""
        if self.settings.id_types is None and (services := await self._kept(SERVICES, load_services)) is not None:
            self.id_types.lay_over(services)
        if (enabled := await self._kept(PRODUCTS, load_enabled)) is not None:
            self.id_types.enable_only(enabled)

    async def refresh(self) -> bool:
        """Ask Smile ID and keep its answers; False when one is missing, and then the last one still counts."""
        return all(await asyncio.gather(self._ask_services(), self._ask_products()))

    async def _ask_services(self) -> bool:
        if self.settings.id_types is not None:
            return True
        try:
            services = await self.smile_id.offered_id_types()
        except SmileIDError as fault:
            log.warning("services.unknown", error=str(fault))
            return False
        self.id_types.lay_over(services)
        await self._keep(SERVICES, dump_services(services) if services else None)
        return True

    async def _ask_products(self) -> bool:
        try:
            enabled = await self.smile_id.enabled_id_types()
        except SmileIDError as fault:
            log.warning("products.unknown", error=str(fault))
            return False
        self.id_types.enable_only(enabled)
        await self._keep(PRODUCTS, dump_enabled(enabled) if enabled is not None else None)
        return True

    async def _keep(self, name: str, answer: Mapping[str, object] | None) -> None:
        """None is an answer too: this environment has no such list."""
        kept = json.dumps({"at": self.now().isoformat(), "whose": self._whose, "answer": answer})
        try:
            await self.database.write(meta.keep, name, kept)
        except DatabaseFault as fault:
            # The form is up to date all the same; only the next start would know less.
            log.warning("catalogue.not_kept", list=name, error=str(fault))

    async def _kept(self, name: str, parse: Callable[[dict[str, object]], T]) -> T | None:
        """The last answer, if it is of use to us."""
        text = await self.database.read(meta.kept, name)
        if text is None:
            return None
        try:
            kept = json.loads(text)
            at, whose, answer = kept["at"], kept["whose"], kept["answer"]
            if whose != self._whose or answer is None:
                return None
            parsed = parse(answer)
        except (ValueError, RecursionError, TypeError, KeyError):
            # The next answer replaces it.
            log.warning("catalogue.damaged", list=name)
            return None
        log.info("catalogue.loaded", list=name, told_at=at)
        return parsed

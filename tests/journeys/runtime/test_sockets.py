"""More Socket Mode connections than ours: a second bot on the same app token takes every other request."""

import httpx
import pytest

from bot.sandbox.demo import free_port, settings_for
from tests.journeys.site import Site, site

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

WARNING = "socket_mode.more_connections_than_expected"


async def degraded(world: Site) -> dict[str, str]:
    async with httpx.AsyncClient() as http:
        found: dict[str, str] = (await http.get(f"{world.admin}/readyz")).json()["degraded"]
        return found


async def test_a_second_bot_on_the_same_app_token_is_warned_of() -> None:
    async with site() as first:
        environment = settings_for(
            first.slack, first.smile_id, database=first.folder / "second.db", KYC_ADMIN_PORT=str(free_port())
        )
        second = Site(first.slack, first.smile_id, first.folder, environment)
        try:
            await second.start()
            await first.wait_for(lambda: WARNING in first.log())
            assert await degraded(second) == {"socket_mode_connections": "2 open, 1 expected"}
            assert await degraded(first) == {}
        finally:
            await second.kill()


async def test_a_reconnect_whose_old_connection_is_still_counted_is_no_reason_to_warn() -> None:
    async with site() as world:
        await world.slack.disconnect_sockets("refresh_requested")
        await world.wait_for(lambda: world.slack.socket_count == 1)
        await world.ask()
        await world.wait_for_the_end()
        assert WARNING not in world.log()
        assert await degraded(world) == {}


@pytest.mark.postgresql
async def test_instances_of_one_bot_expect_each_other_and_nobody_else(empty_database: str) -> None:
    async with site(KYC_DATABASE=empty_database) as first:
        second, stranger = _beside(first), _beside(first, KYC_DATABASE=str(first.folder / "stranger.db"))
        try:
            await second.start()
            await first.wait_for(lambda: first.slack.socket_count == 2)
            assert (await degraded(first), await degraded(second)) == ({}, {})
            await stranger.start()
            await first.wait_for(lambda: WARNING in stranger.log())
            assert await degraded(stranger) == {"socket_mode_connections": "3 open, 1 expected"}
            assert WARNING not in first.log() + second.log()
            assert (await second.stop(), await first.stop()) == (0, 0)
        finally:
            await second.kill()
            await stranger.kill()


def _beside(first: Site, **settings: str) -> Site:
    """Another process with the same settings, but for these and its ports."""
    ports = {"KYC_PORT": str(free_port()), "KYC_ADMIN_PORT": str(free_port())}
    folder = first.folder / f"beside-{ports['KYC_PORT']}"
    folder.mkdir()
    return Site(first.slack, first.smile_id, folder, first.environment | ports | settings)

"""What makes the start of `kyc-bot serve` cheaper than its imports are by themselves."""

import gc
import os


def prepare() -> None:
    """To be called before the rooms are imported. `bot.runtime.server.run` collects garbage again once it listens."""
    # Next to nothing of what is imported is garbage, and looking for it again and again is a tenth of the start.
    gc.disable()
    _import_aiohttp_without_authorities()


def _import_aiohttp_without_authorities() -> None:
    """aiohttp reads the machine's list of authorities twice while it is imported, for contexts that we never use.

    Every connection has the one of `bot.network`. What would take aiohttp's own by mistake trusts nobody.
    """
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        import aiohttp  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

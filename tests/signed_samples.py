"""`python -m tests.signed_samples`: plays a check, proves it, erases its customer, and writes both documents.

They lie in docs/samples. Not part of `make docs`, since references and ids are others each time;
`tests/privacy/test_samples.py` tells when they have to be written anew.
"""

import asyncio
import base64
import hashlib
import tempfile
from pathlib import Path

from bot.domain.privacy.erasures import FoundBy, Wish
from bot.privacy import certificate, erasure, proof, signing
from storage import audit
from storage.engine.sealing import Sealer
from tests.journeys.world import journey

FOLDER = Path(__file__).parents[1] / "docs" / "samples"
KEY = base64.urlsafe_b64encode(hashlib.sha256(b"the key of the samples, known to everybody").digest()).decode()
SEALER = Sealer.from_text([KEY])
PUBLIC = signing.public_key(SEALER)
NUMBER, REFERENCE = "22299988877", "C-1009"
PROOF, CERTIFICATE = "proof-of-a-check.json", "certificate-of-an-erasure.json"


async def made(folder: Path) -> dict[str, bytes]:
    """Both documents, by the names of their files."""
    async with journey(folder, KYC_ENCRYPTION_KEYS=KEY) as world:
        world.smile_id.stories_by_id_number[NUMBER] = "approved"
        ref = await world.ask(id_number=NUMBER, customer_reference=REFERENCE)
        await world.settle()
        database, settings, now = world.bot.database, world.bot.settings, world.bot.now
        proven = await database.write(proof.make, ref, at=now())
        wish = Wish(found_by=FoundBy.CUSTOMER_REFERENCE, value=REFERENCE)
        begun = await database.write(erasure.begin, wish, number=4711, by="operator", now=now())
        assert proven is not None
        assert begun is not None
        await erasure.carry_out(database, begun.id, settings.retention, now=now)
        # Messages and files in Slack: the bot deletes its own, and asks whoever put the photo there.
        await world.settle()
        standing = await erasure.look(database, begun.id, settings.retention, erasure.Places.of(settings), now=now)
        head = await database.read(audit.head)
        signed = signing.sign(certificate.document(standing, head, at=now()), SEALER)
        return {PROOF: proven, CERTIFICATE: signed}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, signed in asyncio.run(made(Path(scratch))).items():
            (FOLDER / name).write_bytes(signed)

"""What info.json must say, and what the images it names must be.

Fields: docs.usesmileid.com/products/for-individuals-kyc/biometric-kyc and the official SDKs. Where these
differ (misc_information absent, server_information a string, `entered` a bool or a string) all are taken.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .package import PackageError
from .refusals import TEXTS, RefusedError, require_signature
from .signature import Signer

SELFIES = {0, 2}
LIVENESS = {4, 6}
ID_CARDS = {1, 3}
_FILES = {0, 1, 4, 5}
_BASE64 = {2, 3, 6, 7}
_LIVENESS_COUNTS = {0, 8}
"""v1 documents "optionally 8"; six or seven are V3's, so a client that sends them should hear of it."""

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def check(info: Mapping[str, Any], entries: Mapping[str, bytes], *, job_id: str, signer: Signer) -> None:
    """Raise `PackageError` for the first thing wrong in the package."""
    for name, kind in {"package_information": dict, "id_info": dict, "images": list}.items():
        if name not in info:
            raise _missing(name)
        if not isinstance(info[name], kind):
            raise _wrong(name)
    _check_misc_information(info.get("misc_information"), job_id, signer)
    images = [_image_type(image) for image in info["images"]]
    _check_id_info(info["id_info"], has_id_card=bool(ID_CARDS & set(images)))
    _check_counts(Counter(images))
    for image in info["images"]:
        _check_image(image, entries)


def id_entered(info: Mapping[str, Any]) -> bool:
    """Whether the client says that ID information was given."""
    return info["id_info"].get("entered") in (True, "true")


def liveness_count(info: Mapping[str, Any]) -> int:
    return sum(image["image_type_id"] in LIVENESS for image in info["images"])


def selfie(info: Mapping[str, Any], entries: Mapping[str, bytes]) -> bytes:
    """The selfie's bytes, out of a package that passed `check`."""
    image = next(image for image in info["images"] if image["image_type_id"] in SELFIES)
    return entries[image["file_name"]] if image["image_type_id"] in _FILES else _decoded(image["image"])


def _check_misc_information(misc: object, job_id: str, signer: Signer) -> None:
    if misc is None:
        return
    if not isinstance(misc, dict):
        raise _wrong("misc_information")
    partner_params = misc.get("partner_params")
    if not isinstance(partner_params, dict) or partner_params.get("job_id") != job_id:
        raise _wrong("misc_information.partner_params")
    try:
        require_signature(misc, signer, partner_field="smile_client_id")
    except RefusedError as refused:
        raise PackageError(refused.code, refused.text) from refused


def _check_id_info(id_info: Mapping[str, Any], *, has_id_card: bool) -> None:
    entered = id_info.get("entered")
    if entered not in (None, True, False, "true", "false"):
        raise _wrong("id_info.entered")
    if entered not in (True, "true"):
        # Job type 1 needs ID information or a picture of the card (Ruby, JS, PHP and Java check it).
        if not has_id_card:
            raise _missing("id_info")
        return
    for name in ("country", "id_type", "id_number"):
        value = id_info.get(name)
        if value in (None, ""):
            raise _missing(f"id_info.{name}")
        if not isinstance(value, str):
            raise _wrong(f"id_info.{name}")
    if not (len(id_info["country"]) == 2 and id_info["country"].isascii() and id_info["country"].isupper()):
        raise _wrong("id_info.country")


def _image_type(image: object) -> int:
    if not isinstance(image, dict):
        raise _wrong("images")
    kind = image.get("image_type_id")
    if isinstance(kind, bool) or not isinstance(kind, int) or kind not in _FILES | _BASE64:
        raise _wrong("images.image_type_id")
    return kind


def _check_counts(images: Counter[int]) -> None:
    selfies = sum(images[kind] for kind in SELFIES)
    if selfies == 0:
        raise _missing("a selfie")
    if selfies > 1 or sum(images[kind] for kind in LIVENESS) not in _LIVENESS_COUNTS:
        raise PackageError("0001", "Data Invalid")


def _check_image(image: Mapping[str, Any], entries: Mapping[str, bytes]) -> None:
    kind = image["image_type_id"]
    data = entries.get(str(image.get("file_name"))) if kind in _FILES else _decoded(image.get("image"))
    if data is None or not data.startswith(_MAGIC):
        raise PackageError("0001", _unusable(kind))


def _unusable(kind: int) -> str:
    """The text that goes with code 0001 for an image that is corrupt or missing from the zip."""
    if kind in SELFIES:
        return "Selfie image unusable"
    return "Data Invalid" if kind in LIVENESS else "ID Card image unusable"


def _decoded(text: object) -> bytes:
    """Base64 as it stands in info.json; line breaks are tolerated, as Ruby's and Java's encoders make them."""
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _missing(name: str) -> PackageError:
    return PackageError("2213", f"{TEXTS['2213']}: {name}")


def _wrong(name: str) -> PackageError:
    return PackageError("2204", f"{TEXTS['2204']}: {name}")

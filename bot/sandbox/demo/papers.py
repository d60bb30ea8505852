"""What people of the demo's history attach: photos, and tables of applicants."""

import csv
import io
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib import resources

from PIL import Image, ImageFilter

from bot.sandbox.demo.people import Applicant


@cache
def photo(name: str) -> bytes:
    return (resources.files("bot.sandbox") / "data" / "photos" / name).read_bytes()


@cache
def blurred() -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(photo("selfie.jpg"))).filter(ImageFilter.GaussianBlur(9)).save(out, "JPEG", quality=90)
    return out.getvalue()


def row(applicant: Applicant, number: int) -> dict[str, str]:
    names = ("country", "id_type", "id_number", "first_name", "last_name", "dob")
    return {name: getattr(applicant, name) for name in names} | {
        "customer_reference": f"INVENTED-{number}",
        "selfie": f"{number}.jpg",
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def table(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()

"""The table that people are given to fill in."""

import csv
import io

_HEADER = (
    "country", "id_type", "id_number", "first_name", "last_name", "dob", "phone_number", "customer_reference", "selfie",
    "liveness",
)  # fmt: skip
_EXAMPLES = (
    ("NG", "BVN", "00000000000", "Example", "Person", "1990-01-02", "08012345678", "EXAMPLE-1", "example-1.jpg", ""),
    ("KE", "NATIONAL_ID", "00000000", "Sample", "Somebody", "2 Jan 1990", "", "EXAMPLE-2", "example-2/selfie.jpg",
     "example-2"),
)  # fmt: skip


def template_csv() -> bytes:
    """A header and two invented people with Smile ID's test numbers. With a mark of UTF-8, so that Excel reads it."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows((_HEADER, *_EXAMPLES))
    return out.getvalue().encode("utf-8-sig")

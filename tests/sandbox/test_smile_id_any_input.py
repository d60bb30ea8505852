"""Whatever JSON comes, the stand-in answers with a refusal of Smile ID's, never with a crash."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.sandbox.smile_id import info_json, package, prep_upload
from bot.sandbox.smile_id.package import PackageError
from bot.sandbox.smile_id.refusals import TEXTS, RefusedError
from bot.sandbox.smile_id.signature import Signer

from .smile_id_partner import API_KEY, PARTNER_ID, files_of, info, prep_body, signed, zipped

SIGNER = Signer(PARTNER_ID, API_KEY)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any) -> list[tuple[str | int, ...]]:
    """The path of every value below this one."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(step, *rest) for step, inner in steps for rest in [(), *places(inner)]]


@st.composite
def spoiled(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """The document with one of its values, however deep, replaced by anything."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    *folders, last = draw(st.sampled_from(places(copy)))
    place: Any = copy
    for step in folders:
        place = place[step]
    place[last] = draw(values)
    return copy


def fault_in(check: Callable[[], object]) -> str | None:
    """The code it refuses with; None if it does not."""
    try:
        check()
    except (RefusedError, PackageError) as fault:
        return fault.code
    return None


@given(body=spoiled(prep_body() | {"retry": True, "allow_new_enroll": False}))
def test_any_upload_body_is_read_or_refused(body: dict[str, Any]) -> None:
    assert fault_in(lambda: prep_upload.parse(body, SIGNER)) in {None, *TEXTS}


@given(
    document=spoiled(
        info() | {"misc_information": {**signed("smile_client_id"), "partner_params": {"job_id": "job-1"}}}
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_info_json_is_sound_or_at_fault(document: dict[str, Any]) -> None:
    fault = fault_in(lambda: info_json.check(document, files_of(info()), job_id="job-1", signer=SIGNER))
    assert fault in {None, "0001", *TEXTS}


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_corrupt_zip(data: bytes) -> None:
    assert fault_in(lambda: package.unpack(data)) == "0903"


GOOD = zipped(files_of(info()))


@given(place=st.integers(0, len(GOOD) - 1), byte=st.binary(min_size=1, max_size=1))
def test_a_zip_with_one_byte_changed_opens_or_is_corrupt(place: int, byte: bytes) -> None:
    changed = GOOD[:place] + byte + GOOD[place + 1 :]
    assert fault_in(lambda: package.unpack(changed)) in {None, "0903"}

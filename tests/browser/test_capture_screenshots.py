"""Pictures of the customer's page for docs/pictures, taken with `--screenshots DIR` alone: `make screenshots`."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.capture_steps import STEPS, every_step
from tests.browser.capture_world import CaptureSite, Customer
from tests.pictures.camera import file_name, save
from tests.pictures.customer_page import EDGE, GAP, PAGE_SHOTS, PHONE_WIDTH, PageShot

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

SIZE = (PHONE_WIDTH, 640)
GROUND = (128, 128, 128)
"""Around the phones."""
COLOURS = 64


@pytest.mark.parametrize(("language", "is_dark"), [("en-NG", False), ("fr-SN", True)], ids=["light", "dark"])
async def test_the_customers_page_is_photographed(
    capture_site: CaptureSite, screenshots: Path, *, language: str, is_dark: bool
) -> None:
    taken: dict[str, Image.Image] = {}
    async for step, customer in every_step(capture_site, language=language, is_dark=is_dark):
        if step == "smile":
            await _smiles(customer)
        await customer.page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
        shot = await customer.page.screenshot(full_page=True, animations="disabled", caret="hide")
        taken[step] = Image.open(BytesIO(shot)).convert("RGB")
    assert tuple(taken) == STEPS
    for picture in PAGE_SHOTS:
        if picture.is_dark == is_dark:
            save(_in_palette(_sheet(picture, taken)), screenshots / file_name(picture.name))


async def _smiles(customer: Customer) -> None:
    """However slow this machine is: the page films by its own camera's pace."""
    for _ in range(20):
        if await customer.page.locator("#cue").get_attribute("data-words") == "cue_smile":
            return
        await customer.let_pass(0.4)
    pytest.fail("nobody was asked to smile")


def _sheet(picture: PageShot, taken: dict[str, Image.Image]) -> Image.Image:
    """Column beside column, in each the phones one below the other."""
    columns = [[taken[step] for step in column] for column in picture.columns]
    heights = [sum(phone.height + GAP for phone in column) - GAP for column in columns]
    sheet = Image.new("RGB", (picture.width, max(heights) + 2 * EDGE), GROUND)
    for place, column in enumerate(columns):
        top = EDGE
        for phone in column:
            sheet.paste(phone, (EDGE + place * (PHONE_WIDTH + GAP), top))
            top += phone.height + GAP
    return sheet


def _in_palette(image: Image.Image) -> Image.Image:
    """More colours than other pictures have: a face in few has spots."""
    return image.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")

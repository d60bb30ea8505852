"""The templates of the page; everything put into them is escaped unless it is HTML of ours already."""

import hashlib
from pathlib import Path

import jinja2
from markupsafe import Markup

STATIC = Path(__file__).parent / "static"

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **given: object) -> Markup:
    """`template` names a file of `templates/`. Text given for it is escaped; `Markup` stays as it is."""
    return Markup(_ENVIRONMENT.get_template(template).render(given))  # noqa: S704  # autoescape is on


def fingerprint(*parts: object) -> str:
    """A short mark of what is drawn; the same parts have the same."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=6).hexdigest()

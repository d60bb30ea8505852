"""Half characters, which no text can hold: half a surrogate pair, as JSON can spell it where an emoji was cut in two.

Neither UTF-8 nor a database takes one. It becomes U+FFFD, the sign for what cannot be shown, as a NUL does on storing:
what it belongs to is read, stored and told all the same.
"""

import json
import re

_HALF = re.compile("[\ud800-\udfff]")
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def mended(text: str) -> str:
    """The text with U+FFFD for each half character."""
    return _HALF.sub("\ufffd", text)


def mended_json(text: str) -> str:
    """The same JSON with U+FFFD for each half character.

    Nearly all has none, and is looked through once, in a tenth of the time that it takes to read. Of what is no JSON or
    is nested too deeply, this may raise ValueError or RecursionError already.
    """
    # A reader of JSON says which escapes are two halves of one character: the backslash of one may itself be escaped.
    return mended(json.dumps(json.loads(text), ensure_ascii=False)) if _MAY_BE_HALF.search(text) else text

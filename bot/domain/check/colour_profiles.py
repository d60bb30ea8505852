"""What a photo's colour profile means, said anew: a profile has room for anything, and so none travels as it came.

A profile is recognised by what the pixels need of it, three colours and a curve, since every program writes its own
bytes (and date) for the same space. Ours of that space takes its place. One that is not recognised is dropped: its
picture is then read as sRGB, as by whoever ignores profiles, and looks a little paler or stronger than it was meant.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

_HEADER = 128
_MOST_TAGS = 100
_COLOUR_TOLERANCE = 0.003
"""Of XYZ. Two makers' sRGB differ by up to 0.001, Display P3 from sRGB by 0.09."""
_CURVE_TOLERANCE = 0.012
"""Of 1. The sRGB curve in 1024 steps is exact to 0.001; a plain gamma of 2.2 stands in for it in many files."""
_SAMPLES = [n / 16 for n in range(17)]
_COLOURS = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_INSTEAD_OF_COLOURS = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2", b"D2B3")
"""With one of these tables in a profile, the three colours may say nothing of the picture."""
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}
"""How many numbers each kind of parametric curve has (ICC.1:2022, 10.18, read 2026-11)."""

_XYZ = tuple[float, float, float]
_Curve = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class _Space:
    name: str
    colours: tuple[_XYZ, _XYZ, _XYZ]
    """Of red, green and blue at their strongest, adapted to D50."""
    curve: Sequence[float]
    """Of parametric type 3, or one gamma."""


_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_KNOWN = (
    _Space(
        "sRGB",
        ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
        _SRGB_CURVE,
    ),
    _Space(
        "Display P3",
        ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
        _SRGB_CURVE,
    ),
    _Space(
        "Adobe RGB (1998)",
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
        (2.19921875,),
    ),
)
"""Of browsers and Android, of iPhones, of cameras."""
_D50 = (0.9642, 1.0, 0.8249)
_FROM_D65 = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168)
"""The adaptation (Bradford's) that is part of the colours above."""


def known_profile(data: bytes) -> bytes | None:
    """Our own profile of the space that this one describes; None if it is broken, or of none that we know."""
    try:
        tags = _tags(data)
        if any(name in tags for name in _INSTEAD_OF_COLOURS):
            return None
        colours = [_xyz(tags[name]) for name in _COLOURS]
        curves = [[curve(x) for x in _SAMPLES] for curve in (_curve(tags[name]) for name in _CURVES)]
    except (ValueError, KeyError, IndexError, ArithmeticError, struct.error):
        # A curve of a stranger may divide by nought, overflow, or take the root of less than nothing.
        return None
    return next((_written(space) for space in _KNOWN if _is_like(space, colours, curves)), None)


def _tags(data: bytes) -> dict[bytes, bytes]:
    if data[16:24] != b"RGB XYZ " or data[36:40] != b"acsp":
        raise ValueError("no profile of RGB")
    (count,) = struct.unpack_from(">I", data, _HEADER)
    if count > _MOST_TAGS:
        raise ValueError("more tags than any profile has")
    found = {}
    for at in range(_HEADER + 4, _HEADER + 4 + 12 * count, 12):
        name, start, length = struct.unpack_from(">4sII", data, at)
        found[name] = data[start : start + length]
    return found


def _xyz(tag: bytes) -> _XYZ:
    if not tag.startswith(b"XYZ "):
        raise ValueError("no colour")
    x, y, z = struct.unpack_from(">3i", tag, 8)
    return x / 65536, y / 65536, z / 65536


def _curve(tag: bytes) -> _Curve:
    if tag.startswith(b"curv"):
        (count,) = struct.unpack_from(">I", tag, 8)
        values = struct.unpack_from(f">{count}H", tag, 12)
        if count == 0:
            return lambda x: x
        return _gamma(values[0] / 256) if count == 1 else _table(values)
    if not tag.startswith(b"para"):
        raise ValueError("no curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    return _parametric(kind, [n / 65536 for n in struct.unpack_from(f">{_PARAMETERS[kind]}i", tag, 12)])


def _gamma(exponent: float) -> _Curve:
    return lambda x: math.pow(x, exponent)


def _table(values: Sequence[int]) -> _Curve:
    def read(x: float) -> float:
        at = x * (len(values) - 1)
        low = min(int(at), len(values) - 2)
        return (values[low] + (values[low + 1] - values[low]) * (at - low)) / 65535

    return read


def _parametric(kind: int, numbers: Sequence[float]) -> _Curve:
    if kind == 0:
        return _gamma(numbers[0])
    if kind != 3:
        raise ValueError("a kind of curve that no known space is written with")
    exponent, a, b, c, d = numbers

    def read(x: float) -> float:
        return math.pow(a * x + b, exponent) if x >= d else c * x

    return read


def _is_like(space: _Space, colours: Sequence[_XYZ], curves: Sequence[Sequence[float]]) -> bool:
    """`curves` are the values at `_SAMPLES`."""
    wanted = _parametric(3, space.curve) if len(space.curve) > 1 else _gamma(space.curve[0])
    return all(
        abs(have - want) <= _COLOUR_TOLERANCE
        for colour, like in zip(colours, space.colours, strict=True)
        for have, want in zip(colour, like, strict=True)
    ) and all(
        abs(value - wanted(x)) <= _CURVE_TOLERANCE for curve in curves for value, x in zip(curve, _SAMPLES, strict=True)
    )


@cache
def _written(space: _Space) -> bytes:
    """A profile of version 4 in about 600 bytes, always the same ones."""
    parametric = b"para" + bytes(4) + struct.pack(">HH", 3 if len(space.curve) > 1 else 0, 0) + _fixed(*space.curve)
    tags = {
        b"desc": _text(space.name),
        b"cprt": _text("No copyright"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*_FROM_D65),
        **{name: b"XYZ " + bytes(4) + _fixed(*xyz) for name, xyz in zip(_COLOURS, space.colours, strict=True)},
        **dict.fromkeys(_CURVES, parametric),
    }
    places: dict[bytes, int] = {}
    table, body, begins = b"", b"", _HEADER + 4 + 12 * len(tags)
    for name, content in tags.items():
        if content not in places:
            places[content] = begins + len(body)
            body += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, places[content], len(content))
    header = struct.pack(
        ">I4xI4s4s4s6H4s", begins + len(body), 0x04300000, b"mntr", b"RGB ", b"XYZ ", 2026, 1, 1, 0, 0, 0, b"acsp"
    )
    header = (header + bytes(28) + _fixed(*_D50)).ljust(_HEADER, b"\x00")
    return header + struct.pack(">I", len(tags)) + table + body


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded

"""The colours that people, cloth and rooms are drawn from."""

Colour = tuple[int, int, int]

DARK: Colour = (24, 18, 16)
WHITE: Colour = (255, 255, 255)
SKINS: tuple[Colour, ...] = (
    (84, 54, 40), (101, 66, 48), (120, 79, 56), (138, 92, 66), (155, 106, 77), (176, 125, 93), (201, 152, 120),
    (222, 178, 148),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = ((26, 20, 18), (33, 25, 21), (44, 31, 24), (58, 40, 29), (86, 80, 78))
CLOTHES: tuple[Colour, ...] = (
    (38, 70, 83), (42, 109, 103), (150, 62, 52), (196, 128, 48), (84, 66, 120), (54, 62, 92), (120, 128, 92),
    (214, 206, 190),
)  # fmt: skip
WALLS: tuple[Colour, ...] = (
    (176, 188, 196), (196, 186, 170), (160, 178, 168), (188, 176, 188), (204, 198, 188), (148, 164, 182),
)  # fmt: skip
SCARVES: tuple[Colour, ...] = ((122, 42, 68), (30, 88, 104), (190, 140, 60), (70, 74, 116), (96, 112, 88))


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with this share of the other."""
    mixed = [round(a + (b - a) * share) for a, b in zip(colour, other, strict=True)]
    return mixed[0], mixed[1], mixed[2]

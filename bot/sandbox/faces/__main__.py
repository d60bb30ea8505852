"""Draws the sample photos anew."""

from bot.sandbox.faces import draw_samples

for written in draw_samples():
    print(written)

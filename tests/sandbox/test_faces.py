"""Faces of nobody: the same for the same seed, fit to be sent, and the sample photos are among them."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from bot.domain.check.photo_quality import same_pictures
from bot.domain.check.photos import prepare
from bot.sandbox import faces
from bot.sandbox.faces import Face, Hair, Pose, Wall


def test_a_seed_draws_the_same_face_each_time() -> None:
    assert faces.portrait("ada") == faces.portrait("ada")
    assert faces.portrait("ada") != faces.portrait("chidi")


@pytest.mark.parametrize("seed", range(24))
def test_a_portrait_passes_the_pre_flight_without_a_warning(seed: int) -> None:
    photo = prepare(faces.portrait(seed))
    assert photo.quality.flaws == ()
    assert (photo.width, photo.height) == faces.SIZE
    assert len(photo.jpeg) < 300_000


@pytest.mark.parametrize("seed", range(6))
def test_the_frames_of_a_capture_pass_and_are_eight_pictures(seed: int) -> None:
    frames = [prepare(frame) for frame in faces.liveness(seed)]
    assert [frame.quality.flaws for frame in frames] == [()] * faces.FRAMES
    pictures = [frame.quality.picture for frame in (prepare(faces.portrait(seed)), *frames)]
    assert len(set(pictures)) == len(pictures)
    assert not same_pictures(pictures)


def test_seeds_bring_every_kind_of_hair_and_wall() -> None:
    some = [Face.from_seed(seed) for seed in range(120)]
    assert {face.hair for face in some} == set(Hair)
    assert {face.wall for face in some} == set(Wall)
    assert {face.is_woman for face in some} == {True, False}


def test_who_is_asked_for_is_drawn() -> None:
    assert all(Face.from_seed(seed, is_woman=True).is_woman for seed in range(9))
    assert not any(Face.from_seed(seed, is_woman=False).is_woman for seed in range(9))


@pytest.mark.parametrize("size", [(640, 800), (512, 512), (1080, 1920)])
def test_a_face_can_have_any_size(size: tuple[int, int]) -> None:
    picture = faces.draw(Face.from_seed(3), Pose(smile=1.0, turn=-1.0, tilt_degrees=8, shift=(30, -20)), size=size)
    assert picture.size == size


def test_the_sample_photos_are_what_the_script_draws(tmp_path: Path) -> None:
    """Loosely: another Pillow rounds some pixels in its own way."""
    for drawn in faces.draw_samples(tmp_path):
        with Image.open(drawn) as new, Image.open(faces.SAMPLES / drawn.name) as old:
            assert new.size == old.size, drawn.name
            difference = ImageStat.Stat(ImageChops.difference(new.convert("RGB"), old.convert("RGB")))
            assert max(difference.mean) < 3, f"{drawn.name}: python -m bot.sandbox.faces draws it anew"

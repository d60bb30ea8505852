"""What an analyst reads at the end of each story that Smile ID can tell."""

from pathlib import Path

import pytest

from tests.journeys.world import journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


@pytest.mark.parametrize(
    ("story", "state", "words"),
    [
        ("approved", "approved", "Approved — face and ID number verified"),
        ("rejected", "rejected", "Rejected — the selfie does not match the authority's photo"),
        ("provisional_approved", "approved", "Approved — face and ID number verified"),
        ("provisional_rejected", "rejected", "Rejected — the selfie does not match the authority's photo"),
        ("spoof", "rejected", "Rejected — the selfie does not look like a live person"),
        ("spoof_strict", "rejected", "Rejected — the selfie does not look like a live person"),
        ("authority_down", "failed", "No result — the authority's register is unavailable"),
        ("id_not_found", "rejected", "Rejected — the authority does not know this ID number"),
        ("no_face", "rejected", "Rejected — no usable face in the selfie"),
        ("selfie_unusable", "failed", "No result — Smile ID could not use the photos"),
        ("authority_photo_missing", "failed", "No result — the authority holds no photo of this person"),
        ("bad_id_format", "failed", "No result — wrong BVN format"),
        ("repeats", "approved", "Approved — face and ID number verified"),
        ("out_of_order", "approved", "Approved — face and ID number verified"),
        ("unknown_code", "in_review", "Needs review — Smile ID answered with a code we do not know (0899)"),
        ("unverified_id", "in_review", "Needs review — selfie accepted, ID number not verified"),
        ("contradiction", "in_review", "Needs review — the result we received and Smile ID's own record differ"),
        (
            "second_final",
            "in_review",
            "Needs review — Smile ID sent another final result: first Rejected, now Approved",
        ),
        ("suspects", "approved", "Approved — face and ID number verified"),
        ("callback_first", "approved", "Approved — face and ID number verified"),
    ],
)
async def test_a_story_ends_in_the_words_of_its_result(tmp_path: Path, story: str, state: str, words: str) -> None:
    # People speak only once the machine's result is told: on a busy machine it would be another story.
    async with journey(tmp_path, story=story, review_seconds=600) as world:
        ref = await world.ask()
        await world.settle()
        world.smile_id.let_people_speak()
        await world.settle()
        check = await world.check(ref)
        assert check.state == state, world.thread()
        endings = [text for text in world.thread() if words in text]
        assert len(endings) == 1, world.thread()
        assert ref in endings[0]

"""A session whose model changes under it."""

import pytest
import torch

import trajflow
from trajflow.calibration import Profile, find_profile, fingerprint


@pytest.fixture
def changing(make_pipeline, adapt):
    """A model of its own, and what changes one of its parts."""
    pipeline = make_pipeline()

    def change(part: str) -> None:
        with torch.no_grad():
            for parameter in getattr(pipeline, part).parameters():
                parameter.mul_(1.5)

    return adapt(pipeline), change


@pytest.mark.parametrize("part", ["text_encoder", "text_encoder_2"])
def test_a_changed_text_encoder_is_heard_in_a_live_session(changing, part) -> None:
    flow, change = changing
    session = trajflow.Session(flow)
    before = session.generate("a red cabin", steps=3)
    change(part)
    after = session.generate("a red cabin", steps=3)
    assert after.image.tobytes() == trajflow.Session(flow).generate("a red cabin", steps=3).image.tobytes()
    assert after.image.tobytes() != before.image.tobytes()
    assert not after.from_store


def test_the_profile_is_that_of_the_model_as_it_is_now(changing) -> None:
    flow, change = changing
    session = trajflow.Session(flow)
    before = session.profile
    assert session.profile is before
    change("transformer")
    assert session.profile == find_profile(flow.identity())
    assert session.profile.model == fingerprint(flow.identity()) != before.model


def test_a_profile_that_was_given_stays(changing) -> None:
    flow, change = changing
    given = Profile("of another model", 5)
    session = trajflow.Session(flow, profile=given)
    change("transformer")
    assert session.profile is given


def test_a_request_looks_at_the_model_once_and_a_changed_one_has_its_own_grid_and_noise(make_mixture) -> None:
    class Counted(make_mixture):
        looks = 0
        scale = 1.0

        def identity(self):
            self.looks += 1
            return {**super().identity(), "scale": self.scale}

        def noise(self, seed, shape):
            return self.scale * super().noise(seed, shape)

    flow = Counted()
    session = trajflow.Session(flow)
    for options in ({}, {"budget": 4}, {"budget": 3, "compare": True}):
        before = flow.looks
        session.generate(f"snowy mountain {len(options)}", **options)
        assert flow.looks == before + 1
    flow.scale = 0.5
    session.generate("snowy mountain", strategy="baseline")
    newest = session.entries()[0]
    assert torch.equal(newest.trajectory.noise, flow.noise(0, (1, 3, 8, 8)))

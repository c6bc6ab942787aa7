"""A session whose model changes under it."""

import pytest
import torch

import trajflow
from trajflow.calibration import Profile, find_profile, model_digest


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
    model, change = changing
    session = trajflow.Session(model)
    before = session.generate("a red cabin", steps=3)
    change(part)
    after = session.generate("a red cabin", steps=3)
    assert after.image.tobytes() == trajflow.Session(model).generate("a red cabin", steps=3).image.tobytes()
    assert after.image.tobytes() != before.image.tobytes()
    assert not after.from_store


def test_the_profile_is_that_of_the_model_as_it_is_now(changing) -> None:
    model, change = changing
    session = trajflow.Session(model)
    before = session.profile
    assert session.profile is before
    change("transformer")
    assert session.profile == find_profile(model.identity())
    assert session.profile.model == model_digest(model.identity()) != before.model


def test_a_profile_that_was_given_stays(changing) -> None:
    model, change = changing
    given = Profile("of another model", 5)
    session = trajflow.Session(model, profile=given)
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

    model = Counted()
    session = trajflow.Session(model)
    for options in ({}, {"budget": 4}, {"budget": 3, "compare": True}):
        before = model.looks
        session.generate(f"snowy mountain {len(options)}", **options)
        assert model.looks == before + 1
    model.scale = 0.5
    session.generate("snowy mountain", strategy="baseline")
    newest = session.entries()[0]
    assert torch.equal(newest.trajectory.noise, model.noise(0, (1, 3, 8, 8)))

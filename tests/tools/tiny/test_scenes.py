from functools import cache

import numpy as np
import pytest

from tools.tiny.palette import HOURS
from tools.tiny.scenes import ALL_SCENES, FOREGROUNDS, SUBJECTS, TIMES, WEATHERS, Scene, render
from trajflow.errors import RequestError


@cache
def picture(subject, time="noon", weather="clear", foreground="none", seed=0):
    return render(Scene(subject, time, weather, foreground), np.random.default_rng(seed))


@cache
def mean_picture(*attributes):
    return np.mean([picture(*attributes, seed=seed).astype(float) for seed in range(6)], axis=0)


def test_there_are_240_different_scenes():
    assert len(ALL_SCENES) == len(set(ALL_SCENES)) == 240


@pytest.mark.parametrize(
    "attributes",
    [
        ("lake", "noon", "clear", "none"),
        ("sea", "noonish", "clear", "none"),
        ("sea", "noon", "rain", "none"),
        ("sea", "noon", "fog", "car"),
    ],
)
def test_unknown_attributes_are_refused(attributes):
    with pytest.raises(RequestError, match="choose one of"):
        Scene(*attributes)


def test_every_combination_renders_a_full_picture():
    for index, scene in enumerate(ALL_SCENES):
        image = render(scene, np.random.default_rng(index))
        assert image.shape == (128, 128, 3)
        assert image.dtype == np.uint8
        assert image.std() > 8, scene


def test_other_sizes_show_the_same_layout():
    small, large = (render(Scene("sea", "dawn", "clear", "boat"), np.random.default_rng(3), size) for size in (64, 128))
    reduced = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small).mean() < 4


def test_the_seed_decides_the_picture():
    for scene in ALL_SCENES[::7]:
        first, again, other = (render(scene, np.random.default_rng(seed)) for seed in (5, 5, 6))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("weather", WEATHERS)
def test_night_is_the_darkest_hour(subject, weather):
    brightness = {time: mean_picture(subject, time, weather).mean() for time in TIMES}
    assert brightness["night"] < 0.8 * brightness["sunset"]
    assert brightness["night"] < 0.6 * brightness["noon"]


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("weather", WEATHERS)
def test_sunset_sky_is_redder_than_dawn_and_noon_is_blue(subject, weather):
    warmth = {time: np.ptp(mean_picture(subject, time, weather)[:50].mean(axis=(0, 1))[[0, 2]]) for time in TIMES}
    red, _, blue = mean_picture(subject, "sunset", weather)[:60].mean(axis=(0, 1))
    assert red > 1.2 * blue
    red, _, blue = mean_picture(subject, "noon", weather)[:60].mean(axis=(0, 1))
    assert blue > red
    assert warmth["dawn"] < warmth["sunset"]


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("time", TIMES)
def test_snow_whitens_the_ground(subject, time):
    clear, snow = (mean_picture(subject, time, weather)[-8:] for weather in ("clear", "snow"))
    assert snow.mean() > clear.mean() + 15
    assert np.ptp(snow.mean(axis=(0, 1))) / snow.mean() < 0.6


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("time", TIMES)
def test_fog_draws_the_distance_towards_the_mist(subject, time):
    mist = 255 * HOURS[time].mist
    clear, fog = (np.abs(mean_picture(subject, time, weather)[64:80] - mist).mean() for weather in ("clear", "fog"))
    assert fog < 0.7 * clear


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("foreground", FOREGROUNDS[1:])
def test_foregrounds_show_in_the_lower_half_at_every_hour(subject, foreground):
    for time in TIMES:
        for weather in WEATHERS:
            bare = picture(subject, time, weather).astype(float)
            with_object = picture(subject, time, weather, foreground).astype(float)
            changed = np.abs(with_object - bare).max(axis=-1) > 20
            assert changed[64:].mean() > 0.03


def test_the_sun_rises_on_the_left_and_sets_on_the_right():
    for seed in range(10):
        dawn = picture("sea", "dawn", seed=seed)[30:70].astype(float).min(axis=-1).sum(axis=0)
        sunset = picture("sea", "sunset", seed=seed)[30:70, :, 1].astype(float).sum(axis=0)
        assert dawn.argmax() < 64 < sunset.argmax()

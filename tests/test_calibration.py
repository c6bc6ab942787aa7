import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from trajflow.assets import asset
from trajflow.base import Forecast, Model, NodeSchedule
from trajflow.calibration import (
    CORRECTION,
    FORMAT,
    PROFILE_FILE,
    REFERENCE_STEPS,
    SCALED_NODES,
    Caching,
    GuidanceShift,
    Learned,
    Outcome,
    Placement,
    Profile,
    find_profile,
    model_digest,
    profile_folder,
    read_profile,
    write_profile,
)
from trajflow.errors import CacheError
from trajflow.learning.priors import DEPTHS
from trajflow.models.registry import load
from trajflow.policies.aligned import Aligned
from trajflow.policies.budcache import BudCache
from trajflow.policies.calibrated import Calibrated, Prior
from trajflow.session import Session
from trajflow.settings import LEAST_FIDELITY, MOST_FIDELITY

IDENTITY = {"weights": "abc", "dtype": "float32", "device": "cpu"}


@pytest.fixture
def profile(make_profile) -> Profile:
    made = make_profile(28, {3: 30.0, 5: 35.0}, model_digest(IDENTITY))
    shifts = (GuidanceShift(0.5, 2.0, 1.0), GuidanceShift(1.0), GuidanceShift(2.0, -6.0, 1.0, -8.0, -3.0, -2.0))
    several = {**made.several, 7: Placement(NodeSchedule((0, 4, 8, 12, 16, 20, 24)))}
    return replace(made, several=several, guidance=3.0, shifts=shifts)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TRAJFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


# The file


def test_a_profile_survives_its_file(tmp_path, profile) -> None:
    path = tmp_path / "new" / "folder" / "profile.json"
    write_profile(path, profile)
    assert read_profile(path) == profile
    assert read_profile(path, profile.model) == profile
    assert [each.name for each in path.parent.iterdir()] == ["profile.json"]


@pytest.fixture
def without_sources(profile) -> Profile:
    """With what was learned for runs without a source at 3 of 28 evaluations."""
    mask = (0, 9, 20)
    priors = {
        k: {"velocity": Prior(torch.randn(2, 1, 3, 1, 1), torch.randn(1, 3, 1, 1))} for k in range(28) if k not in mask
    }
    policies = {
        "budcache": BudCache(mask, "blocks"),
        "aligned": Aligned(mask, (0.1, 0.2, 0.3, 0.4), "stack"),
        "solver": Calibrated(BudCache(mask, "velocity"), priors, 4),
    }
    return replace(profile, without_sources={3: Caching(policies, {"solver": Forecast(30.0, 32.5, 35.0, 40.0)})})


def test_policies_and_their_priors_survive_their_files(tmp_path, without_sources) -> None:
    path = tmp_path / "profile.json"
    write_profile(path, without_sources)
    held = read_profile(path, without_sources.model)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["profile.json", "profile.safetensors"]
    [(budget, caching)] = held.without_sources.items()
    kept = without_sources.without_sources[3]
    assert (budget, caching.forecasts, caching.best) == (3, kept.forecasts, "solver")
    assert {name: caching.policies[name] for name in ("budcache", "aligned")} == {
        name: kept.policies[name] for name in ("budcache", "aligned")
    }
    read, written = caching.policies["solver"], kept.policies["solver"]
    assert (read.policy, read.depth, set(read.priors)) == (written.policy, written.depth, set(written.priors))
    for k, priors in written.priors.items():
        assert torch.equal(read.priors[k]["velocity"].weights, priors["velocity"].weights)
        assert torch.equal(read.priors[k]["velocity"].offset, priors["velocity"].offset)


def test_the_learned_solver_is_found_under_its_first_name(tmp_path, without_sources) -> None:
    path, beside = tmp_path / "profile.json", tmp_path / "profile.safetensors"
    write_profile(path, without_sources)
    path.write_text(path.read_text().replace('"solver"', '"tcc"'))
    tensors = {name.replace("/solver/", "/tcc/"): tensor for name, tensor in load_file(beside).items()}
    save_file(tensors, beside)
    caching = read_profile(path).without_sources[3]
    assert set(caching.policies) == {"budcache", "aligned", "solver"}
    assert (caching.best, caching.forecasts["solver"].median_db) == ("solver", 35.0)
    assert set(caching.policies["solver"].priors) == set(without_sources.without_sources[3].policies["solver"].priors)


@pytest.mark.parametrize("harm", ["gone", "broken", "another's", "mask", "logits", "level"])
def test_policies_that_do_not_fit_their_files_are_refused(tmp_path, without_sources, harm: str) -> None:
    path, beside = tmp_path / "profile.json", tmp_path / "profile.safetensors"
    write_profile(path, without_sources)
    stored = json.loads(path.read_text())
    policies = stored["without_sources"]["3"]["policies"]
    if harm == "gone":
        beside.unlink()
    elif harm == "broken":
        beside.write_bytes(beside.read_bytes()[:40])
    elif harm == "another's":
        save_file({"3/solver/1/velocity/weights": torch.ones(1), "3/solver/1/velocity/offset": torch.ones(1)}, beside)
    elif harm == "mask":
        policies["budcache"]["mask"] = [0, 9, 9]
    elif harm == "logits":
        policies["aligned"]["logits"] = [0.1]
    else:
        policies["budcache"]["level"] = "pixels"
    path.write_text(json.dumps(stored))
    refused(path)


def refused(path: Path, model: str | None = None) -> str:
    with pytest.raises(CacheError) as caught:
        read_profile(path, model)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_a_profile_of_another_model_is_refused(tmp_path, profile) -> None:
    write_profile(tmp_path / "profile.json", profile)
    other = model_digest({**IDENTITY, "weights": "xyz"})
    sentence = refused(tmp_path / "profile.json", other)
    assert "another model" in sentence
    assert profile.model[:12] in sentence
    assert other[:12] in sentence


GARBAGE = [b"", b"\xff\xfe\x00", b"null", b"[]", b"7", b'"profile"', b"{}", b"{", b"[" * 100_000, b'{"format": 1}']


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage)[:16])
def test_what_is_no_profile_is_refused(tmp_path, garbage: bytes) -> None:
    (tmp_path / "profile.json").write_bytes(garbage)
    refused(tmp_path / "profile.json", "some model")


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path) -> None:
    refused(tmp_path)
    refused(tmp_path / "none.json")


def at(*keys: str | int, value: object):
    """A change deep in a stored profile."""

    def change(stored: dict) -> None:
        for key in keys[:-1]:
            stored = stored[key]
        stored[keys[-1]] = value

    return change


RUNG = ("single", "3", "node_schedule")
BROKEN = {
    "format": at("format", value=FORMAT + 1),
    "model": at("model", value=7),
    "steps": at("steps", value="many"),
    "made": at("made", value=3),
    "single": at("single", value=[]),
    "count": at("single", "three", value={}),
    "no-nodes": at(*RUNG, "nodes", value=[]),
    "other-count": at(*RUNG, "nodes", value=[0, 4]),
    "falling": at(*RUNG, "nodes", value=[0, 9, 4]),
    "twice": at(*RUNG, "nodes", value=[0, 9, 9]),
    "late-start": at(*RUNG, "nodes", value=[1, 9, 14]),
    "off-the-grid": at(*RUNG, "nodes", value=[0, 9, 28]),
    "words": at(*RUNG, "nodes", value=["a", "b", "c"]),
    "fewer-slopes": at(*RUNG, "slopes", value=[0.0]),
    "nan": at(*RUNG, "corrections", value=[0.0, float("nan"), 1.0]),
    "no-number": at(*RUNG, "corrections", value=[0.0, None, 1.0]),
    "fewer-forecasters": at(*RUNG, "forecasters", value=[]),
    "forecaster": at(*RUNG, "forecasters", 1, value={}),
    "features": at(*RUNG, "forecasters", 1, "low", value=[1.0, 2.0]),
    "infinite": at(*RUNG, "forecasters", 0, "high", value=[1.0, float("inf")]),
    "number-as-text": at(*RUNG, "slopes", value=["0.5", 0.0, 0.0]),
    "unknown-name": at("notes", value="mine"),
    "unknown-name-below": at(*RUNG, "speed", value=3),
    "before": at("several", "5", "before", "low", value=[1.0]),
    "falling-shifts": at("shifts", 0, "times", value=1.5),
    "shift-at-nothing": at("shifts", 0, "times", value=0.0),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_broken_profile_is_refused_when_read_not_when_used(tmp_path, profile, change) -> None:
    path = tmp_path / "profile.json"
    write_profile(path, profile)
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    if stored["single"] and stored["single"]["3"]["node_schedule"]["forecasters"] == []:
        assert not read_profile(path).single[3].node_schedule.forecasters, "nothing learned is allowed"
    else:
        refused(path, profile.model)


def test_a_profile_that_cannot_be_written_is_one_sentence(tmp_path, profile) -> None:
    (tmp_path / "taken").write_text("")
    for path in (tmp_path / "taken" / "profile.json", tmp_path):
        with pytest.raises(CacheError, match=r"cannot be written to .*\.$"):
            write_profile(path, profile)


# Whose it is


def test_the_device_is_no_part_of_a_model_and_all_else_is() -> None:
    assert model_digest(IDENTITY) == model_digest({**IDENTITY, "device": "cuda"})
    assert model_digest(IDENTITY) == model_digest(dict(reversed(IDENTITY.items())))
    for key in ("weights", "dtype"):
        assert model_digest(IDENTITY) != model_digest({**IDENTITY, key: "other"})


def test_profiles_are_kept_where_the_environment_says(home, tmp_path, monkeypatch) -> None:
    assert profile_folder() == home / "profiles"
    monkeypatch.delenv("TRAJFLOW_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert profile_folder() == tmp_path / "cache" / "trajflow" / "profiles"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert profile_folder() == Path.home() / ".cache" / "trajflow" / "profiles"


def test_the_users_own_profile_is_found_and_one_that_does_not_serve_is_told(home, profile, caplog) -> None:
    assert find_profile(IDENTITY) == Profile(profile.model)
    path = home / "profiles" / f"{profile.model}.json"
    write_profile(path, profile)
    assert find_profile(IDENTITY) == profile
    assert find_profile({**IDENTITY, "device": "cuda"}) == profile
    assert not caplog.records, "the bundled profile is another model's, and nobody's mistake"
    write_profile(path, replace(profile, model="another"))
    assert find_profile(IDENTITY) == Profile(profile.model)
    path.write_text("garbage")
    assert find_profile(IDENTITY) == Profile(profile.model)
    of_another, damaged = (record.getMessage() for record in caplog.records)
    assert of_another.startswith(f"{path} was made for another model (another, not ")
    assert damaged.startswith(f"{path} is not a profile: ")
    assert damaged.endswith(". It is passed over.")


# Placements


def test_on_its_own_grid_a_placement_is_used_as_it_is(profile) -> None:
    assert profile.placement(28, 5, 1) is profile.single[5]
    assert profile.placement(28, 7, 2) is profile.several[7]
    assert 7 not in profile.placements(1)


def test_on_another_grid_nodes_are_scaled_and_forecasts_left(profile) -> None:
    scaled, own = profile.placement(56, 5, 1), profile.single[5]
    assert scaled.node_schedule.nodes == tuple(2 * node for node in own.node_schedule.nodes)
    assert (scaled.node_schedule.slopes, scaled.node_schedule.corrections) == (
        own.node_schedule.slopes,
        own.node_schedule.corrections,
    )
    assert scaled.before is None
    assert scaled.node_schedule.forecasters == ()


@pytest.mark.parametrize(
    ("guidance", "of_sources", "before_db", "during_db", "alone_db"),
    [
        (3.0, None, 0.0, 0.0, 0.0),
        (6.0, None, -6.0, 1.0, -8.0),
        (3.0 * 2**0.5, None, -3.0, 0.5, -4.0),
        (12.0, None, -12.0, 1.0, -16.0),
        (1.0, None, 2.0, 1.0, 0.0),
        (6.0, 6.0, -6.0, 1.0, -8.0),
        (6.0, 3.0, -9.0, -1.0, -8.0),
        (3.0, 1.5, -3.0, -2.0, 0.0),
        (0.0, 0.0, 2.0, 1.0, 0.0),
    ],
)
def test_forecasts_move_with_guidance_and_where_sources_have_another(
    without_sources, guidance, of_sources, before_db, during_db, alone_db
) -> None:
    """Linear in the logarithm between what was measured; held below it, gone on with above unless that would rise."""
    moved = without_sources.at_guidance(guidance, of_sources)
    for own, placement in zip(without_sources.several.values(), moved.several.values(), strict=True):
        assert placement.node_schedule.nodes == own.node_schedule.nodes
        for told, other in zip(own.node_schedule.forecasters, placement.node_schedule.forecasters, strict=True):
            assert [b - a for a, b in zip(told.median, other.median, strict=True)] == pytest.approx(
                [during_db, *(0.0,) * (len(told.median) - 1)]
            )
        if own.before is not None:
            assert placement.before.assured[0] - own.before.assured[0] == pytest.approx(before_db)
    assert moved.without_sources[3].forecasts["solver"].low_db == pytest.approx(30.0 + alone_db)
    assert moved.without_sources[3].policies is without_sources.without_sources[3].policies


def test_a_profile_that_knows_nothing_of_guidance_is_itself_at_any(make_profile) -> None:
    plain = make_profile(28, {3: 30.0})
    assert plain.at_guidance(7.0, 3.0) is plain


@pytest.mark.parametrize("sources", [1, 3])
def test_wherever_they_come_from_nodes_are_distinct_and_as_many_as_paid(profile, sources: int) -> None:
    for known in (profile, Profile()):
        for steps in range(1, 60):
            for count in range(1, steps + 1):
                placed = known.placement(steps, count, sources).node_schedule
                assert len(set(placed.nodes)) == len(placed.nodes) == count
                assert list(placed.nodes) == sorted(placed.nodes)
                assert placed.nodes[0] == 0
                assert placed.nodes[-1] < steps
                assert {len(placed.slopes), len(placed.corrections)} <= {0, count}


def test_a_model_without_a_profile_gets_the_bundled_nodes_and_no_forecasts() -> None:
    for count, nodes in SCALED_NODES.items():
        placed = Profile().placement(REFERENCE_STEPS, count, 1)
        assert placed == Placement(NodeSchedule(nodes, (), (CORRECTION,) * count))
        assert Profile().placement(2 * REFERENCE_STEPS, count, 1).node_schedule.nodes == tuple(
            2 * node for node in nodes
        )


# The bundled one


@pytest.fixture(scope="module")
def bundled() -> Model:
    return load("tiny")


def test_the_bundled_profile_is_for_the_bundled_model_and_forecasts(home, bundled) -> None:
    profile = read_profile(asset("tiny") / PROFILE_FILE, model_digest(bundled.identity()))
    found = find_profile(bundled.identity())
    assert (found.model, found.made, found.several) == (profile.model, profile.made, profile.several)
    assert profile.steps == bundled.defaults.steps == REFERENCE_STEPS
    for placements in (profile.single, profile.several):
        assert len(placements) > 1
        for count, placement in placements.items():
            node_schedule = placement.node_schedule
            assert (
                len(node_schedule.slopes) == len(node_schedule.corrections) == len(node_schedule.forecasters) == count
            )
            assert placement.before is not None
    for budget, caching in profile.without_sources.items():
        assert set(caching.policies) <= set(caching.forecasts)
        assert caching.best == "solver", "what a miss with that budget takes"
        assert caching.policies["solver"].depth == DEPTHS["history"]
        for name in caching.policies.keys() & {"budcache", "aligned"}:
            assert len(caching.policies[name].mask) == budget


@pytest.mark.slow
def test_a_session_on_the_bundled_model_climbs_as_it_needs(home, bundled) -> None:
    session = Session(bundled)
    session.generate("a mountain landscape", seed=3)
    node_schedules = tuple(session.profile.single[count].node_schedule for count in sorted(session.profile.single))
    spent = []
    for fidelity in (LEAST_FIDELITY, MOST_FIDELITY):
        result = session.generate("a mountain landscape at dusk", seed=3, strategy="difference", fidelity=fidelity)
        assert (result.plan.sampling.escalation, result.plan.sampling.fidelity) == (node_schedules, fidelity)
        assert result.cost.nfe == len(result.diagnostics) <= result.plan.budget == len(node_schedules[-1].nodes)
        assert 0.0 <= result.forecast.low_db <= result.forecast.assured_db <= result.forecast.high_db <= 100.0
        assert session.estimate("a lake at night", seed=3).forecast is not None
        spent.append(result.cost.nfe)
    assert spent[0] < spent[1]


# What a session learns


def test_nothing_is_learned_from_nothing() -> None:
    assert (Learned().shift_db, Learned().margin_db) == (0.0, 0.0)


def test_one_comparison_is_drawn_to_zero_and_a_miss_widens() -> None:
    """By hand: an error of 9 dB among 8 forecasts that count as right; 0.8 of 2 dB for a miss, 0.2 for a hit."""
    missed = Learned().add(Outcome(30.0, 35.0, 40.0, 44.0))
    assert (missed.shift_db, missed.margin_db) == pytest.approx((1.0, 1.6))
    hit = Learned().add(Outcome(30.0, 35.0, 40.0, 35.0))
    assert (hit.shift_db, hit.margin_db) == pytest.approx((0.0, -0.4))
    assert missed.add(Outcome(30.0, 35.0, 40.0, 42.5)).margin_db == pytest.approx(1.6 - 0.4), "40 + 1 + 1.6 covers it"
    assert missed.add(Outcome(30.0, 35.0, 40.0, 42.7)).margin_db == pytest.approx(1.6 + 1.6)


def stream(count: int, bias_db: float, told_spread_db: float, seed: int = 0) -> list[Outcome]:
    """Measurements around a biased forecast, 3 dB of spread, with intervals for a spread of their own."""
    rng = np.random.default_rng(seed)
    medians = rng.uniform(30, 45, count)
    measured = medians + bias_db + 3.0 * rng.standard_normal(count)
    half = 1.2816 * told_spread_db
    return [Outcome(m - half, m, m + half, x) for m, x in zip(medians.tolist(), measured.tolist(), strict=True)]


@pytest.mark.parametrize("bias_db", [-7.0, 0.0, 4.0])
def test_the_shift_approaches_the_bias(bias_db: float) -> None:
    learned = Learned(tuple(stream(500, bias_db, 3.0)))
    assert learned.shift_db == pytest.approx(bias_db, abs=3 * 3.0 / 500**0.5 + abs(bias_db) * 8 / 508)


@pytest.mark.parametrize(("bias_db", "told_spread_db"), [(-7.0, 3.0), (6.0, 1.5), (0.0, 1.0), (0.0, 2.0)])
def test_in_the_long_run_four_in_five_fall_inside(bias_db: float, told_spread_db: float) -> None:
    """As forecast one after the other; each margin is RATE (misses - 0.2 T), so misses/T = 0.2 + margin / (RATE T)."""
    learned, inside, outcomes = Learned(), 0, stream(500, bias_db, told_spread_db)
    for outcome in outcomes:
        shift, margin = learned.shift_db, learned.margin_db
        inside += outcome.low_db + shift - margin <= outcome.measured_db <= outcome.high_db + shift + margin
        learned = learned.add(outcome)
    assert inside / 500 == pytest.approx(0.8, abs=0.02)
    assert learned.margin_db >= Learned.NARROWEST


def test_too_wide_intervals_are_narrowed_only_so_far() -> None:
    assert Learned(tuple(stream(100, 0.0, 30.0))).margin_db == Learned.NARROWEST


def test_what_is_learned_is_the_same_however_it_was_gathered() -> None:
    outcomes = stream(40, -3.0, 2.0)
    one_by_one = Learned()
    for outcome in outcomes:
        one_by_one = one_by_one.add(outcome)
    assert one_by_one == Learned(tuple(outcomes))
    assert Learned() == Learned(())


def test_sessions_share_one_profile_until_its_file_changes(tmp_path, monkeypatch, mixture):
    monkeypatch.setenv("TRAJFLOW_HOME", str(tmp_path))
    model = model_digest(mixture.identity())
    path = profile_folder() / f"{model}.json"
    write_profile(path, Profile(model, steps=8, made={"by": "hand"}))
    first, second = Session(mixture), Session(mixture)
    assert first.profile.made == {"by": "hand"}
    assert second.profile is first.profile
    write_profile(path, Profile(model, steps=8, made={"by": "another hand"}))
    assert Session(mixture).profile.made == {"by": "another hand"}


def test_a_source_without_guidance_counts_as_one_of_the_prompt_alone(without_sources) -> None:
    """At 1 and below only the prompt is evaluated."""
    assert without_sources.at_guidance(3.0, 0.0) == without_sources.at_guidance(3.0, 1.0)
    assert without_sources.at_guidance(3.0, 0.0) != without_sources.at_guidance(3.0, 3.0)

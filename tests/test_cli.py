import csv
import json
import re
import subprocess
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.cache.test_disk import full_disk
from trajflow.calibration import find_profile, model_digest, read_profile, write_profile
from trajflow.cli import app
from trajflow.cli.calibrate import _begun
from trajflow.models.registry import SETTINGS_FILE, load

PAIRS = """kind,source,target,seed,history
time,a mountain landscape,a mountain landscape at dusk,3,
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "edits.csv"
    path.write_text(PAIRS)
    return path


def test_help_names_the_commands():
    for name in ("ui", "generate", "bench", "calibrate", "doctor"):
        assert name in run("--help").output
    for command in (("ui",), ("generate",), ("bench", "frontier"), ("calibrate",), ("doctor",)):
        assert run(*command, "--help").exit_code == 0


@pytest.mark.slow
def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "trajflow", "bench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: python -m trajflow bench ")


def test_generate_saves_each_picture_and_prints_a_line_for_it(tmp_path):
    out = tmp_path / "new" / "pictures"
    prompts = ("A mountain!", "a mountain at dusk", "a mountain at dusk")
    done = run("generate", *prompts, "--seed", 3, "--steps", 4, "--budget", 2, "--out", out, "--compare")
    assert done.exit_code == 0, done.output
    first, second, third = done.stdout.splitlines()
    assert first.startswith(f"{out}/01-a-mountain-seed3.png: 2 of 4 evaluations, ")
    assert " dB against from scratch. " in first
    assert "“A mountain!”" in second
    assert "0 of 4 evaluations" in third
    assert "identical to from scratch" in third
    assert sorted(path.name for path in out.iterdir()) == [
        "01-a-mountain-seed3-from-scratch.png",
        "01-a-mountain-seed3.png",
        "02-a-mountain-at-dusk-seed3-from-scratch.png",
        "02-a-mountain-at-dusk-seed3.png",
        "03-a-mountain-at-dusk-seed3-from-scratch.png",
        "03-a-mountain-at-dusk-seed3.png",
    ]
    for path in out.iterdir():
        with Image.open(path) as picture:
            assert picture.size == (128, 128)


def test_generate_without_comparing_states_no_decibels(tmp_path):
    done = run("generate", "a mountain", "--steps", 4, "--out", tmp_path)
    assert done.stdout.startswith(f"{tmp_path}/01-a-mountain-seed0.png: 4 of 4 evaluations, ")
    assert "dB" not in done.stdout


def test_generate_by_the_published_system_and_a_table_of_tiers(tmp_path):
    prompts = ("a beautiful mountain landscape", "mountain landscape that is beautiful")
    for tiers, line in (
        ("aggressive", "1 of 4 evaluations, "),
        ("published", "1 of 4 evaluations, "),
        ("conservative", "2 of 4 evaluations, "),
        ("0.9:0.25,0.5:0.1", "3 of 4 evaluations, "),
    ):
        asked = ("--steps", 4, "--strategy", "published", "--tiers", tiers, "--out", tmp_path)
        done = run("generate", *prompts, *asked)
        assert done.exit_code == 0, done.output
        assert line in done.stdout.splitlines()[1], tiers
        assert "(similarity 0.95)" in done.stdout.splitlines()[1]


def test_learned_tiers_follow_what_is_compared(tmp_path):
    """The second picture is far from what its tier promises, so nothing is resumed for the third."""
    prompts = [f"a wide mountain landscape at {time} in the snow" for time in ("dawn", "night", "noon")]
    computed = {}
    for tiers in ("published", "learned"):
        asked = ("--steps", 4, "--strategy", "published", "--tiers", tiers, "--compare", "--out", tmp_path)
        lines = run("generate", *prompts, *asked).stdout.splitlines()
        computed[tiers] = [line.partition(".png: ")[2][0] for line in lines]
    assert computed == {"published": ["4", "2", "2"], "learned": ["4", "2", "4"]}


@pytest.mark.parametrize("tiers", ["reckless", "0.9:high", "0.9:0.5:0.1", "0.9:1.5"])
def test_a_table_of_tiers_that_is_none_is_refused_before_anything_is_made(tmp_path, tiers):
    assert "tier" in fails("generate", "a mountain", "--tiers", tiers, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_frontier_prints_a_table_and_writes_what_it_measured(tmp_path, pairs):
    out, per_pair = tmp_path / "results" / "out.json", tmp_path / "targets.csv"
    done = run(
        "bench", "frontier", "--model", "tiny", "--pairs", pairs, "--budgets", "2, auto", "--strategies",
        "resume,basis", "--steps", 4, "--json", out, "--per-pair", per_pair,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("| strategy ")
    report = json.loads(out.read_text())
    assert report["steps"] == 4
    assert [(row["strategy"], row["budget"], row["kind"]) for row in report["rows"]] == [
        (strategy, budget, kind)
        for strategy in ("resume", "basis")
        for budget in (2, "auto")
        for kind in ("time", "all")
    ]
    with per_pair.open(newline="") as file:
        targets = list(csv.DictReader(file))
    assert [target["target"] for target in targets] == ["a mountain landscape at dusk"] * 4


def fails(*arguments):
    """What stderr says of a run that must fail politely."""
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    return line


def test_wrong_requests_are_one_sentence_and_exit_code_2(tmp_path):
    generate = ("generate", "--out", tmp_path / "out", "--steps", 4)
    assert fails(*generate, "a mountain", " ").startswith("trajflow: The prompt is empty.")
    assert "no strategy 'teleport'" in fails(*generate, "a mountain", "--strategy", "teleport")
    assert "Choose a whole number from 1 to 4" in fails(*generate, "a mountain", "--budget", 9)
    assert "could not be loaded" in fails(*generate, "a mountain", "--model", tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_said_before_the_run(tmp_path):
    (tmp_path / "taken").write_text("")
    assert "cannot be made" in fails("generate", "a mountain", "--out", tmp_path / "taken" / "out")


def test_wrong_benchmarks_are_one_sentence_and_exit_code_2(tmp_path, pairs):
    assert "could not be read" in fails("bench", "frontier", "--pairs", tmp_path / "none.csv")
    frontier = ("bench", "frontier", "--pairs", pairs)
    assert "Give whole numbers or the word auto" in fails(*frontier, "--budgets", "3,few")
    assert "no strategy 'teleport'" in fails(
        *frontier, "--strategies", "basis,teleport", "--json", tmp_path / "nowhere" / "rows.json"
    )
    for measured in ("load", "faults", "fuzz"):
        refused = fails("bench", measured, "--only", "everything", "--out", tmp_path / "nowhere" / "table.csv")
        assert "There is no part 'everything'. Choose from: " in refused
    assert not (tmp_path / "nowhere").exists()
    pairs.write_text(f"{PAIRS}time,a,b,never,\n")
    assert "edits.csv, line 3: the seed must be a whole number" in fails(*frontier)


ROWS = [
    f"time,a harbour,a {place} {mood} at dusk,4,a village in the fog"
    for place in ("beach", "lake", "forest", "valley")
    for mood in ("in snow", "in rain", "with a cabin")
]


@pytest.fixture(scope="module")
def small(make_pipeline, text_length, tmp_path_factory):
    """The folder of a small random model."""
    folder = tmp_path_factory.mktemp("small")
    make_pipeline().save_pretrained(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps({"max_sequence_length": text_length}))
    return folder


@pytest.fixture
def calibrating(tmp_path, pairs, small):
    """The arguments of a calibration that is over soon."""
    (tmp_path / "others.csv").write_text("\n".join((PAIRS.splitlines()[0], *ROWS)) + "\n")
    counts = ("--model", small, "--steps", 3, "--budgets", 2, "--nodes", 2)
    return ("calibrate", *counts, "--placing", pairs, "--forecasting", tmp_path / "others.csv")


@pytest.mark.slow
def test_calibrate_writes_a_profile_where_it_is_found_by_itself(tmp_path, monkeypatch, calibrating, small):
    monkeypatch.setenv("TRAJFLOW_HOME", str(tmp_path / "home"))
    done = run(*calibrating)
    assert done.exit_code == 0, done.output
    path, priors = sorted((tmp_path / "home" / "profiles").iterdir())
    assert (path.suffix, priors.suffix, path.stem) == (".json", ".safetensors", priors.stem)
    assert done.stdout.startswith(f"{path}: 1 placements, ")
    assert "1 budgets, 4 masks judged, 2 of them run" in done.stdout
    profile = find_profile(load(small).identity())
    assert path.stem == profile.model
    assert (profile.steps, tuple(profile.single), tuple(profile.several)) == (3, (2,), (2,))
    assert set(profile.without_sources[2].policies) == {"budcache", "aligned", "solver", "tcc"}
    assert set(profile.made["seconds"]["2"]) == {"budcache", "aligned", "solver", "tcc"}
    assert (profile.made["masks_judged"], profile.made["masks_run"]) == (4, 2)
    again = run(*calibrating, "--nodes", "", "--seed", 1)
    assert again.exit_code == 0, again.output
    assert find_profile(load(small).identity()).several == profile.several, "what is not asked for stays"


def test_what_is_for_replicas_is_refused_without_them():
    assert "--replicas, --gpus: that is for replicas." in fails("serve", "--replicas", 8, "--gpus", 1)
    assert "--store: that is for replicas" in fails("serve", "--store", "file:///tmp/none")


def test_a_picture_that_cannot_be_written_is_a_sentence(tmp_path, small):
    with full_disk():
        done = run("generate", "a lake", "--model", small, "--steps", 2, "--out", tmp_path)
    assert done.exit_code == 2
    assert "cannot be written: File too large" in done.stderr


@pytest.mark.slow
def test_calibrate_keeps_what_was_learned_before(tmp_path, monkeypatch, calibrating, small, make_profile):
    path = tmp_path / "profile.json"
    before = make_profile(4, {3: 30.0}, model_digest(load(small).identity()))
    write_profile(path, before)
    assert "learned for 4 steps. Give --out a file for 3 steps" in fails(*calibrating, "--out", path)
    done = run(*calibrating, "--steps", 4, "--budgets", "", "--no-guidance", "--out", path)
    assert done.exit_code == 0, done.output
    after = read_profile(path, before.model)
    assert set(after.single) == set(after.several) == {2, 3}
    assert after.single[3] == before.single[3]
    # Of the bundled model there is a profile before anything was calibrated here.
    monkeypatch.setenv("TRAJFLOW_HOME", str(tmp_path / "home"))
    assert "learned for 28 steps" in fails("calibrate", "--steps", 50, "--nodes", "")
    assert not list((tmp_path / "home").rglob("*.json"))
    file, begun = _begun(load("tiny"), None, 28)
    assert (file.parent, begun) == (tmp_path / "home" / "profiles", find_profile(load("tiny").identity()))


def test_calibrate_leaves_another_models_profile_alone(tmp_path, calibrating, make_profile):
    path = tmp_path / "profile.json"
    write_profile(path, make_profile(3, {2: 30.0}, "another"))
    before = path.read_bytes()
    assert "was made for another model" in fails(*calibrating, "--out", path)
    assert path.read_bytes() == before
    assert "nothing to learn" in fails(*calibrating, "--budgets", "", "--nodes", "", "--no-guidance")


def test_calibrations_that_cannot_be_are_one_sentence_and_exit_code_2(tmp_path, monkeypatch, calibrating):
    monkeypatch.setenv("TRAJFLOW_HOME", str(tmp_path / "home"))
    assert "could not be read" in fails("calibrate", "--placing", tmp_path / "none.csv")
    assert "could not be read" in fails(*calibrating[:-1], tmp_path / "none.csv")
    assert "Give whole numbers" in fails(*calibrating, "--budgets", "3,few")
    assert "Give whole numbers with commas" in fails(*calibrating, "--budgets", "3,auto")
    strange = ("--strategies", "solver,everything", "--out", tmp_path / "nowhere" / "profile.json")
    assert "Choose of budcache, aligned" in fails(*calibrating, *strange)
    assert not (tmp_path / "nowhere").exists()
    assert "budgets from 2 to 2, got 1, 9" in fails(*calibrating, "--budgets", "9,1")
    assert "steps are -3. Choose a whole number from 3 to 200" in fails(*calibrating, "--steps", -3)
    assert "12 with a history" in fails(*calibrating[:-1], calibrating[-3])
    assert "could not be loaded" in fails(*calibrating, "--model", tmp_path)
    (tmp_path / "taken").write_text("")
    assert "cannot be made" in fails(*calibrating, "--out", tmp_path / "taken" / "profile.json")
    assert not list((tmp_path / "home" / "profiles").iterdir())


def test_doctor_finds_this_installation_well():
    done = run("doctor")
    assert done.exit_code == 0, done.output
    assert "FAIL" not in done.stdout
    for name in ("torch", "faiss", "device", "model", "encoder", "extra ui", "extra control"):
        assert f"ok   {name}" in done.stdout


def test_doctor_reports_what_is_broken(monkeypatch, tmp_path):
    monkeypatch.setattr("trajflow.cli.doctor.PACKAGES", ("torch", "no-such-package"))
    monkeypatch.setenv("TRAJFLOW_HOME", str(tmp_path))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.json").write_text("garbage")
    done = run("doctor")
    assert done.exit_code == 1
    assert "FAIL no-such-package" in done.stdout
    assert re.search(r"FAIL profiles .*mine\.json is not a profile", done.stdout)

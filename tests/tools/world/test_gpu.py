"""The three calls of a GPU machine, in miniature, on whatever there is."""

import json
import shutil
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import SD3Transformer2DModel
from PIL import Image
from safetensors.torch import load_file

from tools.world import card, carry, gpu, pieces, stage, train
from tools.world.network import build_transformer
from tools.world.progress import PROMPTS
from tools.world.stage import Pace
from tools.world.train import MINIATURE, Workshop, load_released

# Rows of the sheet.
SEEDS = 2


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> tuple[Path, Path]:
    """The work folder and what came back, after all three calls."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu.measure, "SECTIONS", ("phrases",))
        patch.setattr(gpu.measure, "table", str)
        patch.setattr(gpu, "SHEET_SEEDS", SEEDS)
        patch.setitem(gpu.SETTINGS, "steps", 2)
        patch.setattr(gpu.vocabulary, "nothing", partial(gpu.vocabulary.nothing, captions=30))
        for number in ("1", "2"):
            gpu.main([number, "--work", str(folder / "work"), "--miniature"])
        gpu.main(["3", "--work", str(folder / "work"), "--out", str(folder / "out"), "--miniature"])
    return folder / "work", folder / "out"


@pytest.fixture(scope="module")
def joined(machine, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("joined")
    pieces.join(machine[1], folder)
    return folder


def test_what_comes_back_is_a_model_that_runs(machine, joined):
    _, out = machine
    assert json.loads((out / "measured.json").read_text())["phrases"]["of"] == 300
    with Image.open(out / "samples.png") as sheet:
        assert sheet.size == (192 * len(PROMPTS), 192 * SEEDS)
    model = load_released(joined / "model")
    assert model.transformer.config.num_layers == 2
    for path in out.iterdir():
        assert path.stat().st_size <= 16 * 2**20


def test_another_machine_takes_what_was_carried(machine, joined, tmp_path):
    carry.take(joined, tmp_path)
    assert (tmp_path / "text" / "reader.safetensors").exists()
    assert load_file(joined / "judge.safetensors").keys() == torch.load(tmp_path / "judge" / "judge.pt")["judge"].keys()
    theirs = load_file(joined / "model" / "transformer" / "diffusion_pytorch_model.safetensors")
    started = load_file(tmp_path / "start" / "diffusion_pytorch_model.safetensors")
    assert theirs.keys() == started.keys()
    # Only what is missing is taken.
    (tmp_path / "text" / "reader.safetensors").unlink()
    carry.take(joined, tmp_path)
    assert not (tmp_path / "text" / "reader.safetensors").exists()


def test_a_carried_transformer_is_where_the_velocity_begins(machine, joined, tmp_path):
    work, _ = machine
    for name in ("text", "vae", "latents", "latents_half", "pictures"):
        shutil.copytree(work / name, tmp_path / name)
    carry.take(joined, tmp_path)
    workshop = Workshop(tmp_path, torch.device("cpu"), 1, until=0.0, compiled=False)
    made = build_transformer(MINIATURE.shape)
    workshop.begin(made)
    started = load_file(tmp_path / "start" / "diffusion_pytorch_model.safetensors")
    for name, value in made.named_parameters():
        torch.testing.assert_close(value.detach(), started[name].float())


def test_what_there_is_is_packed_at_any_time_and_small(machine, joined, tmp_path, monkeypatch):
    monkeypatch.setattr(carry, "LARGEST", "200KB")
    carry.pack(machine[0], tmp_path / "packed", MINIATURE.shape)
    packed = sorted(path.relative_to(tmp_path / "packed") for path in (tmp_path / "packed").rglob("*.safetensors"))
    assert len([path for path in packed if path.parent.name == "transformer"]) > 1
    carry.take(tmp_path / "packed", tmp_path / "work")
    average = torch.load(machine[0] / "velocity" / "velocity.pt")["average"]
    started = SD3Transformer2DModel.from_pretrained(tmp_path / "work" / "start")
    for name, value in started.named_parameters():
        torch.testing.assert_close(value.float(), average[name].half().float())
    for name in ("text", "vae", "judge"):
        assert any((tmp_path / "work" / name).iterdir())
    assert not any(str(machine[0]) in path.read_text() for path in (tmp_path / "packed").rglob("*.json"))
    # Before there is anything, nothing is written and nothing fails.
    carry.pack(tmp_path / "none", tmp_path / "empty")
    assert not any((tmp_path / "empty").iterdir())


def test_half_size_training_begins_where_the_carried_transformer_was(machine, tmp_path):
    carry.pack(machine[0], tmp_path / "packed", MINIATURE.shape)
    carry.take(tmp_path / "packed", tmp_path)
    for name in ("latents", "latents_half", "pictures", "things", "views"):
        (tmp_path / name).symlink_to(machine[0] / name)
    workshop = Workshop(tmp_path, torch.device("cpu"), 1, compiled=False)
    workshop.run(replace(MINIATURE, coarse=replace(MINIATURE.coarse, steps=1, muon=0.0, adamw=0.0)), ("coarse",))
    begun = torch.load(tmp_path / "coarse" / "velocity.pt")["average"]
    started = SD3Transformer2DModel.from_pretrained(tmp_path / "start")
    for name, value in started.named_parameters():
        torch.testing.assert_close(begun[name], value.float())


def test_a_call_given_again_goes_on_with_what_there_is(machine, capsys):
    work, _ = machine
    before = (work / "vae" / "config.json").stat().st_mtime_ns
    gpu.main(["1", "--work", str(work), "--miniature"])
    assert (work / "vae" / "config.json").stat().st_mtime_ns == before
    assert "loss" not in capsys.readouterr().out


def test_a_changed_or_missing_piece_is_named(tmp_path):
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "deep" / "weights").write_bytes(bytes(range(256)) * 200)
    (tmp_path / "model" / "settings.json").write_text("{}")
    written = pieces.split(tmp_path / "model", tmp_path / "pieces", size=25_000)
    assert [path.name for path in written] == ["part00", "part01", "part02", "manifest.json"]
    pieces.join(tmp_path / "pieces", tmp_path / "again")
    for name in ("deep/weights", "settings.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
    part = written[1].read_bytes()
    written[1].write_bytes(part[:-1] + b"x")
    with pytest.raises(ValueError, match="part01 is not what it was"):
        pieces.join(tmp_path / "pieces", tmp_path / "again")
    written[1].unlink()
    with pytest.raises(ValueError, match="part01 is missing: 3 pieces"):
        pieces.join(tmp_path / "pieces", tmp_path / "again")


def test_the_rate_falls_to_nothing_by_the_clock_in_a_last_stage_only():
    pace = Pace(10**6, until=0.0, is_last=True, began=-100.0)
    assert pace.factor(500) == 0
    assert Pace(10**6, until=0.0, began=-100.0).factor(500) == 1
    assert Pace(1000).factor(500) == Pace(1000, is_last=True).factor(500) == 1
    assert Pace(1000).factor(1000) == 0


def test_a_stage_ended_by_the_clock_says_how_far_it_came(machine, tmp_path, monkeypatch):
    """By one that a second passes on whenever somebody looks at it."""
    looks = count(1)
    for module in (stage, train):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: float(next(looks))))
    shutil.copytree(machine[0], tmp_path, dirs_exist_ok=True)
    for name in ("coarse", "velocity"):
        shutil.rmtree(tmp_path / name)
    endless = replace(MINIATURE, velocity=replace(MINIATURE.velocity, steps=10**6))
    workshop = Workshop(tmp_path, torch.device("cpu"), 1, compiled=False, is_last=True)
    assert replace(workshop, until=30.0).run(endless, ("velocity",))
    rows = (tmp_path / "velocity" / "velocity.csv").read_text().splitlines()
    step = torch.load(tmp_path / "velocity" / "velocity.pt", weights_only=True)["step"]
    assert 0 < step < 10**6
    assert rows[-1].startswith(f"{step},")
    # No time at all is no error either.
    shutil.rmtree(tmp_path / "velocity")
    assert replace(workshop, until=0.0).run(endless, ("coarse",))


def test_a_card_is_made_of_any_model_folder(joined, tmp_path):
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("a lake\nа долгий longer caption than the picture is wide, in several lines\n", "utf-8")
    card.main(["--model", str(joined / "model"), "--out", str(tmp_path), "--phrases", str(phrases), "--steps", "1"])
    text = (tmp_path / "README.md").read_text("utf-8")
    assert "| transformer | `SD3Transformer2DModel` |" in text
    assert "2 phrases typed by hand" in text
    assert "Not measured yet." in text
    with Image.open(tmp_path / "seeds.jpg") as sheet:
        assert sheet.width == 6 * (192 + 6)
        assert sheet.height > 2 * 192

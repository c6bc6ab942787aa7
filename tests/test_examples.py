"""Every example runs as it stands, in a folder of its own."""

import json
import re
import runpy
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

import trajflow
from trajflow.testing import check_model

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """What an example prints, given arguments."""

    def call(name: str, *arguments: object) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_a_session_of_prompts(run) -> None:
    printed = run("session.py", "a lake", "a lake at night", "a lake", "--steps", 6).splitlines()
    assert [int(line.split()[0]) for line in printed[::2]] == [
        6,
        int(printed[2].split()[0]),
        0,
        int(printed[6].split()[0]),
    ]
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["1.png", "2.png", "3.png"]


def test_a_pipeline_of_ones_own(run) -> None:
    assert run("own_pipeline.py", "--steps", 9).startswith("Stable Diffusion 3: 3 of 9 evaluations, ")


def test_an_adapter_of_ones_own(run) -> None:
    lines = run("own_adapter.py").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["pale red", "red and blue"]
    assert all(float(line.split()[-2]) > 40 for line in lines), "one colour to another is an easy edit"
    check_model(runpy.run_path(str(EXAMPLES / "own_adapter.py"))["Colours"]())


def test_the_adapters_velocity_is_that_of_its_data() -> None:
    """Against the mean of e - x_0 over many draws that lead to nearly the same x."""
    import torch

    from trajflow.base import Point

    made = runpy.run_path(str(EXAMPLES / "own_adapter.py"))
    model, sigma = made["Colours"](), 0.6
    asked = model.encode("red", "", 1.0)
    generator = torch.Generator().manual_seed(0)
    data, noise = torch.randn((2, 1_000_000), generator=generator)
    data = made["COLOURS"]["red"][0] + made["SPREAD"] * data
    met = (1 - sigma) * data + sigma * noise
    x = 0.5
    near = (met - x).abs() < 0.01
    velocity = model.evaluate(torch.full((1, 3, 1, 1), x), Point(0, 1, torch.tensor(sigma), torch.tensor(600.0)), asked)
    assert velocity.velocity[0, 0].item() == pytest.approx((noise - data)[near].mean().item(), abs=0.02)


@pytest.mark.slow
def test_a_calibration(run, monkeypatch, model) -> None:
    """On a small random model, which takes a third of the time."""
    monkeypatch.setattr(trajflow, "load", lambda _: model)
    printed = run("calibrating.py", "--steps", 4)
    assert " dB expected, " in printed
    assert Path("profile.json").exists()


@pytest.mark.slow
def test_a_contact_sheet(run) -> None:
    run("contact_sheet.py", "--steps", 3, "--budgets", 2)
    with Image.open("contact-sheet.png") as sheet:
        assert sheet.size == (2 * 128, 3 * (128 + 18))


@pytest.mark.slow
def test_the_notebook_cell_by_cell(monkeypatch, tmp_path) -> None:
    """On a model of ten steps: what it prints is of no matter here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trajflow, "load", partial(trajflow.load, settings={"steps": 10}))
    notebook = json.loads((EXAMPLES / "tour.ipynb").read_text())
    names: dict[str, object] = {}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "it is kept without outputs"
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert names["event"].is_final


@pytest.mark.slow
def test_the_tutorial_as_it_is_written(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLES.parent / "docs" / "tutorial.md").read_text()
    names: dict[str, object] = {}
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL)):
        exec(compile(code, f"block {number}", "exec"), names)
    assert (tmp_path / "first.png").exists()
    assert names["event"].is_final

import json

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.block_caches import COMPARED, LABEL, Size, agreement_db, compare_caches, markdown
from benchmarks.commands import app


@pytest.fixture(scope="module")
def rows():
    size = Size(doubles=1, singles=2, heads=2, side=4)
    return {row["method"]: row for row in compare_caches(size, steps=8, budget=4, repeats=1)}


def test_every_cache_is_compared_with_the_run_that_computes_all(rows) -> None:
    assert tuple(rows) == COMPARED
    full = rows["full compute"]
    assert (full["computed"], full["ratio"], full["agreement_db"]) == (8, 1.0, 100.0)
    for name in COMPARED[1:]:
        assert 0 < rows[name]["computed"] < 8, name
        assert 10 < rows[name]["agreement_db"] < 100, f"{name} is neither nonsense nor the full run"
        assert rows[name]["seconds"] > 0


def test_ours_compute_just_the_budget(rows) -> None:
    for name in COMPARED[4:]:
        assert rows[name]["computed"] == 4, name


def test_a_cache_of_diffusers_is_gone_after_its_run(rows) -> None:
    """Were one left behind, the runs after it would not compute what they promise, nor the full run everything."""
    again = compare_caches(Size(1, 2, 2, 4), steps=8, budget=4, repeats=2)
    assert again[0]["computed"] == 8
    assert [row["computed"] for row in again] == [rows[row["method"]]["computed"] for row in again]


def test_agreement_by_hand() -> None:
    """A range of 2 and an error of 0.02 everywhere: 20 log10(2 / 0.02) = 40 dB."""
    reference = torch.tensor([-1.0, 0.0, 1.0])
    assert agreement_db(reference + 0.02, reference) == pytest.approx(40.0, abs=1e-4)
    assert agreement_db(reference, reference) == 100.0


def test_the_label_goes_with_every_row(rows) -> None:
    assert {row["label"] for row in rows.values()} == {LABEL}
    table = " ".join(markdown(list(rows.values())).split())
    assert table.startswith("Random weights: time and agreement only, no picture quality.")
    assert "| full compute | 8 of 8 |" in table
    assert "| 100% | identical |" in table


def test_the_command_writes_its_rows(tmp_path) -> None:
    out = tmp_path / "new" / "caches.json"
    asked = [
        "block-caches",
        "--repeats",
        "1",
        "--side",
        "2",
        "--steps",
        "6",
        "--budget",
        "3",
        "--json",
        str(out),
    ]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "FirstBlockCache" in done.output
    stored = json.loads(out.read_text())
    assert stored["command"] == "python -m benchmarks block-caches --repeats 1 --steps 6 --budget 3 --side 2"
    assert [row["method"] for row in stored["rows"]] == list(COMPARED)
    assert [row["computed"] for row in stored["rows"]][4:] == [3] * 4

"""The evidence end to end at its smallest, and the statistics under it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import figures
from benchmarks.commands import app
from benchmarks.evidence import redraw, sections, statistics
from benchmarks.evidence.bench import FULL, QUICK, choose_pairs
from benchmarks.evidence.report import TABLES
from trajflow.errors import RequestError
from trajflow.methods import METHODS

needs_browser = pytest.mark.skipif(
    not any(map(shutil.which, figures.CHROMIUM)), reason="static figures are drawn by Chromium"
)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The page of a quick run, with the results of one other command beside it."""
    out = tmp_path_factory.mktemp("docs")
    row = {
        "sources": 0,
        "picture": 1,
        "nfe": 3,
        "psnr_db_median": 25.5,
        "psnr_db_p10": 21.25,
        "identical": 0,
        "pairs": 9,
    }
    rows = [row, {**row, "picture": 2, "nfe": 42, "identical": 9}]
    (out / "evidence").mkdir()
    (out / "evidence" / "refinement.json").write_text(json.dumps({"command": "trajflow bench it", "rows": rows}))
    asked = ["evidence", "--quick", "--workers", "1", "--out", str(out)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    return out


@needs_browser
@pytest.mark.slow
def test_a_quick_run_writes_the_page_its_figures_and_its_rows(quick):
    page = (quick / "evidence.md").read_text()
    assert "{" not in page
    assert "nan" not in page
    assert "python -m benchmarks evidence --quick" in page
    assert "    trajflow bench it" in page
    assert "| nothing | 3 evaluations: 25.5 / 21.25 dB | 42 evaluations: identical |" in " ".join(page.split())
    drawn = sorted(path.name for path in (quick / "evidence").glob("*.svg"))
    assert drawn == sorted(f"{name}.svg" for name in ("frontier", "gains", "inertia", "obedience", "crossings"))
    for name in drawn:
        assert f"(evidence/{name})" in page
        assert (quick / "evidence" / name).read_text().startswith("<svg")
    assert sum(path.stat().st_size for path in (quick / "evidence").iterdir()) < 600_000


@needs_browser
@pytest.mark.slow
def test_every_method_is_measured_at_equal_evaluations(quick):
    contest = pd.read_csv(quick / "evidence" / "contest.csv")
    [budget] = QUICK.budgets
    measured = set(contest["method"])
    assert set(METHODS) <= measured
    assert {"img2img", "rebuilt x_k", "flowedit", "linear blend"} <= measured
    assert {f"{name}{statistics.SEARCHED}" for name in METHODS if METHODS[name].family == "shorter"} <= measured
    spent = contest[contest["budget"] == budget]
    assert (spent["nfe"] <= budget).all()
    assert (spent.loc[spent["method"] == "flowedit", "nfe"] == budget - budget % 2).all()
    assert (spent["rows"] == 2 * spent["nfe"]).all()
    assert (contest.loc[contest["method"] == "baseline", "psnr_db"] == 100).all()
    assert contest.groupby(["method", "pair"]).size().max() == 1
    known = contest.loc[contest["kind"].isin(statistics.LIGHT), "edit_obeyed"]
    assert known.isna().all(), "a new wording has no attribute to obey"


@needs_browser
@pytest.mark.slow
def test_a_full_state_resumes_the_stock_pipeline_bit_for_bit_and_less_does_not(quick):
    state = pd.read_csv(quick / "evidence" / "state.csv").groupby("kept")
    identical = state["identical"].all()
    assert identical[["baseline", "full state", "trajflow"]].all()
    assert not identical[["latents", "generator", "partial scheduler"]].any()
    level = state["psnr_db"].median()
    assert level["latents"] == level["generator"], "nothing is drawn after the initial noise"


@needs_browser
@pytest.mark.slow
def test_the_page_can_be_written_again_from_its_rows(quick):
    page = (quick / "evidence.md").read_text()
    (quick / "evidence" / "refinement.json").unlink()
    redraw(quick)
    again = (quick / "evidence.md").read_text()
    assert again == page[: page.index("## Refinement")].rstrip() + "\n"


def test_rows_that_are_missing_are_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/bin/true")
    with pytest.raises(RequestError, match="no complete measurement"):
        redraw(tmp_path)


def test_without_a_browser_nothing_is_measured(monkeypatch, tmp_path):
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RequestError, match="Chromium"):
        figures.find_browser()


def test_pairs_are_spread_over_all_kinds():
    assert len(choose_pairs(FULL)) == FULL.pairs
    chosen = choose_pairs(QUICK)
    assert len(chosen) == QUICK.pairs
    assert len({pair.kind in statistics.LIGHT for pair in chosen}) == 2, "some edit, some new wording"
    assert all(len(pair.history) == QUICK.history for pair in chosen)


def contest(values: dict[str, list[float]], budget: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": method, "budget": budget, "pair": pair, "kind": "time", "psnr_db": psnr_db, "edit_obeyed": 1}
            for method, each in values.items()
            for pair, psnr_db in enumerate(each)
        ]
    )


def test_the_rival_is_the_best_of_those_without_a_cache():
    rows = contest({"basis": [40, 41], "resume": [50, 50], "ab2": [30, 31], f"unipc{statistics.SEARCHED}": [32, 30]})
    rival = statistics.best_rival(rows, 3)
    assert rival == f"unipc{statistics.SEARCHED}"
    assert list(statistics.differences(rows, 3, "basis", rival)) == [8, 11]
    assert sections.best_scratch_line(rows, (3,)) == [(3.0, 31.0)]


def test_the_paired_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        mean, low, high = statistics.paired_interval(pd.Series(rng.normal(2.0, 3.0, 40)), 500)
        assert low < mean < high
        held += low <= 2.0 <= high
    assert 0.89 <= held / 200 <= 0.99
    assert statistics.paired_interval(pd.Series([1.5, 1.5, 1.5]), 50) == (1.5, 1.5, 1.5)


def test_tables_name_identical_pictures_and_leave_out_what_was_not_measured():
    assert sections.decibels(100.0) == "identical"
    assert sections.decibels(None) == sections.decibels(float("nan")) == sections.ABSENT
    rows = contest({"resume": [20, 22], "basis": [40, 42]}, 7).assign(psnr_old_db=30.0)
    table = sections.control_table(rows, (7,))
    assert "| direct switch | `resume` | 15.2 | 21.0 | 30.0 |" in " ".join(table.split())
    assert "shooting" not in table


def test_every_table_that_is_read_is_stored():
    assert set(TABLES) >= {"contest", "tiers", "fades", "inertia", "state", "overheads"}

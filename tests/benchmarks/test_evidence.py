"""The evidence end to end at its smallest, and the statistics under it."""

import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import figures
from benchmarks.commands import app
from benchmarks.evidence import JOURNAL, redraw, sections, statistics
from benchmarks.evidence.bench import FULL, QUICK, choose_pairs
from benchmarks.evidence.journal import Journal
from benchmarks.evidence.numerics import condition
from benchmarks.evidence.parts import PARTS, Setting, named
from benchmarks.evidence.published import FIGURES
from benchmarks.evidence.report import TABLES
from benchmarks.evidence.work import tasks_of
from benchmarks.rows import read_csv, write_csv
from trajflow.errors import RequestError
from trajflow.methods import METHODS

needs_browser = pytest.mark.skipif(
    not any(map(shutil.which, figures.CHROMIUM)), reason="static figures are drawn by Chromium"
)


@pytest.fixture(scope="module")
def quick(tmp_path_factory, small_folder):
    """The page of a quick run of all parts, on a model whose evaluations cost little."""
    out = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("benchmarks.evidence.bench.bundled_folder", lambda: small_folder)
        patched.setattr("benchmarks.evidence.work._bench", {})
        done = CliRunner().invoke(app, ["evidence", "--quick", "--workers", "1", "--out", str(out)])
        assert done.exit_code == 0, done.output
        yield out


@needs_browser
@pytest.mark.slow
def test_a_quick_run_writes_the_page_its_figures_and_its_rows(quick):
    page = (quick / "evidence.md").read_text()
    assert "{" not in page
    assert "nan" not in page
    assert "python -m benchmarks evidence --quick" in page
    assert "`not measured yet`" not in page, "every part was measured"
    assert "## Refinement" in page
    drawn = sorted(path.name for path in (quick / "evidence").glob("*.svg"))
    assert drawn == sorted(f"{name}.svg" for name in ("frontier", "gains", "inertia", "obedience", "crossings"))
    for name in drawn:
        assert f"(evidence/{name})" in page
        assert (quick / "evidence" / name).read_text().startswith("<svg")
    stored = {path.stem for path in (quick / "evidence").glob("*.csv")}
    assert stored == {*(table for part in PARTS for table in part.tables), "published"}
    assert not (quick / "evidence" / JOURNAL).exists(), "nothing is left to go on with"
    assert sum(path.stat().st_size for path in (quick / "evidence").iterdir()) < 800_000


@needs_browser
@pytest.mark.slow
def test_published_figures_stand_beside_what_was_measured(quick):
    rows = read_csv(quick / "evidence" / "published.csv")
    assert len(rows) == len(FIGURES)
    measured = {row["figure"]: row["here"] for row in rows}
    assert measured["state: full"] == "identical"
    assert "x" in measured["95 % similar"]
    assert str(measured["loss of a transfer to the store"]) == "0"
    assert all(row["why"] or row["comparable"] == "yes" for row in rows)


@needs_browser
@pytest.mark.slow
def test_some_methods_can_be_measured_again_the_other_rows_stay_and_the_page_is_written_from_what_there_is(
    quick, tmp_path
):
    shutil.copytree(quick, tmp_path, dirs_exist_ok=True)
    (tmp_path / "evidence" / "refinement.csv").unlink()
    before = pd.read_csv(tmp_path / "evidence" / "contest.csv")
    asked = ["evidence", "--quick", "--workers", "1", "--out", str(tmp_path), "--only", "contest"]
    done = CliRunner().invoke(app, [*asked, "--methods", "resume"])
    assert done.exit_code == 0, done.output
    after = pd.read_csv(tmp_path / "evidence" / "contest.csv")
    assert sorted(before["method"]) == sorted(after["method"])
    assert set(after["pair"]) == set(before["pair"])
    page, again = ((folder / "evidence.md").read_text() for folder in (quick, tmp_path))
    assert "## Refinement" not in again
    assert again.splitlines()[0] == page.splitlines()[0]


@needs_browser
@pytest.mark.slow
def test_every_method_is_measured_at_equal_evaluations(quick):
    contest = pd.read_csv(quick / "evidence" / "contest.csv")
    [budget] = QUICK.budgets
    measured = set(contest["method"])
    assert set(METHODS) <= measured
    assert {"img2img", "rebuilt x_k", "flowedit", "linear blend", "auto (1 source)"} <= measured
    assert {f"{name}{statistics.SEARCHED}" for name in METHODS if METHODS[name].family == "shorter"} <= measured
    spent = contest[contest["budget"] == budget]
    assert (spent["nfe"] <= budget).all()
    assert (spent.loc[spent["method"] == "flowedit", "nfe"] == budget - budget % 2).all()
    assert (spent["rows"] <= 2 * spent["nfe"]).all()
    assert (contest.loc[contest["method"] == "baseline", "psnr_db"] == 100).all()
    assert contest.groupby(["method", "pair", "budget"], dropna=False).size().max() == 1
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


def test_what_was_measured_is_gone_on_with_and_other_weights_are_not(tmp_path):
    path = tmp_path / JOURNAL
    journal = Journal(path, "these weights")
    journal.add("state", 1, {"state": [{"pair": 1}]}, 60.0)
    journal.add("state", 0, {"state": [{"pair": 0}]}, 30.0)
    path.write_text(path.read_text() + '{"part": "sta')
    again = Journal(path, "these weights")
    assert ("state", 0) in again
    assert ("state", 2) not in again
    assert again.tables("state") == {"state": [{"pair": 0}, {"pair": 1}]}
    assert again.minutes("state") == 1.5
    assert ("state", 0) not in Journal(path, "other weights")


def test_the_parts_and_their_cost_are_listed():
    done = CliRunner().invoke(app, ["evidence", "--list"])
    assert done.exit_code == 0, done.output
    assert all(f"\n{part.name} " in f"\n{done.output}" for part in PARTS)


def test_what_cannot_be_divided_begins_first_and_the_longest_of_it_before_the_rest(tmp_path):
    """Begun last it would leave all processes but one idle at the end."""
    setting = Setting(QUICK, choose_pairs(QUICK), tmp_path, is_quick=True)
    tasks = tasks_of(("contest", "tiers", "grid", "planner"), setting)
    assert [name for name, _ in tasks[:2]] == sorted(("grid", "planner"), key=lambda name: -named(name).minutes)
    assert tasks[2:] == [("contest", 0), ("tiers", 0), ("contest", 1), ("tiers", 1)]


@pytest.mark.parametrize("flag", ["--only", "--methods"])
def test_names_that_are_not_there_are_refused_and_nothing_is_left_behind(tmp_path, flag):
    refused = CliRunner().invoke(app, ["evidence", flag, "contest,everything", "--out", str(tmp_path / "nowhere")])
    assert refused.exit_code == 2
    assert f"There are no {'parts' if flag == '--only' else 'methods'} " in refused.output
    assert "everything. Choose of" in refused.output
    assert not any(tmp_path.iterdir())


def test_rows_survive_their_csv(tmp_path):
    rows = [{"method": "a, b", "psnr_db": [1.5, 2.0], "seconds": None, "nfe": 3}, {"method": "c", "is_true": True}]
    write_csv(tmp_path / "rows.csv", rows)
    first, second = read_csv(tmp_path / "rows.csv")
    assert first == {"method": "a, b", "psnr_db": [1.5, 2.0], "seconds": None, "nfe": 3, "is_true": None}
    assert (second["is_true"], second["nfe"]) == (True, None)


def test_a_longer_horizon_conditions_the_controllers_program_worse():
    found = [condition(horizon) for horizon in (3, 5, 10, 20)]
    assert all(a < b for a, b in pairwise(found)), found


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

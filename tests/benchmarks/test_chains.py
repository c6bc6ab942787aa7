import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.chains import (
    RIVALS,
    WAYS,
    Chain,
    markdown_chains,
    measure_chains,
    read_chains,
    summarise_chains,
    write_chains,
)
from benchmarks.commands import app
from tools.tiny import chains as drawn
from tools.tiny.captions import is_heldout
from tools.tiny.pairs import _words
from trajflow.errors import RequestError

ASSETS = Path(__file__).parents[2] / "assets" / "pairs"
STEPS, BUDGET = 6, 2
CHAIN = Chain(3, ("first", "time", "weather"), ("a mountain", "a mountain at dusk", "a snowy mountain at dusk"))


@pytest.fixture(scope="module")
def worked(model):
    return tuple(measure_chains(model, [CHAIN], budgets=[BUDGET], steps=STEPS))


def of_way(worked, way):
    [done] = [done for done in worked if done.way == way]
    return done


# The files


def test_chains_survive_the_file(tmp_path):
    chains = (CHAIN, Chain(0, ("first", "subject"), ('a "sea", fog', "ein Berg im Nebel ä")))
    write_chains(tmp_path / "chains.csv", chains)
    assert read_chains(tmp_path / "chains.csv") == chains


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: the columns must be seed,kind,prompt"),
        ("seed,prompt\n1,a\n", "line 1: the columns must be seed,kind,prompt"),
        ("seed,kind,prompt\n", "has no chains"),
        ("seed,kind,prompt\nseven,first,a\n", "could not be read"),
        ("seed,kind,prompt\n1,first,a\n", "at least two prompts"),
        ("seed,kind,prompt\n1,first,a\n1,time,b\n1,time,a\n", "none of them twice"),
    ],
)
def test_files_that_are_no_chains_are_refused(tmp_path, text, reason):
    path = tmp_path / "chains.csv"
    path.write_text(text)
    with pytest.raises(RequestError, match=re.escape(reason)):
        read_chains(path)


@pytest.mark.parametrize("split", ["calibration", "heldout"])
def test_the_files_hold_four_sessions_of_twenty_edits(split):
    chains = read_chains(ASSETS / f"chains_{split}.csv")
    assert [len(chain.prompts) for chain in chains] == [21] * 4
    assert {chain.kinds[0] for chain in chains} == {"first"}
    assert {kind for chain in chains for kind in chain.kinds[1:]} == set(drawn.VALUES)
    kept = [
        len(_words(a) & _words(b)) for chain in chains for a, b in zip(chain.prompts, chain.prompts[1:], strict=False)
    ]
    assert sum(map(bool, kept)) > 0.9 * len(kept), "an edit leaves most of the text"


@pytest.mark.slow
@pytest.mark.parametrize("split", ["calibration", "heldout"])
def test_the_files_are_what_the_generator_draws(split, monkeypatch):
    """The first chain, up to the fifth edit: a walk does not know how far it will go."""
    monkeypatch.setattr(drawn, "EDITS", 5)
    made = drawn._draw(drawn.SPLITS[split], drawn.np.random.default_rng([11, 0]), 0)
    stored = read_chains(ASSETS / f"chains_{split}.csv")[0]
    assert (made.seed, made.kinds, made.prompts) == (stored.seed, stored.kinds[:6], stored.prompts[:6])


def test_calibration_and_heldout_share_no_prompt_and_no_seed():
    calibration, heldout = (read_chains(ASSETS / f"chains_{split}.csv") for split in ("calibration", "heldout"))
    assert not {p for chain in calibration for p in chain.prompts} & {p for chain in heldout for p in chain.prompts}
    assert len({chain.seed for chain in (*calibration, *heldout)}) == 8
    assert not any(is_heldout(scene) for scene in drawn.SPLITS["calibration"].scenes)


def test_an_edit_goes_to_a_new_scene_and_to_an_unseen_one_where_it_can():
    split = drawn.SPLITS["heldout"]
    for scene in split.starts:
        edits = drawn._edits(scene, {scene}, split)
        unseen = [is_heldout(edited) for _, edited in edits]
        assert all(unseen) or not any(unseen)
        assert all(sum(getattr(scene, a) != getattr(edited, a) for a in drawn.VALUES) == 1 for _, edited in edits)


def test_unknown_material_is_refused():
    with pytest.raises(RequestError, match="choose one of"):
        drawn.draw_chains("test", 11)


# The measurement


def test_every_way_is_measured_beside_its_rivals(worked):
    assert [done.way for done in worked] == [
        name for way in WAYS for name in (way, f"fewer-steps as {way}", f"solver as {way}")
    ]
    assert all(len(done.metrics) == len(done.seconds) == 2 for done in worked)


def test_what_each_way_spends(worked):
    # The first step is computed again: the cached run had its negative branch from another batch.
    waited, background = STEPS + 2 * BUDGET, STEPS
    for way, completed in (("none", 0), ("coasted", 0), ("half", 1), ("all", 2)):
        spent = of_way(worked, way).spent
        assert (spent.waited.nfe, spent.background.nfe) == (waited, completed * background), way
    economy = of_way(worked, "economy")
    assert economy.spent.background.nfe == 0
    assert economy.spent.waited.nfe == STEPS + economy.full * STEPS + (2 - economy.full) * BUDGET


def test_the_first_edit_is_the_same_in_every_carried_over_way(worked):
    assert len({of_way(worked, way).metrics[0] for way in ("none", "coasted", "half", "all")}) == 1


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_spends_as_much_on_each_picture(worked, name):
    for way in WAYS:
        done, rival = of_way(worked, way), of_way(worked, f"{name} as {way}")
        total = done.spent.waited.nfe + done.spent.background.nfe
        assert rival.spent.waited.nfe / 3 == min(STEPS, round(total / 3))
    assert all(metrics.identical for metrics in of_way(worked, f"{name} as all").metrics) == (
        round((STEPS + 2 * BUDGET + 2 * STEPS) / 3) >= STEPS
    )


def test_rows_hold_the_figures_of_their_own_group(worked):
    rows = summarise_chains(worked)
    [row] = [row for row in rows if row["way"] == "half"]
    figures = [metrics.psnr_db for metrics in of_way(worked, "half").metrics]
    assert row["psnr_db"] == [figures]
    assert row["psnr_db_median"] == row["psnr_db_by_position"]["1-5"] == pytest.approx(sum(figures) / 2)
    assert row["total_nfe"] == pytest.approx(row["waited_nfe"] + row["background_nfe"]) == pytest.approx(16 / 3)
    assert json.loads(json.dumps(rows)) == rows
    lines = markdown_chains(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert len({len(line) for line in lines}) == 1


def test_nothing_to_measure_is_refused(model):
    for chains, budgets, reason in (((), [2], "nothing"), ([CHAIN], [], "nothing"), ([CHAIN], [9], "The budget is 9")):
        with pytest.raises(RequestError, match=reason):
            measure_chains(model, chains, budgets=budgets, steps=STEPS)


def test_the_command_prints_a_table_and_writes_its_rows(tmp_path):
    path, out = tmp_path / "sessions.csv", tmp_path / "new" / "out.json"
    write_chains(path, [CHAIN, Chain(4, CHAIN.kinds[:2], CHAIN.prompts[:2])])
    arguments = ["chains", "--sessions", path, "--first", 1, "--budgets", 2, "--steps", 3, "--json", out]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("| way")
    written = json.loads(out.read_text())
    assert written["command"] == f"python -m benchmarks chains --sessions {path} --budgets 2 --first 1 --steps 3"
    assert (len(written["rows"]), written["rows"][0]["chains"]) == (3 * len(WAYS), 1)


def test_the_command_refuses_a_budget_that_is_no_number(tmp_path):
    path = tmp_path / "sessions.csv"
    write_chains(path, [CHAIN])
    done = CliRunner().invoke(app, ["chains", "--sessions", str(path), "--budgets", "auto"])
    assert done.exit_code == 2
    assert "Give whole numbers" in done.stderr

"""`trajflow bench faults` in miniature, and that what it looks for would be seen."""

from dataclasses import replace

import pytest

from tests.bench.conftest import Slow
from trajflow import Session
from trajflow.bench.faults.clocks import jumps, slowed
from trajflow.bench.faults.files import HARMS, full_disks, harmed, harmed_documents, two_processes
from trajflow.bench.faults.kills import kills_while_running, kills_while_saving
from trajflow.bench.faults.network import failing, failures, network_of
from trajflow.bench.faults.restarts import kills_of_the_app
from trajflow.bench.faults.stops import hang_ups, stops_in_library
from trajflow.errors import ModelError, NumericalError

pytestmark = pytest.mark.filterwarnings("ignore:.*no_silent_downcasting")


@pytest.fixture
def entry(mixture):
    session = Session(mixture)
    session.generate("a mountain", seed=7, steps=4)
    [made] = session.entries()
    return made


@pytest.mark.parametrize("ending", ["stop", "close", "drop"])
def test_a_run_ends_at_whatever_step_it_is_ended(mixture, ending):
    seen = stops_in_library(mixture, 4, 8, ending)
    assert (seen.count, seen.is_clean) == (4, True), seen


def test_who_hangs_up_is_in_nobodys_way(serve):
    seen = hang_ups(serve(Slow()), 4, 8, 8)
    assert (seen.count, seen.disturbed, seen.held) == (4, 0, 0)


def test_what_a_killed_process_has_kept_is_there(tmp_path):
    seen = kills_while_saving(tmp_path / "store", 3)
    assert (seen.kills, seen.is_clean) == (3, True), seen
    assert not replace(seen, lost=1).is_clean
    assert not replace(seen, committed=0).is_clean


@pytest.mark.slow
def test_runs_that_a_killed_process_has_kept_answer_again(small_folder, tmp_path):
    from trajflow.models.registry import load

    seen = kills_while_running(load(small_folder, device="cpu"), str(small_folder), tmp_path / "store", 1, 2)
    assert (seen.kills, seen.is_clean) == (1, True), seen


@pytest.mark.slow
def test_an_app_that_was_killed_goes_on_where_it_was(small_folder, tmp_path, is_warm):
    seen = kills_of_the_app(str(small_folder), tmp_path / "state", 1, 2)
    assert (seen.committed, seen.is_clean) == (1, True), seen


@pytest.mark.parametrize("name", HARMS)
def test_a_harmed_file_is_a_miss_or_what_was_kept(entry, tmp_path, name):
    seen = harmed(tmp_path / "store", entry, HARMS[name], 10)
    assert (seen.wrong, seen.crashes) == (0, 0)
    assert seen.misses == 10


def test_files_that_nobody_harms_are_no_misses(entry, tmp_path):
    assert harmed(tmp_path / "store", entry, lambda path, chance: None, 3).misses == 0


def test_documents_full_disks_and_two_processes(entry, tmp_path):
    assert harmed_documents(entry, 20).misses == 20
    full = full_disks(tmp_path / "full", entry, 5)
    assert (full.misses, full.is_clean) == (5, True), full
    shared = two_processes(tmp_path / "shared", 0.3)
    assert shared.is_clean, shared


@pytest.mark.parametrize("failure", ["memory", "nan"])
def test_a_network_that_fails_harms_only_its_own_run(model, failure):
    seen = failures(model, failure, [0, 2], 3, 32)
    assert seen.is_clean, seen


def test_a_failure_is_put_in_at_its_call_and_taken_out_again(model, mixture):
    session = Session(model)
    with failing(network_of(model), "nan", 2):
        assert session.generate("a lake", steps=2).cost.nfe == 2
        with pytest.raises(NumericalError):
            session.generate("a lake", steps=3, strategy="baseline")
    assert session.generate("a city", steps=3).cost.nfe == 3
    with pytest.raises(ModelError, match="no network"):
        network_of(mixture)


def test_a_slow_disk_and_a_clock_that_jumps(mixture, tmp_path):
    slow = slowed(mixture, tmp_path / "slow", 0.1, 2, 8)
    assert slow.seconds > 0.1
    assert (slow.pictures > 0, slow.wrong) == (True, 0)
    assert jumps(mixture, tmp_path / "clock", 2, 8) == (8, 0)

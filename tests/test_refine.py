"""Anytime refinement: better and better pictures on one account, ending at the from-scratch run bit for bit."""

import numpy as np
import pytest
import torch

import trajflow
from trajflow.base import Result, Step
from trajflow.errors import Cancelled, NumericalError, RequestError
from trajflow.session.refine import at_rest, leading_steps, most_evaluations, passes, spent_by

FIRST, SECOND, STEPS = "snowy mountain", "snowy mountain dusk", 28


def pixels(result: Result) -> np.ndarray:
    return np.asarray(result.image)


def results_of(events) -> list[Result]:
    return [event for event in events if isinstance(event, Result)]


def baseline(model, prompt: str = SECOND, **options) -> trajflow.Session:
    """A session of its own that holds the from-scratch run of a prompt."""
    session = trajflow.Session(model)
    session.generate(prompt, strategy="baseline", **options)
    return session


# The schedule of passes


def test_the_passes_grow_end_at_all_steps_and_stay_within_one_and_a_half_runs() -> None:
    for steps in (*range(1, 60), 100, 200):
        chosen = passes(steps)
        assert chosen[-1] == tuple(range(steps))
        assert len(chosen[0]) <= 3
        assert spent_by(chosen) <= most_evaluations(steps) == steps + steps // 2
        sizes, exact = [len(nodes) for nodes in chosen], [leading_steps(nodes) for nodes in chosen]
        assert sizes == sorted(set(sizes)), steps
        assert exact == sorted(exact), steps
        for nodes in chosen:
            assert nodes[0] == 0
            assert list(nodes) == sorted(set(nodes))
            assert nodes[-1] < steps


def test_the_passes_of_the_usual_grid() -> None:
    assert [len(nodes) for nodes in passes(28)] == [3, 5, 13, 28]
    assert [spent_by(passes(28)[: n + 1]) for n in range(4)] == [3, 7, 19, 42]


def test_the_account_is_kept_by_hand() -> None:
    chosen = ((0, 4), (0, 1, 2, 5), (0, 1, 2, 3, 4, 5))
    assert spent_by(chosen) == 2 + 3 + 3
    assert spent_by(chosen, known=1) == 1 + 3 + 3
    assert leading_steps((0, 1, 2, 5)) == 3


# From cached runs


def test_cached_runs_that_are_passed_over_are_not_said_to_be_missing(mixture, preferring_none) -> None:
    session = trajflow.Session(mixture, profile=preferring_none)
    first, *_ = results_of(session.stream(FIRST, refine=True))
    assert "nothing cached fits" in first.plan.reason
    second, *_ = results_of(session.stream("red cabin", refine=True))
    assert second.plan.sources == ()
    assert "the cached runs are too far to gain from" in second.plan.reason


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8, 28])
@pytest.mark.parametrize("is_cold", [False, True], ids=["from-a-source", "from-nothing"])
def test_it_ends_at_the_baseline_bit_for_bit_within_its_account(mixture, make_mixture, steps, is_cold) -> None:
    session = trajflow.Session(mixture)
    if not is_cold:
        session.generate(FIRST, steps=steps)
    calls = mixture.calls
    events = list(session.stream(SECOND, steps=steps, refine=True))
    results = results_of(events)
    spent = mixture.calls - calls
    assert spent == results[-1].cost.nfe == spent_by(passes(steps)) <= 1.5 * steps
    assert results[0].cost.nfe <= 3
    assert [result.is_final for result in results] == [False] * (len(results) - 1) + [True]
    [entry] = [entry for entry in session.entries() if entry.prompt == SECOND]
    [alone] = baseline(make_mixture(), steps=steps).entries()
    assert entry.is_true
    assert entry.key == results[-1].key
    assert torch.equal(entry.trajectory.velocities, alone.trajectory.velocities)
    assert torch.equal(entry.trajectory.noise, alone.trajectory.noise)
    assert torch.equal(
        events[-2].latents, list(trajflow.Session(make_mixture()).stream(SECOND, steps=steps))[-2].latents
    )
    assert np.array_equal(pixels(results[-1]), pixels(alone.result))


def test_it_is_exact_on_an_sd3_pipeline(model) -> None:
    session = trajflow.Session(model)
    session.generate(FIRST, steps=8, guidance=3.0)
    *_, result = session.stream(SECOND, steps=8, guidance=3.0, refine=True)
    [alone] = baseline(model, steps=8, guidance=3.0).entries()
    assert result.cost.rows == 2 * result.cost.nfe == 20
    assert torch.equal(session.entries()[0].trajectory.velocities, alone.trajectory.velocities)


def test_the_same_prompt_with_another_negative_prompt_is_refined_from_it(session) -> None:
    made = session.generate(FIRST, steps=8, guidance=3.0)
    first, *_ = results_of(session.stream(FIRST, steps=8, guidance=3.0, negative_prompt="fog", refine=True))
    assert first.plan.sources == (made.key,)


def test_the_pictures_get_better(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate(FIRST, steps=STEPS)
    results = results_of(session.stream(SECOND, steps=STEPS, refine=True, compare=True))
    errors = [float(((pixels(result).astype(float) - pixels(results[-1])) ** 2).mean()) for result in results]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1] == 0
    listed = results[-1].refinements
    assert [picture.cost.nfe for picture in listed] == [3, 7, 19, 42]
    assert listed[-1].metrics.identical
    for error, picture in zip(errors[:-1], listed[:-1], strict=True):
        expected = min(100.0, 10 * np.log10(255**2 / error)) if error else 100.0
        assert picture.metrics.psnr_db == pytest.approx(expected)
    seconds = [picture.seconds for picture in listed]
    assert seconds == sorted(seconds)
    assert results[-1].metrics == listed[-1].metrics
    assert all(result.metrics is None for result in results[:-1]), "nothing is claimed before it is known"


def test_without_compare_nothing_is_measured(session) -> None:
    *_, result = session.stream(SECOND, refine=True)
    assert result.metrics is None
    assert all(picture.metrics is None for picture in result.refinements)


def test_every_step_says_which_pass_it_belongs_to(session) -> None:
    session.generate(FIRST, steps=STEPS)
    number, counts = 0, []
    for event in session.stream(SECOND, steps=STEPS, refine=True):
        if isinstance(event, Result):
            assert len(event.refinements) == number + 1
            assert counts[-1] == event.cost.nfe
            number += 1
        else:
            assert event.refinement == number
            counts.append(event.nfe)
    assert number == 4
    assert counts == sorted(counts)


def test_all_pictures_share_one_key_and_one_card(session) -> None:
    session.generate(FIRST, steps=STEPS)
    keys = set()
    for event in session.stream(SECOND, steps=STEPS, refine=True):
        if isinstance(event, Result):
            keys.add(event.key)
            assert [entry.prompt for entry in session.entries()] == [SECOND, FIRST]
            assert session.entries()[0].result is event
    assert len(keys) == 1


def test_the_exact_steps_of_a_pass_are_those_of_the_baseline(session, make_mixture) -> None:
    session.generate(FIRST, steps=STEPS)
    [alone] = baseline(make_mixture(), steps=STEPS).entries()
    for event in session.stream(SECOND, steps=STEPS, refine=True):
        if isinstance(event, Result):
            trajectory = session.entries()[0].trajectory
            exact = leading_steps(tuple(k for k, kind in enumerate(event.kinds) if kind == "computed"))
            assert torch.equal(trajectory.velocities[:exact], alone.trajectory.velocities[:exact])
            assert trajectory.kinds == event.kinds


# From nothing


def test_from_nothing_the_preview_is_euler_on_its_own_nodes(mixture, make_mixture, monkeypatch) -> None:
    monkeypatch.setattr("trajflow.session.refine.CORRECTION", 0.0)
    first = next(iter(results_of(trajflow.Session(mixture).stream(SECOND, steps=STEPS, refine=True))))
    model = make_mixture()
    grid = model.schedule(STEPS, (1, 3, 8, 8))
    nodes, x = passes(STEPS)[0], model.noise(0, (1, 3, 8, 8))
    for k, following in zip(nodes, (*nodes[1:], STEPS), strict=True):
        x = x + (grid.sigmas[following] - grid.sigmas[k]) * model.velocity(x, float(grid.sigmas[k]), SECOND)
    assert np.abs(pixels(first).astype(int) - np.asarray(model.decode(x)).astype(int)).max() <= 1
    assert first.angles == {}
    assert first.plan.sources == ()


def test_a_source_at_rest_has_no_velocity(mixture) -> None:
    still = at_rest(mixture.schedule(4, (1, 3, 8, 8)), mixture.noise(0, (1, 3, 8, 8)))
    assert still.velocities.shape == (4, 1, 3, 8, 8)
    assert not still.velocities.any()
    assert not still.is_true


# Stopping, and going on


@pytest.mark.parametrize("way", ["stop", "close"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_ending_it_keeps_the_last_picture_shown(session, after: int, way: str) -> None:
    session.generate(FIRST, steps=STEPS)
    stream, shown = session.stream(SECOND, steps=STEPS, refine=True), []
    while len(shown) < after:
        shown += results_of([next(stream)])
    assert isinstance(next(stream), Step)
    if way == "stop":
        session.stop()
        with pytest.raises(Cancelled):
            next(stream)
    else:
        stream.close()
    newest = session.entries()[0]
    assert newest.result is shown[-1]
    assert not newest.is_true
    assert session.generate(FIRST, steps=STEPS).from_store, "the session goes on"


def test_ending_it_before_the_first_picture_keeps_nothing(session) -> None:
    stream = session.stream(SECOND, refine=True)
    next(stream)
    stream.close()
    assert session.entries() == ()


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_picture_forgotten_while_it_is_refined_stays_forgotten(session, is_resumed: bool) -> None:
    session.generate(FIRST, steps=STEPS)
    stream = session.stream(SECOND, steps=STEPS, refine=True)
    first = next(event for event in stream if isinstance(event, Result))
    if is_resumed:
        stream.close()
        stream = session.stream(SECOND, steps=STEPS, refine=True)
        assert next(stream).key == first.key
    session.forget(first.key)
    results = results_of(stream)
    assert {result.key for result in results} == {""}
    assert results[-1].is_final
    assert [entry.prompt for entry in session.entries()] == [FIRST]


def test_a_picture_completed_while_it_is_refined_stays_complete(session) -> None:
    session.generate(FIRST, steps=STEPS)
    stream = session.stream(SECOND, steps=STEPS, refine=True)
    first = next(event for event in stream if isinstance(event, Result))
    list(session.complete(first.key))
    second = next(event for event in stream if isinstance(event, Result))
    stream.close()
    assert (second.key, second.is_final) == (first.key, False)
    assert session.entries()[0].is_true
    assert session.generate(SECOND, steps=STEPS).from_store


@pytest.mark.parametrize("after", [1, 2, 3])
def test_it_goes_on_from_where_it_was_left(mixture, make_mixture, after: int) -> None:
    session = trajflow.Session(mixture)
    session.generate(FIRST, steps=STEPS)
    stream, shown = session.stream(SECOND, steps=STEPS, refine=True), []
    while len(shown) < after:
        shown += results_of([next(stream)])
    stream.close()
    calls = mixture.calls
    foreseen = session.estimate(SECOND, steps=STEPS, refine=True).nfe
    results = results_of(session.stream(SECOND, steps=STEPS, refine=True, compare=True))
    exact = leading_steps(passes(STEPS)[after - 1])
    assert mixture.calls - calls == results[-1].cost.nfe == foreseen == spent_by(passes(STEPS)[after:], exact)
    assert (results[0].cost.nfe, results[0].from_store, results[0].is_final) == (0, True, False)
    assert np.array_equal(pixels(results[0]), pixels(shown[-1]))
    assert {result.key for result in results} == {shown[-1].key}
    assert [entry.prompt for entry in session.entries()] == [SECOND, FIRST]
    assert torch.equal(
        session.entries()[0].trajectory.velocities,
        baseline(make_mixture(), steps=STEPS).entries()[0].trajectory.velocities,
    )
    assert len(results[-1].refinements) == len(results)


def test_a_carried_over_picture_can_be_refined(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate(FIRST, steps=STEPS)
    coasted = session.generate(SECOND, steps=STEPS, budget=5)
    calls = mixture.calls
    results = results_of(session.stream(SECOND, steps=STEPS, refine=True))
    assert np.array_equal(pixels(results[0]), pixels(coasted))
    assert mixture.calls - calls == results[-1].cost.nfe == 27 + 8
    assert len(session.entries()) == 3


def test_what_a_refined_run_left_unfinished_answers_no_other_request(session) -> None:
    session.generate(FIRST, steps=STEPS)
    stream = session.stream(SECOND, steps=STEPS, refine=True)
    while not isinstance(next(stream), Result):
        pass
    stream.close()
    assert not session.generate(SECOND, steps=STEPS).from_store


def test_a_true_run_answers_at_once(session, mixture) -> None:
    session.generate(SECOND)
    calls = mixture.calls
    [result] = session.stream(SECOND, refine=True)
    assert (mixture.calls, result.is_final, result.from_store) == (calls, True, True)
    assert session.estimate(SECOND, refine=True).nfe == 0


def test_the_refined_run_becomes_a_source(session) -> None:
    *_, refined = session.stream(FIRST, refine=True)
    plan = session.generate(SECOND, budget=2).plan
    assert plan.sources == (refined.key,)
    assert plan.match.is_true


def test_nan_discards_what_was_shown(make_mixture) -> None:
    class Breaking(make_mixture):
        def evaluate(self, x, point, conditioning, keep=None):
            evaluation = super().evaluate(x, point, conditioning, keep)
            return evaluation if point.k != 6 else type(evaluation)(evaluation.velocity * torch.nan, {}, 1)

    session = trajflow.Session(Breaking())
    stream = session.stream(SECOND, steps=STEPS, refine=True)
    with pytest.raises(NumericalError):
        list(stream)
    assert session.entries() == ()
    assert session.nbytes == 0


def test_memory_stays_that_of_one_run(session) -> None:
    held = []
    for event in session.stream(SECOND, steps=STEPS, refine=True):
        if isinstance(event, Result):
            held.append(session.nbytes)
    assert len(set(held)) == 1


def test_a_cache_too_small_still_gives_every_picture(mixture) -> None:
    session = trajflow.Session(mixture, cache_bytes=2_000)
    results = results_of(session.stream(SECOND, steps=STEPS, refine=True))
    assert [result.cost.nfe for result in results] == [3, 7, 19, 42]
    assert {result.key for result in results} == {""}
    assert session.nbytes == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"strategy": "resume"}, "cannot be refined. Choose one of: auto, basis"),
        ({"strategy": "baseline"}, "cannot be refined"),
        ({"budget": 5}, "give no budget"),
        ({"refine": "yes"}, "refine must be True or False"),
    ],
)
def test_what_cannot_be_refined_is_refused(session, options: dict, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        next(session.stream(SECOND, **{"refine": True, **options}))


@pytest.mark.parametrize("strategy", ["auto", "basis", "difference"])
def test_every_transport_can_be_refined(session, mixture, strategy: str) -> None:
    session.generate(FIRST, steps=STEPS)
    *_, result = session.stream(SECOND, steps=STEPS, refine=True, strategy=strategy)
    assert session.estimate(SECOND, steps=STEPS, refine=True, strategy=strategy).nfe == 0
    assert result.plan.strategy == strategy
    assert mixture.calls == 28 + 42

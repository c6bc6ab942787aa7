import itertools

import pytest
import torch

from trajflow.learning.known import SharingModel, run_known
from trajflow.learning.masks import Memo, SurrogateError, run_mask, search_mask

STEPS = 8
PROMPTS = [("a red cabin", 1), ("a snowy forest in the fog", 2), ("the sea at dusk", 3)]


@pytest.fixture(scope="module")
def known(model):
    return run_known(model, PROMPTS, STEPS)


def test_a_batch_follows_the_paths_of_its_prompts(model, known) -> None:
    for i, asked in enumerate(PROMPTS):
        alone = run_known(model, [asked], STEPS)
        assert torch.allclose(alone.path[:, 0], known.path[:, i], atol=1e-4)


def test_the_forced_error_of_holding_is_that_of_a_walk_with_true_velocities(known) -> None:
    mask, sigmas = (0, 2, 5), known.schedule.sigmas
    x = known.noise
    for first, end in zip(mask, (*mask[1:], STEPS), strict=True):
        x = x + (sigmas[end] - sigmas[first]) * known.velocities[first]
    expected = (x - known.path[-1]).square().mean().log10()
    assert SurrogateError(known)(mask, "hold") == pytest.approx(float(expected), abs=1e-3)


def test_the_forced_error_of_history_is_that_of_least_squares_on_true_velocities(known) -> None:
    mask, sigmas = (0, 1, 5), known.schedule.sigmas.double()
    left = torch.zeros_like(known.noise).double()
    for i, (first, end) in enumerate(zip(mask, (*mask[1:], STEPS), strict=True)):
        if end == first + 1:
            continue
        h = sigmas.diff()[first + 1 : end].reshape(-1, 1, 1, 1, 1)
        gap = (h * known.velocities[first + 1 : end]).sum(0)
        newest = [known.velocities[j] for j in reversed(mask[: i + 1])]
        given = [*newest, known.noise, torch.ones_like(known.noise)]
        for channel in range(4):
            columns = torch.stack([each[:, channel].flatten().double() for each in given], 1)
            target = gap[:, channel].flatten().double()
            fitted = columns @ torch.linalg.lstsq(columns, target[:, None]).solution[:, 0]
            left[:, channel] += (target - fitted).reshape(left[:, channel].shape)
    expected = float(left.square().mean().log10())
    assert SurrogateError(known)(mask, "history") == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("rule", ["hold", "history"])
def test_the_search_is_near_the_best_of_all_masks_and_the_same_again(model, known, rule: str) -> None:
    sharing = SharingModel(model)
    found = search_mask(sharing, known, 3, rule, seed=4)
    assert found == search_mask(sharing, known, 3, rule, seed=4)
    masks = [(0, *rest) for rest in itertools.combinations(range(1, STEPS), 2)]
    losses = sorted(run_mask(sharing, known, mask, rule) for mask in masks)
    assert found.loss == pytest.approx(run_mask(model, known, found.mask, rule), abs=1e-6)
    assert found.loss <= losses[1] + 1e-9
    assert found.run <= found.judged <= len(masks)


def test_a_full_search_anneals_on_real_runs_and_is_no_worse(model, known) -> None:
    sharing = SharingModel(model)
    quick, full = (search_mask(sharing, known, 3, "hold", is_full=is_full) for is_full in (False, True))
    assert full.loss <= quick.loss
    assert full.run > quick.run


def test_a_search_that_was_stopped_goes_on_where_it_was(model, known, tmp_path, monkeypatch) -> None:
    path, runs = tmp_path / "losses.jsonl", []
    sharing = SharingModel(model)

    def stop() -> None:
        runs.append(1)
        if len(runs) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_mask(sharing, known, 3, "hold", memo=Memo(path), on_run=stop)
    measured = len(path.read_text().splitlines())
    assert measured == 3
    path.write_text(path.read_text() + '["cut off')
    again = search_mask(sharing, known, 3, "hold", memo=Memo(path))
    assert again == search_mask(sharing, known, 3, "hold")
    measured = path.read_text()
    search_mask(sharing, known, 3, "hold", memo=Memo(path))
    assert path.read_text() == measured, "nothing was left to measure"


def test_a_state_met_before_is_not_evaluated_again(mixture) -> None:
    sharing = SharingModel(mixture)
    known = run_known(sharing, [("snowy", 1)], STEPS)
    spent = mixture.calls
    run_mask(sharing, known, (0, 1, 2, 3), "history")
    assert mixture.calls == spent, "the leading steps are those of the from-scratch run"
    run_mask(sharing, known, (0, 1, 2, 5), "history")
    assert mixture.calls == spent + 1


def test_equal_states_of_different_prompts_are_told_apart(model) -> None:
    sharing = SharingModel(model)
    runs = [run_known(sharing, [(prompt, 1)], 4) for prompt in ("a red cabin", "the sea at dusk")]
    assert torch.equal(runs[0].noise, runs[1].noise)
    assert not torch.allclose(runs[0].velocities[0], runs[1].velocities[0])


def test_what_is_remembered_keeps_to_its_bytes(model, known, monkeypatch) -> None:
    """Residuals of a large network are hundreds of megabytes each."""
    counted = []

    class Counting:
        def __getattr__(self, name):
            return getattr(model, name)

        def evaluate(self, *asked):
            counted.append(1)
            return model.evaluate(*asked)

    masks = ((0, 1), (0, 2))
    plain = [run_mask(model, known, mask, "hold") for mask in masks]
    for limit, evaluations in ((2**30, 3), (0, 4)):
        monkeypatch.setattr("trajflow.learning.known.REMEMBERED_BYTES", limit)
        counted.clear()
        sharing = SharingModel(Counting())
        assert [run_mask(sharing, known, mask, "hold") for mask in masks] == plain
        assert len(counted) == evaluations
        assert sharing._nbytes <= limit

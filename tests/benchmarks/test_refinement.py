from benchmarks.refinement import Refined, markdown, refine_pairs, summarise
from trajflow.base import Cost, Metrics, Refinement
from trajflow.learning.pairs import Pair

PAIR = Pair("time", "a mountain", "a mountain dusk", 3, ("a lake",))


def test_every_target_is_refined_from_all_from_one_and_from_nothing(model) -> None:
    refined = list(refine_pairs(model, [PAIR]))
    assert [each.sources for each in refined] == [2, 1, 0]
    for each in refined:
        last = each.pictures[-1]
        assert last.metrics is not None
        assert last.metrics.identical
        assert last.cost.nfe <= 1.5 * model.defaults.steps
    assert markdown(summarise(refined)).count("\n") == 4


def test_the_figures_of_a_picture_are_medians_over_the_pairs() -> None:
    def picture(nfe: int, psnr_db: float) -> Refinement:
        return Refinement(Cost(nfe, 2 * nfe), 0.5, Metrics(psnr_db, 0.9, psnr_db == 100.0))

    runs = [Refined(PAIR, 1, (picture(3, dB), picture(42, 100.0))) for dB in (20.0, 30.0, 31.0)]
    first, last = summarise(runs)
    assert (first["nfe"], first["psnr_db_median"], first["identical"]) == (3, 30.0, 0)
    assert (last["nfe"], last["identical"], last["pairs"]) == (42, 3, 3)
    assert (
        " ".join(markdown([first, last]).splitlines()[-1].split())
        == "| 1 | 3 evaluations: 30.0 / 22.0 dB | 42 evaluations: identical |"
    )

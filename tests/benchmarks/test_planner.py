import pytest

from benchmarks.planner import Judged, judge_planner, markdown, summarise
from trajflow.base import Forecast
from trajflow.learning.pairs import Pair

PAIR = Pair("time", "a mountain", "a mountain dusk", 3, ("a lake",))


def judged(asked: str, psnr_db: float, low: float = 30.0, high: float = 40.0, nfe: int = 5) -> Judged:
    told = Forecast(low, low, (low + high) / 2, high)
    return Judged(PAIR, asked, nfe, psnr_db, told, Forecast(psnr_db, psnr_db, psnr_db, psnr_db))


def test_the_shares_and_their_exact_intervals() -> None:
    """8 of 10 inside; by Clopper and Pearson 44.4 % to 97.5 %."""
    group = [
        judged("36 dB", measured, nfe=nfe) for nfe, measured in zip([4, 6] * 5, [20, 45, *range(31, 39)], strict=True)
    ]
    [row] = summarise(group)
    assert row["held_before"] == 0.8
    assert row["held_before_interval"] == [0.444, 0.975]
    assert row["held_after"] == 1.0
    assert row["reached"] == 0.4, "36, 37, 38 and 45 reach 36 dB"
    assert (row["nfe_mean"], row["requests"], row["width_before_db"]) == (5.0, 10, 10.0)


def test_the_worst_tenth_lies_between_the_two_lowest_of_ten() -> None:
    """Linear between order statistics, the lowest at 0 and the highest at 1: 0.1 x 9 = 0.9 of the way from 20 to 31."""
    [row] = summarise([judged("5 evaluations", measured) for measured in [20, 45, *range(31, 39)]])
    assert row["psnr_db_p10"] == 29.9
    [row] = summarise([judged("5 evaluations", 33.0)])
    assert row["psnr_db_p10"] == 33.0


def test_without_a_forecast_nothing_is_claimed() -> None:
    [row] = summarise([Judged(PAIR, "5 evaluations", 5, 33.0, None, None)] * 3)
    assert row["held_before"] is None
    assert row["width_after_db"] is None
    assert "reached" not in row
    assert markdown([row]).count("\n") == 2
    assert "None" not in markdown([row])


def test_every_request_is_made_once_for_each_thing_asked(model) -> None:
    rows = list(judge_planner(model, [PAIR], [2], [38.0]))
    assert [each.asked for each in rows] == ["2 evaluations", "38 dB"]
    assert rows[0].nfe == 2
    assert all(0 < each.psnr_db <= 100 for each in rows)
    again = list(judge_planner(model, [PAIR], [2], [38.0]))
    assert [each.psnr_db for each in again] == [each.psnr_db for each in rows]


@pytest.mark.parametrize("measured", [30.0, 40.0])
def test_the_ends_belong_to_the_interval(measured: float) -> None:
    assert summarise([judged("3 evaluations", measured)])[0]["held_before"] == 1.0

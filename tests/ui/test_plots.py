import plotly.io
import pytest

from trajflow import plots
from trajflow.base import Forecast

RUNS = [
    plots.Run("a mountain", 1.5, 28, 28, 100.0, 1.5),
    plots.Run("a mountain <b> & sea", 0.4, 7, 28, 38.2, 1.5),
    plots.Run("not compared", 0.4, 7, 28, None, None),
]


def test_bars_stand_cached_beside_from_scratch():
    cached, baseline = plots.latency(RUNS).data
    assert list(cached.y) == [1.5, 0.4, 0.4]
    assert list(baseline.y) == [1.5, 1.5, None]
    cached, baseline = plots.evaluations(RUNS).data
    assert list(cached.y) == [28, 7, 7]
    assert list(baseline.y) == [28, 28, 28]


def test_the_background_stands_apart_and_what_nobody_waited_for_is_no_bar():
    runs = [plots.Run("a", 0.4, 7, 28, 38.2, None, 21)]
    assert {bar.name: list(bar.y) for bar in plots.evaluations(runs).data} == {
        "cached": [7],
        "background": [21],
        "from scratch": [28],
    }
    assert [bar.name for bar in plots.latency(runs).data] == ["cached"]


def test_the_interval_expected_stands_behind_the_measurement():
    runs = [*RUNS, plots.Run("foreseen", 0.4, 7, 28, 45.2, None, 21, Forecast(38.0, 40.0, 44.0, 50.0))]
    measured, expected = plots.fidelity(runs).data
    assert list(measured.y) == [100.0, 38.2, None, 45.2]
    assert (list(expected.x), list(expected.y)) == ([4], [44.0])
    assert (expected.error_y.array[0], expected.error_y.arrayminus[0]) == (6.0, 6.0)


def test_fidelity_leaves_a_gap_where_nothing_was_compared():
    (line,) = plots.fidelity(RUNS).data
    assert list(line.y) == [100.0, 38.2, None]


@pytest.mark.parametrize("draw", [plots.latency, plots.fidelity, plots.evaluations])
def test_figures_suit_both_themes_and_never_read_a_prompt_as_markup(draw):
    figure = draw(RUNS)
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.title.text is None
    assert figure.data[0].customdata[1] == "a mountain &lt;b> &amp; sea"
    assert plotly.io.from_json(plotly.io.to_json(figure)) == figure


def test_angles_come_in_the_order_of_the_steps():
    frame = plots.angles({8: 3.0, 0: 9.0, 4: 5.0})
    assert frame["step"].tolist() == [0, 4, 8]
    assert frame["degrees"].tolist() == [9.0, 5.0, 3.0]
    assert plots.angles({}) is None

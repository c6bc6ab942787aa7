import re

from trajflow.assets import asset
from trajflow.ui.strip import REUSE, strip


def test_each_step_is_one_cell_and_the_legend_counts_them():
    html = strip(["computed", "coasted", "coasted", None], {0: 12.345})
    assert html.count('<span class="tf-computed"') == 1
    assert html.count('<span class="tf-coasted"') == 2
    assert html.count('<span class="tf-pending"') == 1
    assert "step 1: computed, 12.3° from the cached velocity" in html
    assert "step 2: coasted, predicted from the cached path" in html
    assert 'aria-label="4 steps: 1 computed, 2 coasted"' in html
    assert REUSE not in html


def test_reused_steps_have_a_colour_a_count_and_a_sentence():
    html = strip(["computed", "reused", "reused", "computed"])
    assert html.count('<span class="tf-reused"') == 2
    assert '<i class="tf-reused"></i>reused <b>2</b>' in html
    assert "at no evaluation" in html
    assert REUSE in html
    for theme in re.findall(r"^[.:](?:root|dark) {(.*?)^}", asset("app.css").read_text(), re.DOTALL | re.MULTILINE):
        colours = dict(re.findall(r"--tf-(\w+): (#\w{6})", theme))
        assert all(_contrast(colours["reused"], colours[other]) > 1.4 for other in ("computed", "coasted", "cached"))
        assert _contrast(colours["reused"], colours["paper"]) > 3


def _contrast(one, other):
    """The contrast ratio of two colours (WCAG 2.2)."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour):
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_kinds_that_do_not_occur_stay_in_the_legend_but_recede():
    html = strip(["cached"])
    assert html.count('class="tf-none"') == 3
    assert all(kind in html for kind in ("computed", "coasted", "cached", "reused"))


def test_before_the_first_run_it_says_what_will_be_there():
    assert "Every step of a run shows here" in strip(())

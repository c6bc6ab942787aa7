from trajflow.ui.strip import strip


def test_each_step_is_one_cell_and_the_legend_counts_them():
    html = strip(["computed", "coasted", "coasted", None], {0: 12.345})
    assert html.count('<span class="tf-computed"') == 1
    assert html.count('<span class="tf-coasted"') == 2
    assert html.count('<span class="tf-pending"') == 1
    assert "step 1: computed, 12.3° from the cached velocity" in html
    assert 'aria-label="4 steps: 1 computed, 2 coasted"' in html


def test_kinds_that_do_not_occur_stay_in_the_legend_but_recede():
    html = strip(["cached"])
    assert html.count('class="tf-none"') == 3
    assert all(kind in html for kind in ("computed", "coasted", "cached", "reused"))


def test_before_the_first_run_it_says_what_will_be_there():
    assert "Every step of a run shows here" in strip(())

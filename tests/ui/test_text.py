import re
from dataclasses import replace

from trajflow.base import Cost, Forecast, Metrics
from trajflow.ui import pictures, text


def test_times_and_sizes_read_like_a_person_says_them():
    assert [text.duration(s) for s in (0.0412, 0.4, 1.234, 61.7)] == ["41 ms", "0.40 s", "1.23 s", "62 s"]
    assert [text.size(n) for n in (0, 2048, 3 * 2**20, 256 * 2**20)] == ["0 KB", "2 KB", "3.0 MB", "256 MB"]


def test_the_verdict_names_fidelity_and_saving(result):
    assert text.fidelity(result()) == "38.2 dB to from-scratch"
    assert text.fidelity(result(metrics=Metrics(100.0, 1.0, True))) == "identical to from-scratch"
    assert text.fidelity(result(compare=False)) is None
    assert text.saving(7, 28) == "4.0× fewer evaluations"
    assert text.saving(28, 28) == "every step evaluated"
    assert text.saving(0, 28) == "no evaluation at all"


def test_the_status_says_what_was_used_why_and_at_what_cost(result):
    html = text.finished(result(), 4)
    assert "2 of 4 evaluations in 0.50 s, from “a mountain” (similarity 0.93, near)." in html
    assert "The path of “a mountain” is carried over." in html
    assert "similarity" not in text.finished(result(from_store=True, cost=Cost(0, 0)), 4)


def test_an_error_is_announced_and_its_text_is_not_markup():
    html = text.line("error", "<b>no</b>")
    assert 'role="alert"' in html
    assert "&lt;b&gt;no&lt;/b&gt;" in html


def test_both_pictures_have_the_same_frame_and_their_own_numbers(result):
    html = pictures.finished(result(), 4, "tiny")
    assert html.count("--ratio:16/12;--width:40px") == 2
    assert "2 evaluations · 0.50 s" in html
    assert "38.2 dB to from-scratch · 2.0× fewer evaluations" in html
    assert "4 evaluations · 1.60 s" in html
    assert "SSIM 0.980" in html


def test_a_prompt_is_never_markup(result):
    html = pictures.finished(result('"><script>alert(1)</script>'), 4, "tiny")
    assert "<script>" not in html
    assert pictures.file_name(result('../"><script>')) == "trajflow-script-seed7.png"
    assert pictures.file_name(result("山")) == "trajflow-picture-seed7.png"


def test_large_pictures_are_not_magnified(picture):
    card = pictures.card("From scratch", side="baseline", size=picture(size=(1024, 768)).size)
    assert "--ratio:1024/768;--width:512px" in card


def test_what_was_foreseen_is_told_once_and_only_where_it_was(result):
    plan = replace(result().plan, forecast=Forecast(38.0, 40.0, 44.0, 50.0), reason="Carried.")
    assert text.forecast(plan.forecast) == "About 44 dB, 38 to 50 expected"
    assert text.expectation(result(plan=plan)) == "expected 38 to 50 dB, measured 38.2"
    assert text.expectation(result(plan=plan, compare=False)) == "expected 38 to 50 dB"
    assert text.expectation(result(plan=plan, from_store=True)) is None
    assert text.expectation(result()) is None


def test_an_approximate_source_is_called_so(result):
    plan = result().plan
    approximate = replace(plan, match=replace(plan.match, is_true=False))
    assert text.APPROXIMATE not in text.finished(result(), 4)
    assert text.APPROXIMATE in text.finished(result(plan=approximate), 4)
    assert text.APPROXIMATE not in text.finished(result(plan=approximate, from_store=True), 4)


def test_the_outlook_says_of_how_many_and_what_is_left_of_a_budget():
    assert text.estimate(10, 28, None, 10) == "Up to 10 of 28 evaluations."
    assert text.estimate(8, 28, 0.4, 10) == "Up to 8 of 28 evaluations (10 allowed), about 0.40 s."
    assert text.estimate(28, 28, 1.0, None) == "Up to 28 evaluations, about 1.00 s."
    assert text.estimate(0, 28, 0.0, 10) == "No evaluation."


def test_a_missing_angle_has_its_reason(result):
    alone = replace(result().plan, sources=(), match=None)
    assert text.no_angle(result(plan=alone)).startswith("Nothing cached was used")
    assert text.no_angle(result(from_store=True)).startswith("Nothing was evaluated")
    assert text.no_angle(result()).startswith("No step was evaluated beside")


def test_a_picture_is_named_after_how_it_was_made(result):
    def title(**changes):
        return re.search(r"<figcaption[^>]*>([^<]*)", pictures.finished(result(**changes), 4, "tiny"))[1]

    alone = replace(result().plan, sources=(), match=None)
    assert title() == "From the cache"
    assert title(plan=alone, kinds=("computed", "reused") * 2) == "With reused steps"
    assert title(plan=alone, kinds=("computed",) * 2) == "With fewer steps"
    assert title(plan=alone, kinds=("computed",) * 4) == "Computed in full"


def test_an_exact_picture_stands_where_there_is_nothing_to_slide_to(result):
    assert "from scratch is this very picture" in pictures.unslid(result(compare=False), is_exact=True)
    for html in (pictures.unslid(), pictures.unslid(result(compare=False))):
        assert "<img" not in html
        assert "Once both pictures are there" in html

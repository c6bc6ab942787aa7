"""`trajflow bench fuzz` in miniature, and that what it looks for would be seen."""

import pytest

from trajflow import Session
from trajflow.bench.fuzz.doors import is_sentence, through_page, through_programs, through_python
from trajflow.bench.fuzz.pages import CALL, HOSTILE, injections
from trajflow.bench.fuzz.requests import VALID, bad_requests, for_programs, for_the_page, is_bad
from trajflow.bench.fuzz.sessions import two_threads

pytestmark = pytest.mark.filterwarnings("ignore:.*no_silent_downcasting")


def test_bad_requests_are_as_many_as_asked_for_and_bad_in_one_field(mixture):
    made = list(bad_requests(120, mixture.defaults))
    assert len(made) == 120
    for request in made:
        wrong = [name for name, value in request.items() if is_bad(name, value, mixture.defaults)]
        assert len(wrong) == 1, request
    assert not any(is_bad(name, value, mixture.defaults) for name, value in VALID.items())
    assert Session(mixture).generate(**VALID).cost.nfe == VALID["steps"]


def test_python_refuses_all_of_them_in_words(mixture):
    seen = through_python(mixture, bad_requests(120, mixture.defaults))
    assert (seen.count, seen.run, seen.wordless) == (120, 0, ())
    assert mixture.calls == 0
    assert through_python(mixture, [VALID]).run > 0


def test_so_do_the_page_and_the_endpoint_for_programs(serve, mixture):
    app = serve(mixture)
    requests = list(bad_requests(60, mixture.defaults))
    for door, is_for in ((through_page, for_the_page), (through_programs, for_programs)):
        seen = door(app, filter(is_for, requests))
        assert (seen.run, seen.wordless) == (0, ()), door
        assert mixture.calls == 0
    assert through_page(app, [VALID]).run == 1
    assert through_programs(app, [VALID]).run == 1


def test_a_sentence_shows_nothing_of_the_inside():
    assert is_sentence("The prompt is empty. Describe the picture.")
    assert not is_sentence("None")
    assert not is_sentence("Traceback (most recent call last): and so on")


def test_two_threads_find_nothing_of_another_session():
    seen = two_threads(80)
    assert seen.steps >= 80
    assert (seen.beyond, seen.crossed) == (0, 0)


@pytest.mark.slow
@pytest.mark.browser
def test_no_text_runs_in_the_page(serve, mixture):
    seen = injections(serve(mixture), HOSTILE[1:2])
    assert seen.count > 4
    assert (seen.ran, seen.stumbled) == ([], [])
    assert all("window" in text for text in HOSTILE)
    assert "ran" in CALL

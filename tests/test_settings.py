import dataclasses

import pytest
import torch

import trajflow
from trajflow.base import Defaults, Request
from trajflow.errors import RequestError, TrajflowError
from trajflow.methods import METHODS
from trajflow.settings import LEAST_FIDELITY, LONGEST_PROMPT, MOST_FIDELITY, MOST_GUIDANCE, MOST_STEPS, resolve_request

DEFAULTS = Defaults(steps=28, guidance=3.5, height=64, width=96, size_multiple=16, largest_side=256)


def test_what_is_not_asked_for_is_the_models_default() -> None:
    settings = resolve_request(Request("a mountain"), DEFAULTS)
    assert (settings.steps, settings.guidance, settings.height, settings.width) == (28, 3.5, 64, 96)
    assert (settings.seed, settings.negative_prompt, settings.strategy, settings.budget) == (0, "", "auto", None)


def test_what_is_asked_for_is_kept() -> None:
    asked = {"seed": 7, "steps": 12, "guidance": 2, "negative_prompt": "fog", "height": 128, "width": 32}
    settings = resolve_request(Request("a mountain", **asked, strategy="basis", budget=5), DEFAULTS)
    assert {name: getattr(settings, name) for name in asked} == asked
    assert isinstance(settings.guidance, float)
    assert (settings.strategy, settings.budget) == ("basis", 5)


def test_spaces_around_a_prompt_do_not_matter() -> None:
    settings = resolve_request(Request("  a mountain\n", negative_prompt=" fog "), DEFAULTS)
    assert (settings.prompt, settings.negative_prompt) == ("a mountain", "fog")


@pytest.mark.parametrize(
    "edge",
    [
        {"guidance": 0},
        {"guidance": MOST_GUIDANCE},
        {"steps": 1, "budget": 1},
        {"steps": MOST_STEPS, "budget": MOST_STEPS},
        {"seed": 2**63 - 1},
        {"height": 16, "width": 256},
        {"prompt": "x" * LONGEST_PROMPT},
        {"fidelity": LEAST_FIDELITY},
        {"fidelity": MOST_FIDELITY, "refine": True},
        *({"strategy": strategy} for strategy in METHODS),
        *({"strategy": strategy, "fidelity": 35} for strategy in ("auto", "basis", "difference")),
    ],
    ids=lambda edge: "-".join(edge),
)
def test_the_edges_are_allowed(edge: dict) -> None:
    resolve_request(Request(**{"prompt": "a mountain", **edge}), DEFAULTS)


class Hostile:
    """A value that answers nothing that it is asked."""

    def __repr__(self):
        raise OSError("no")

    __str__ = __bool__ = __eq__ = __hash__ = __repr__


INVALID = [
    ("prompt", "", "empty"),
    ("prompt", "  \n\t ", "empty"),
    ("prompt", None, "empty"),
    ("prompt", ["a mountain"], "must be text, got list"),
    ("prompt", 7, "must be text, got int"),
    ("prompt", b"a mountain", "must be text, got bytes"),
    ("prompt", "x" * 10_000, r"10,000 characters.*2,000"),
    ("prompt", "a mountain \ud800", "prompt holds a broken character at position 11"),
    ("prompt", "a\0 mountain", "prompt holds a broken character at position 1;"),
    ("negative_prompt", "fog \x1b[2J", "negative prompt holds a broken character at position 4;"),
    ("negative_prompt", "x" * 10_000, r"negative prompt has 10,000 characters"),
    ("negative_prompt", None, "negative prompt must be text"),
    ("steps", 0, "steps are 0.* from 1 to 200"),
    ("steps", -3, "steps are -3"),
    ("steps", MOST_STEPS + 1, "201.* 200"),
    ("steps", 4.0, "steps must be a whole number, got 4.0"),
    ("steps", "4", "steps must be a whole number, got '4'"),
    ("steps", True, "steps must be a whole number"),
    ("guidance", -0.1, "guidance is -0.1.* from 0 to 30"),
    ("guidance", 30.5, "guidance is 30.5"),
    ("guidance", float("nan"), "guidance must be a number"),
    ("guidance", float("inf"), "guidance must be a number"),
    ("guidance", 10**400, "guidance"),
    ("guidance", "3", "guidance must be a number, got '3'"),
    ("guidance", False, "guidance must be a number"),
    ("seed", -1, "seed is -1"),
    ("seed", 2**63, "seed is"),
    ("seed", 1.5, "seed must be a whole number"),
    ("seed", None, "seed must be a whole number"),
    ("height", 40, "height is 40 pixels.* multiple of 16, such as 32"),
    ("width", 8, "width is 8.* from 16 to 256"),
    ("width", 272, "width is 272.* from 16 to 256"),
    ("width", "64", "width must be a whole number"),
    ("strategy", "magic", r"no strategy 'magic'.*auto, basis"),
    ("strategy", None, "no strategy None"),
    ("strategy", ["basis"], "no strategy"),
    ("budget", 0, "budget is 0.* from 1 to 28"),
    ("budget", 29, "budget is 29.* from 1 to 28"),
    ("budget", 2.5, "budget must be a whole number"),
    ("budget", True, "budget must be a whole number"),
    ("fidelity", 9.99, "fidelity is 9.99. Choose from 10 to 60 dB"),
    ("fidelity", 60.5, "fidelity is 60.5"),
    ("fidelity", -40, "fidelity is -40"),
    ("fidelity", float("nan"), "fidelity is nan"),
    ("fidelity", float("inf"), "fidelity is inf"),
    ("fidelity", True, "fidelity is True"),
    ("fidelity", "40", "fidelity is '40'"),
    ("fidelity", 10**400, "fidelity is a number of 1,329 bits"),
    ("fidelity", "x" * 1000, "fidelity is 'xxx"),
    ("fidelity", [40.0], "fidelity is"),
    ("compare", "yes", "compare must be True or False"),
    ("compare", None, "compare must be True or False"),
    ("seed", 10**5000, "seed is a number of 16,610 bits"),
    ("guidance", -(10**5000), "guidance is a number of 16,610 bits"),
    *(
        (name, Hostile(), "Hostile")
        for name in ("prompt", "negative_prompt", "seed", "steps", "guidance", "height", "strategy", "budget")
    ),
    *((name, Hostile(), "Hostile") for name in ("fidelity", "compare", "refine")),
]


def named(value) -> str:
    is_plain = not isinstance(value, Hostile) and (not isinstance(value, int) or abs(value) < 2**64)
    return repr(value)[:24].strip("'") if is_plain else type(value).__name__


@pytest.mark.parametrize(("name", "value", "words"), INVALID, ids=named)
def test_what_cannot_be_run_is_refused_in_a_sentence(name: str, value, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        resolve_request(dataclasses.replace(Request("a mountain"), **{name: value}), DEFAULTS)
    sentence = str(caught.value)
    assert sentence[-1] == "."
    assert len(sentence) < 350
    assert isinstance(caught.value, TrajflowError)


def test_a_budget_is_held_to_the_steps_that_were_asked_for() -> None:
    with pytest.raises(RequestError, match="from 1 to 4"):
        resolve_request(Request("a mountain", steps=4, budget=5), DEFAULTS)


def test_a_fidelity_is_kept_as_a_number() -> None:
    settings = resolve_request(Request("a mountain", fidelity=35), DEFAULTS)
    assert settings.fidelity == 35.0
    assert isinstance(settings.fidelity, float)
    assert resolve_request(Request("a mountain"), DEFAULTS).fidelity is None


def test_a_budget_and_a_fidelity_exclude_each_other() -> None:
    with pytest.raises(RequestError, match=r"^Ask for a budget or for a fidelity, not for both: [^.]+\.$"):
        resolve_request(Request("a mountain", budget=5, fidelity=40.0), DEFAULTS)


@pytest.mark.parametrize("strategy", [name for name in METHODS if not METHODS[name].is_anytime])
def test_a_strategy_that_cannot_aim_at_a_fidelity_names_those_that_can(strategy: str) -> None:
    for budget in (None, 5):
        with pytest.raises(RequestError) as caught:
            resolve_request(Request("a mountain", strategy=strategy, fidelity=40.0, budget=budget), DEFAULTS)
        assert strategy in str(caught.value)
        assert str(caught.value).endswith("Choose one of: auto, basis, difference.")


def test_a_size_off_the_grid_names_one_that_is_allowed() -> None:
    for side in (17, 25, 100, 255):
        with pytest.raises(RequestError) as caught:
            resolve_request(Request("a mountain", height=side), DEFAULTS)
        near = int(str(caught.value).rstrip(".").split()[-1])
        resolve_request(Request("a mountain", height=near), DEFAULTS)
        assert abs(near - side) <= 8


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [case for case in INVALID if case[0] in ("prompt", "budget", "height", "fidelity")],
    ids=named,
)
def test_a_session_refuses_it_before_spending_anything_and_goes_on(mixture, name: str, value, words: str) -> None:
    session = trajflow.Session(mixture)
    request = {"prompt": "a mountain", name: value}
    for ask in (session.generate, session.estimate):
        with pytest.raises(RequestError):
            ask(**request)
    assert mixture.calls == 0
    assert session.entries() == ()
    assert session.generate("a mountain", steps=2).cost.nfe == 2


def test_numbers_of_other_libraries_are_refused_not_misread() -> None:
    with pytest.raises(RequestError, match="steps must be a whole number"):
        resolve_request(Request("a mountain", steps=torch.tensor(3)), DEFAULTS)

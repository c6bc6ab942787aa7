import time

import pytest

from trajflow.errors import RequestError
from trajflow.ui import parameters

SETTINGS = {
    "prompt": "a lake, at dusk\nwith a boat",
    "negative_prompt": "people, cars",
    "steps": 28,
    "guidance": 3.5,
    "seed": 7,
    "width": 128,
    "height": 96,
    "model": "some, model",
    "strategy": "auto",
    "budget": None,
    "fidelity": 40.0,
    "nfe": 10,
}


def test_what_is_written_is_read():
    read = parameters.read(parameters.write(SETTINGS))
    assert read == {name: value for name, value in SETTINGS.items() if name not in ("budget", "nfe")}


def test_a_text_of_a1111_is_read():
    text = (
        "masterpiece, a castle <lora:x:1>\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, "
        'Seed: 965400086, Size: 512x768, Model hash: 6ce0161689, Lora hashes: "a: b, c: d", Version: v1.6.0'
    )
    read = parameters.read(text)
    assert (read["prompt"], read["negative_prompt"]) == ("masterpiece, a castle <lora:x:1>", "blurry")
    assert (read["steps"], read["guidance"], read["seed"]) == (20, 7.0, 965400086)
    assert (read["width"], read["height"]) == (512, 768)


def test_a_bare_prompt_is_a_prompt_and_nothing_is_refused():
    assert parameters.read("a castle")["prompt"] == "a castle"
    with pytest.raises(RequestError):
        parameters.read("  \n ")
    with pytest.raises(RequestError):
        parameters.read("Steps: 20, Seed: 3")


def test_numbers_that_are_none_are_left_out():
    read = parameters.read("a castle\nSteps: 9999999999999999999999999, CFG scale: inf, Seed: x, Size: 1e9x5")
    assert set(read) == {"prompt", "negative_prompt", "height"}


@pytest.mark.parametrize(
    "text", ["a" * 100_000, " " * 99_999 + "a", "a:" * 50_000, 'a:"' * 33_000, "Steps: 2, " * 10_000]
)
def test_a_long_line_is_read_at_once(text):
    """The search for pairs took minutes, in which the server answered nobody."""
    began = time.process_time()
    assert parameters.read(f"a castle\n{text}")["prompt"].startswith("a castle")
    assert parameters.read(f"a castle\nSteps: 9, {text[:3900]}")["steps"] in (2, 9)
    assert time.process_time() - began < 2

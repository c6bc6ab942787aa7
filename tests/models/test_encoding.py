"""What goes in and out of text encoders and decoders, on a small random pipeline."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import trajflow
from tests.models.conftest import CASES
from trajflow.engine.blending import blending
from trajflow.errors import NumericalError


def test_prompts_may_be_encoded_from_several_threads(model):
    prompts = [f"a red cabin by the sea {number}" for number in range(12)]
    alone = {prompt: model.encode(prompt, "fog", 3.0).tensors["states"] for prompt in prompts}

    def encode(prompt):
        return torch.equal(model.encode(prompt, "fog", 3.0).tensors["states"], alone[prompt])

    with ThreadPoolExecutor(8) as people:
        assert all(people.map(encode, prompts * 12))


@pytest.mark.parametrize("part", ["text_encoder", "vae"])
def test_nan_is_neither_kept_nor_remembered(make_pipeline, adapt, part):
    pipeline = make_pipeline()
    model = adapt(pipeline)
    session = trajflow.Session(model)

    def spoil(module, inputs, outputs):
        (outputs if part == "vae" else outputs.text_embeds).fill_(float("nan"))

    hook = (pipeline.vae.decoder if part == "vae" else pipeline.text_encoder).register_forward_hook(spoil)
    with pytest.raises(NumericalError, match="NaN or infinity"):
        session.generate("a mountain", steps=2)
    assert session.entries() == ()
    hook.remove()
    result = session.generate("a mountain", steps=2)
    assert result.image.tobytes() == trajflow.Session(model).generate("a mountain", steps=2).image.tobytes()


LONG = "a red cabin by the sea " * 12


def test_the_end_of_a_prompt_that_no_encoder_reads_is_named_and_no_more(built, adapter, kind):
    """The encoders themselves know best: all but the end says what the whole does, and less of it does not."""
    model = adapter(kind, built(kind))
    prompt = (LONG * 4)[:1900].strip()
    unread = model.unread(prompt)
    assert unread
    read, whole = prompt.removesuffix(unread), model.encode(prompt, "", 1.0)

    def is_same(text):
        told = model.encode(text, "", 1.0).tensors
        return all(torch.equal(told[name], each) for name, each in whole.tensors.items())

    # A letter in the place of what is named, so that the last word that is read stays the word that it is.
    assert is_same(read + unread[:1] + "x" * 40)
    assert not is_same(read[:-3])
    [warning] = whole.warnings
    assert warning.startswith("The prompt is longer than")
    assert model.encode("a cabin", "", 1.0).warnings == ()


@pytest.mark.parametrize("name", ["FLUX.1 dev", "Qwen-Image", "Z-Image"])
def test_two_prompts_that_cannot_be_mixed_are_said_to_be_one(built, adapter, name):
    """Where each is read in its own length."""
    model = blending(adapter(CASES[name], built(CASES[name])))
    cabin, lake = "a cabin", "a lake at dusk"
    for share, nearer in ((40, cabin), (60, lake)):
        mixed, alone = (model.encode(prompt, "", 1.0) for prompt in (f"{cabin} ~{share}%~ {lake}", nearer))
        is_alone = all(torch.equal(mixed.tensors[part], each) for part, each in alone.tensors.items())
        assert is_alone == (name != "FLUX.1 dev")
        assert [f'"{nearer}" alone' in warning for warning in mixed.warnings] == [True] * is_alone
    assert model.encode(f"{cabin} ~0%~ {lake}", "", 1.0).warnings == ()
    result = trajflow.Session(model).generate(f"{cabin} ~40%~ {lake}", steps=1)
    assert len(result.warnings) == (name != "FLUX.1 dev")


@pytest.mark.parametrize("name", ["Stable Diffusion 3", "Qwen-Image", "Z-Image"])
def test_a_negative_prompt_without_guidance_is_said_to_change_nothing(built, adapter, model, name):
    model = adapter(CASES[name], built(CASES[name])) if name in CASES else model
    off = model.unguided
    plain, ignored, heard = (model.encode("a cabin", *rest) for rest in (("", off), ("fog", off), ("fog", off + 1.5)))
    assert plain.tensors.keys() == ignored.tensors.keys()
    assert all(torch.equal(plain.tensors[part], ignored.tensors[part]) for part in plain.tensors), "nothing changes"
    assert (plain.warnings, heard.warnings) == ((), ())
    [warning] = ignored.warnings
    assert f"Raise guidance above {off:g}." in warning


def test_a_result_says_what_of_its_prompt_changed_nothing(model):
    session = trajflow.Session(model)
    result = session.generate(LONG, seed=3, steps=2)
    assert len(result.warnings) == 1
    assert session.generate(LONG, seed=3, steps=2).warnings == result.warnings
    *_, refined = session.stream(LONG + " too", seed=3, steps=3, refine=True)
    assert len(refined.warnings) == 1
    assert session.generate("a cabin", steps=2).warnings == ()


def test_what_is_remembered_of_words_keeps_to_its_bytes(model, monkeypatch):
    session = trajflow.Session(model)
    said = sum(tensor.nbytes for tensor in model.encode("a cabin", "", model.defaults.guidance).tensors.values())
    monkeypatch.setattr("trajflow.session.runner.REMEMBERED_BYTES", 2 * said)
    for prompt in ("a cabin", "a lake", "a lake", "a forest"):
        session.generate(prompt, steps=1)
    assert [key[1] for key in session._runner._conditionings] == ["a lake", "a forest"]
    monkeypatch.setattr("trajflow.session.runner.REMEMBERED_BYTES", said - 1)
    assert session.generate("a castle", steps=1).key
    assert not session._runner._conditionings


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_is_remembered_of_words_waits_in_the_hosts_memory(make_pipeline, adapt):
    model = adapt(make_pipeline().to("cuda"))
    session, fresh = trajflow.Session(model), trajflow.Session(model)
    session.generate("a cabin", seed=1, steps=2)
    [(known, device)] = session._runner._conditionings.values()
    assert (device.type, {tensor.device.type for tensor in known.tensors.values()}) == ("cuda", {"cpu"})
    ours, theirs = (each.generate("a cabin", seed=2, steps=2) for each in (session, fresh))
    assert ours.image.tobytes() == theirs.image.tobytes()


def test_nothing_is_kept_of_the_words_of_a_forgotten_prompt(model):
    session = trajflow.Session(model)
    keys = [session.generate(prompt, steps=1).key for prompt in ("a cabin", "a lake", "a lake")]
    session.forget(keys[0])
    assert [key[1] for key in session._runner._conditionings] == ["a lake"]
    session.forget(keys[1])
    assert not session._runner._conditionings

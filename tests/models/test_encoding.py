"""What goes in and out of text encoders and decoders, on a small random pipeline."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import trajflow
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

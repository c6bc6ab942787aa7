"""The contract of models over every adapter, and what only adapters promise besides: levels that can be run, and text
encoders that threads may share."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import trajflow
from trajflow.testing import check_model

PROMPT, OTHER = "a snowy mountain at dusk", "a snowy mountain in the fog"


def test_every_adapter_keeps_the_contract(built, adapter, kind) -> None:
    check_model(adapter(kind, built(kind)))


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_so_does_stable_diffusion_3(pipeline, text_length, guidance: float) -> None:
    settings = {"max_sequence_length": text_length, "guidance": guidance}
    check_model(trajflow.load(pipeline, settings=settings))
    check_model(trajflow.load(pipeline, settings={**settings, "skip_guidance_layers": [1]}))


@pytest.mark.parametrize("strategy", ["interval", "budcache", "aligned", "solver", "tcc", "resume-budcache"])
def test_steps_are_reused_on_a_model_without_a_stack(built, adapter, cases, strategy: str) -> None:
    model = adapter(cases["Z-Image"], built(cases["Z-Image"]))
    assert "stack" not in model.levels
    session = trajflow.Session(model)
    given = {"seed": 3, "steps": 6, "guidance": 2.0}
    if strategy == "resume-budcache":
        session.generate(OTHER, **given)
    result = session.generate(PROMPT, strategy=strategy, budget=2, **given)
    assert result.cost.nfe <= 2
    assert "reused" in result.kinds


def test_two_adapters_of_one_pipeline_encode_in_threads(pipeline, adapt) -> None:
    """They share its tokenizer, which must not be set up anew while it is used."""
    models = [adapt(pipeline), trajflow.load(pipeline)]
    prompts = [f"{'very ' * (i % 7)}{PROMPT} {i}" for i in range(24)]
    asked = [(models[i % 2], prompt) for i, prompt in enumerate(prompts)]

    def encode(one) -> dict[str, torch.Tensor]:
        model, prompt = one
        return model.encode(prompt, "blurry", 3.0).tensors

    expected = [encode(one) for one in asked]
    with ThreadPoolExecutor(8) as threads:
        for one, other in zip(threads.map(encode, asked), expected, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in other)

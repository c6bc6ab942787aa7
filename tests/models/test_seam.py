"""What is kept and put back, against the stock network with hooks and against its parts called by hand."""

import pytest
import torch
from torch import Tensor

import trajflow
from trajflow.models.sd3 import SEAM
from trajflow.models.seam import twin

PROMPT = "a snowy forest"


@pytest.fixture(params=[1.0, 4.0], ids=["unguided", "guided"])
def asked(model, request):
    """x, the grid and the conditioning of a run."""
    shape = model.latent_shape(32, 32)
    return model.noise(3, shape), model.schedule(6, shape), model.encode(PROMPT, "blurry", request.param)


@pytest.mark.parametrize("level", ["stack", "blocks"])
def test_keeping_changes_no_bit_and_leaves_the_network_as_it_was(model, pipeline, asked, level: str) -> None:
    x, grid, conditioning = asked
    parts = {name: id(part) for name, part in pipeline.transformer.named_modules()}
    plain = model.evaluate(x, grid.point(2), conditioning)
    kept = model.evaluate(x, grid.point(2), conditioning, level)
    assert torch.equal(plain.velocity, kept.velocity)
    assert plain.residual == {}
    assert kept.residual
    model.reuse(x, grid.point(3), conditioning, kept.residual)
    assert {name: id(part) for name, part in pipeline.transformer.named_modules()} == parts
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in pipeline.transformer.modules())


@pytest.mark.parametrize("level", ["stack", "blocks"])
def test_put_back_where_it_was_kept_it_gives_the_same_velocity(model, asked, level: str) -> None:
    x, grid, conditioning = asked
    kept = model.evaluate(x, grid.point(2), conditioning, level)
    again = model.reuse(x, grid.point(2), conditioning, kept.residual)
    assert torch.allclose(again, kept.velocity, atol=1e-4)
    elsewhere = model.reuse(x + 0.5, grid.point(4), conditioning, kept.residual)
    assert not torch.allclose(elsewhere, kept.velocity, atol=1e-2)


def test_the_stack_is_the_embedding_plus_the_residual_through_the_final_layers(model, pipeline, asked) -> None:
    x, grid, conditioning = asked
    network, rows = pipeline.transformer, len(conditioning.tensors["states"])
    kept = model.evaluate(x, grid.point(1), conditioning, "stack")
    assert kept.residual["rows/stack"].shape == (rows, 64, 32)
    y, point = x + 0.1, grid.point(3)
    with torch.no_grad():
        tokens = network.pos_embed(torch.cat([y] * rows)) + kept.residual["rows/stack"]
        time = network.time_text_embed(point.timestep.expand(rows), conditioning.tensors["pooled"])
        patches = network.proj_out(network.norm_out(tokens, time))
    # Patches of 1: a token is a pixel of the latents.
    velocity = patches.transpose(1, 2).reshape(rows, 4, 8, 8)
    if rows == 2:
        velocity = velocity[:1] + conditioning.guidance * (velocity[1:] - velocity[:1])
    assert torch.allclose(model.reuse(y, point, conditioning, kept.residual), velocity, atol=1e-5)


def test_blocks_are_the_stock_network_with_those_outputs_forced(model, pipeline, asked) -> None:
    x, grid, conditioning = asked
    kept = model.evaluate(x, grid.point(1), conditioning, "blocks").residual
    sites = [
        (f"transformer_blocks.{i}.{part}", child)
        for i, block in enumerate(pipeline.transformer.transformer_blocks)
        for part, child in SEAM.parts_of(block).items()
    ]
    assert {"transformer_blocks.0.attn", "transformer_blocks.0.ff"} <= {name for name, _ in sites}

    def forced(name: str):
        single = kept.get(f"rows/{name}")
        return single if single is not None else (kept[f"rows/{name}.0"], kept[f"rows/{name}.1"])

    hooks = [child.register_forward_hook(lambda *_, name=name: forced(name)) for name, child in sites]
    try:
        expected = model.evaluate(x + 0.1, grid.point(3), conditioning).velocity
    finally:
        for hook in hooks:
            hook.remove()
    assert torch.equal(model.reuse(x + 0.1, grid.point(3), conditioning, kept), expected)


def test_branches_are_kept_apart(model) -> None:
    shape = model.latent_shape(32, 32)
    x, grid = model.noise(3, shape), model.schedule(6, shape)
    kept = model.evaluate(x, grid.point(1), model.encode(PROMPT, "blurry", 4.0), "stack").residual["rows/stack"]
    alone = model.evaluate(x, grid.point(1), model.encode(PROMPT, "", 1.0), "stack").residual["rows/stack"]
    assert torch.allclose(kept[1:], alone, atol=1e-4)
    assert not torch.allclose(kept[:1], alone, atol=1e-2)


def test_a_twin_does_not_run_what_took_over_the_call_of_the_original() -> None:
    original = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())

    def elsewhere(_: Tensor) -> Tensor:
        raise AssertionError("this belongs to the original")

    original.forward = elsewhere
    other = twin(original, {"1": torch.nn.Identity()})
    x = torch.randn(3, 2)
    assert torch.equal(other(x), original[0](x))
    assert isinstance(original[1], torch.nn.ReLU)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("level", ["stack", "blocks"])
def test_a_network_inside_a_compiled_one_is_cut_open_as_without(make_pipeline, adapt, level: str) -> None:
    pipeline = make_pipeline()
    plain = adapt(make_pipeline())
    pipeline.transformer = torch.compile(pipeline.transformer, backend="eager")
    compiled, shape = adapt(pipeline), plain.latent_shape(32, 32)
    x, grid, conditioning = plain.noise(3, shape), plain.schedule(6, shape), plain.encode(PROMPT, "", 1.0)
    kept, expected = (each.evaluate(x, grid.point(2), conditioning, level) for each in (compiled, plain))
    assert torch.equal(kept.velocity, expected.velocity)
    back, other = (each.reuse(x, grid.point(3), conditioning, kept.residual) for each in (compiled, plain))
    assert torch.equal(back, other)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_session_reuses_steps_of_a_compiled_network(make_pipeline, adapt) -> None:
    pipeline = make_pipeline()
    pipeline.transformer = torch.compile(pipeline.transformer, backend="eager")
    result = trajflow.Session(adapt(pipeline)).generate(PROMPT, strategy="interval", budget=2, steps=4)
    assert result.kinds.count("reused") == 2

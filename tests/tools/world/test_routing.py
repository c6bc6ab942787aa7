from dataclasses import replace

import pytest
import torch

from tools.world import routing
from tools.world.alignment import SEEN, Alignment
from tools.world.network import Shape, build_transformer
from tools.world.routing import Routing, draw
from tools.world.train import MINIATURE

BATCH, TOKENS = 2, 36


@pytest.fixture
def transformer():
    torch.manual_seed(0)
    network = build_transformer(replace(MINIATURE.shape, blocks=5))
    # The last layers start at zero; spread them, so that what the blocks make matters.
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network


@pytest.fixture
def call(transformer):
    states = torch.randn(BATCH, 5, transformer.config.joint_attention_dim)
    pooled = torch.randn(BATCH, transformer.config.pooled_projection_dim)
    x = torch.randn(BATCH, transformer.config.in_channels, 12, 12)
    return lambda: (
        transformer(
            x, encoder_hidden_states=states, pooled_projections=pooled, timestep=torch.tensor([500.0] * BATCH)
        ).sample
    )


def test_every_picture_keeps_half_of_its_tokens_and_others():
    kept = draw(BATCH, TOKENS, torch.Generator().manual_seed(0))
    assert kept.shape == (BATCH, TOKENS // 2)
    assert all(len(set(each.tolist())) == TOKENS // 2 for each in kept)
    assert set(kept[0].tolist()) != set(kept[1].tolist())


def test_with_all_tokens_kept_in_any_order_nothing_changes(transformer, call):
    before = call()
    routed = Routing(transformer)
    assert torch.equal(call(), before), "nothing is asked for yet"
    routed.keep(torch.stack([torch.randperm(TOKENS) for _ in range(BATCH)]))
    torch.testing.assert_close(call(), before)
    routed.keep(torch.arange(TOKENS // 2).expand(BATCH, -1))
    assert not torch.allclose(call(), before)
    routed.keep(None)
    assert torch.equal(call(), before)


def test_tokens_that_are_not_kept_go_around_the_middle_blocks_and_the_others_together(transformer, call, monkeypatch):
    monkeypatch.setattr(routing, "FIRST", 1)
    blocks = transformer.transformer_blocks
    seen = {}
    blocks[0].register_forward_hook(lambda block, _, output: seen.update(before=output))
    blocks[0].register_forward_hook(lambda block, arguments, given, output: seen.update(given=given), with_kwargs=True)
    routed = Routing(transformer)
    blocks[4].register_forward_pre_hook(lambda block, arguments, given: seen.update(after=given), with_kwargs=True)
    kept = draw(BATCH, TOKENS, torch.Generator().manual_seed(0))
    routed.keep(kept)
    call()
    after = seen["after"]["hidden_states"]
    text, image = seen["before"]
    expected = image.clone()
    rows = torch.arange(BATCH)[:, None]
    part, given = image[rows, kept], {key: seen["given"][key] for key in ("temb", "joint_attention_kwargs")}
    routed.keep(None)
    for block in blocks[1:4]:
        text, part = block(hidden_states=part, encoder_hidden_states=text, **given)
    expected[rows, kept] = part
    torch.testing.assert_close(after, expected)


def test_a_block_that_is_given_half_is_compared_with_what_is_seen_there(transformer, call):
    aligned, routed = Alignment(transformer), Routing(transformer)
    seen, kept = torch.randn(BATCH, SEEN, 6, 6), draw(BATCH, TOKENS, torch.Generator().manual_seed(0))
    routed.keep(kept)
    call()
    told = aligned.head(aligned._heard)
    assert told.shape[1] == TOKENS // 2
    wanted = torch.stack([each.flatten(1).T[places] for each, places in zip(seen, kept, strict=True)])
    expected = 1 - torch.cosine_similarity(told, wanted, dim=-1).mean()
    torch.testing.assert_close(aligned.loss(seen, kept), expected)


def test_the_released_shape_has_blocks_before_and_behind():
    assert 0 < routing.FIRST <= routing.LAST < Shape().blocks - 1

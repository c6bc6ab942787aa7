import random

import pytest
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

from tools.world.architecture import TEXT_TOKENS, VOCABULARY, embed
from tools.world.reader import QUESTIONS, confidences, labels, loss, text_mask, told
from tools.world.scene import ATTRIBUTES, KINDS, Told
from tools.world.text import accuracy, load, new_readers, new_tokenizer, random_told, save, train
from tools.world.vocabulary import nothing, words


def one_of_three(draw):
    """What is told in one of a few words, which is learned in a few steps."""
    return Told(subject=draw.choice(ATTRIBUTES["subject"][:3]), style=draw.choice((None, *ATTRIBUTES["style"])))


@pytest.fixture(scope="module")
def readers():
    made = new_readers(new_tokenizer(corpus=1000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tools.world.text.random_told", one_of_three)
        train(made, steps=60, batch=16)
    return made


@pytest.mark.slow
def test_a_short_training_reads_better_than_chance(readers, monkeypatch):
    monkeypatch.setattr("tools.world.text.random_told", one_of_three)
    assert accuracy(readers, "train", number=250)["subject"] > 1 / 3 + 0.12


def test_the_tokenizer_reads_everything_within_its_size(readers):
    assert len(readers.tokenizer) <= VOCABULARY
    for text in ("Zwei rote Boote, süß", "ёлка 🌲", "a  b"):
        ids = readers.tokenizer(text).input_ids
        assert readers.tokenizer.eos_token_id not in ids[1:-1]


def test_what_is_told_survives_labels_and_back():
    draw = random.Random(0)
    for _ in range(200):
        one = random_told(draw)
        target = labels([one])
        assert labels([told(target[0].tolist())]).equal(target)


def test_the_loss_of_certainty_is_none_and_of_ignorance_the_logarithms():
    target = labels([random_told(random.Random(1))])
    sizes = [len(values) for values in QUESTIONS.values()]
    sure = torch.cat([torch.eye(n)[target[0, k]] * 100 for k, n in enumerate(sizes)])[None]
    assert loss(sure, target) == pytest.approx(0, abs=1e-4)
    unsure = torch.zeros_like(sure)
    assert loss(unsure, target) == pytest.approx(sum(torch.tensor(n).log().item() for n in sizes), rel=1e-5)
    assert confidences(unsure)[0].tolist() == pytest.approx([1 / n for n in sizes])


def test_only_text_up_to_the_end_is_read():
    mask = text_mask(torch.tensor([[0, 5, 1, 1], [0, 1, 1, 1]]), end=1)
    assert mask.tolist() == [[True, True, True, False], [True, True, False, False]]


def test_padding_does_not_change_what_is_read(readers):
    prompts = ["mountains", "two red boats and a cabin on the left of a lake at night, oil painting, no deer"]
    together, alone = readers.logits(readers.ids(prompts)), readers.logits(readers.ids(prompts[:1]))
    for both, single in zip(together, alone, strict=True):
        torch.testing.assert_close(both[:1], single, atol=1e-4, rtol=1e-4)


def test_saved_readers_read_the_same(readers, tmp_path):
    save(readers, tmp_path)
    prompts = ["volcano at dusk", "drei blaue Zelte"]
    assert load(tmp_path).read(prompts).equal(readers.read(prompts))


def test_training_goes_on_where_it_was_broken_off(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.world.text.SAVE_EVERY", 2)
    first = new_readers(new_tokenizer(corpus=300))
    train(first, steps=2, batch=8, work=tmp_path)
    second = new_readers(first.tokenizer, seed=5)
    train(second, steps=2, batch=8, work=tmp_path)
    for mine, theirs in zip(first.modules(), second.modules(), strict=True):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert a.equal(b)


def test_the_stock_pipeline_lays_text_out_like_embed(readers):
    transformer = SD3Transformer2DModel(
        sample_size=8, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=256, caption_projection_dim=16, pooled_projection_dim=256, pos_embed_max_size=8,
    )  # fmt: skip
    pipe = StableDiffusion3Pipeline(
        transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler(), vae=AutoencoderKL(),
        text_encoder=readers.encoders[0], tokenizer=readers.tokenizer,
        text_encoder_2=readers.encoders[1], tokenizer_2=readers.tokenizer,
        text_encoder_3=None, tokenizer_3=None, image_encoder=None, feature_extractor=None,
    )  # fmt: skip
    prompt = "a red cabin by a lake"
    stock, _, pooled, _ = pipe.encode_prompt(
        prompt, prompt, prompt, do_classifier_free_guidance=False, max_sequence_length=1
    )
    with torch.no_grad():
        states, ours = embed([prompt], readers.encoders, readers.tokenizer)
    assert states.shape == (1, TEXT_TOKENS + 1, 256)
    torch.testing.assert_close(stock, states)
    torch.testing.assert_close(pooled, ours)


def test_every_value_has_words_and_english_comes_first(readers):
    table = words()
    assert list(table) == ["subject", "time", "weather", "season", "style", "kind", "colour", "side"]
    assert table["subject"]["mountains"][:2] == ["mountains", "mountain"]
    assert "berge" in table["subject"]["mountains"]
    assert set(table["kind"]) == set(KINDS)
    assert {"rot", "rouge", "roja"} <= set(table["colour"]["red"])
    understood = words(readers)
    for attribute, values in understood.items():
        for value, found in values.items():
            assert set(found) <= set(table[attribute][value])


def test_words_that_name_nothing_are_told_from_those_that_do():
    found = nothing(captions=300)
    meant = {word for values in words().values() for told in values.values() for text in told for word in text.split()}
    assert {"two", "between"} <= set(found["joining"])
    assert {"masterpiece", "4k", "gorgeous"} <= set(found["ignored"])
    assert not set(found["joining"]) & set(found["ignored"])
    assert {"with", "avec", "mit"} <= meant | set(found["joining"])
    assert not {"night", "fog", "cabin"} & {*found["joining"], *found["ignored"]}

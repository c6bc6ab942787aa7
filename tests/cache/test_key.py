import json
from dataclasses import asdict

import pytest
import torch

from trajflow.cache import CacheKey, cache_digest, differences
from trajflow.errors import ModelError

BASE = {
    "identity": {"weights": "abc", "dtype": "float32", "lora": [["style", 0.5]]},
    "shape": (1, 16, 8, 8),
    "sigmas": torch.linspace(1, 0, 29),
    "guidance": 3.0,
    "negative_prompt": "",
    "seed": 7,
    "sampler": "euler",
}
BENT = torch.linspace(1, 0, 29) ** 1.5

CHANGES = [
    ({"identity": {**BASE["identity"], "dtype": "bfloat16"}}, "model"),
    ({"shape": (1, 16, 16, 8)}, "size"),
    ({"sigmas": torch.linspace(1, 0, 21)}, "steps (28 -> 20)"),
    ({"sigmas": BENT}, "schedule"),
    ({"guidance": 5.0}, "guidance (3.0 -> 5.0)"),
    ({"negative_prompt": "blurry"}, "negative prompt"),
    ({"seed": 8}, "seed (7 -> 8)"),
    ({"sampler": "heun"}, "sampler (euler -> heun)"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[words for _, words in CHANGES])
def test_every_ingredient_changes_the_fingerprint_and_is_named(change, words):
    assert cache_digest(**BASE | change) != cache_digest(**BASE)
    assert differences(CacheKey.of(**BASE), CacheKey.of(**BASE | change)) == (words,)


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[words for _, words in CHANGES])
def test_runs_can_be_sources_whatever_their_negative_prompt_and_guidance(change, words):
    changed, base = CacheKey.of(**BASE | change), CacheKey.of(**BASE)
    assert (changed.source_digest() == base.source_digest()) == bool({"negative_prompt", "guidance"} & set(change))


def test_every_ingredient_is_among_the_changes():
    assert {name for change, _ in CHANGES for name in change} == set(BASE)


def test_one_ulp_of_one_sigma_is_another_grid():
    nudged = BASE["sigmas"].clone()
    nudged[5] = torch.nextafter(nudged[5], torch.tensor(0.0))
    assert cache_digest(**BASE | {"sigmas": nudged}) != cache_digest(**BASE)


def test_the_schedule_is_named_only_when_nothing_else_explains_it():
    a = CacheKey.of(**BASE)
    b = CacheKey.of(**BASE | {"sigmas": BENT, "shape": (1, 16, 16, 16), "seed": 8})
    assert differences(a, b) == ("size", "seed (7 -> 8)")


def test_several_differences_come_in_one_order():
    a = CacheKey.of(**BASE)
    b = CacheKey.of(**BASE | {"seed": 1, "guidance": 4.5, "negative_prompt": "fog"})
    assert differences(a, b) == ("guidance (3.0 -> 4.5)", "negative prompt", "seed (7 -> 1)")


def test_equal_runs_agree_whatever_the_order_and_types_of_writing():
    same = BASE | {
        "identity": {"lora": (("style", 0.5),), "dtype": "float32", "weights": "abc"},
        "shape": torch.Size([1, 16, 8, 8]),
        "guidance": 3,
        "sigmas": BASE["sigmas"].clone(),
    }
    assert differences(CacheKey.of(**BASE), CacheKey.of(**same)) == ()
    assert cache_digest(**same) == cache_digest(**BASE)


def test_the_fingerprint_survives_json():
    made = CacheKey.of(**BASE)
    read = json.loads(json.dumps(asdict(made)))
    assert CacheKey(**read | {"shape": tuple(read["shape"])}).digest() == made.digest() == cache_digest(**BASE)
    assert len(made.digest()) == 64


@pytest.mark.parametrize("value", [torch.float32, float("nan"), object()])
def test_an_identity_that_is_not_json_is_refused(value):
    with pytest.raises(ModelError, match="plain JSON"):
        cache_digest(**BASE | {"identity": {"dtype": value}})

"""Runs as documents: what goes in comes out, bit for bit, and nothing else is believed."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

import trajflow
from tests.cache.test_places import assert_same
from trajflow.cache.document import FORMAT, checksum, read_document, write_document
from trajflow.errors import CacheError
from trajflow.testing import GaussianMixture


def changed(document: bytes, change_words=lambda words: words, **tensors: torch.Tensor) -> bytes:
    """The document with other words or tensors, and with the checksum that fits them."""
    words = json.loads(document[8 : 8 + int.from_bytes(document[:8], "little")])["__metadata__"]["entry"]
    held = load(document) | tensors
    words = json.dumps(change_words(json.loads(words)))
    return save(held, {"format": FORMAT, "entry": words, "sha256": checksum(held, words)})


def test_an_entry_comes_back_bit_for_bit(make_entry) -> None:
    for entry in (
        make_entry("a lake", computed=3),
        make_entry(has_trajectory=False),
        replace(make_entry(), prefix=torch.randn(2, 1, 4, 8, 8)),
    ):
        read = read_document(write_document(entry))
        assert_same(read, entry)
        assert np.array_equal(read.vector, entry.vector)
        assert (read.created, read.digest, read.prompt) == (entry.created, entry.digest, entry.prompt)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_kept_as_it_is(make_entry, dtype) -> None:
    entry = make_entry()
    path = replace(
        entry.trajectory, noise=entry.trajectory.noise.to(dtype), velocities=entry.trajectory.velocities.to(dtype)
    )
    entry = replace(entry, trajectory=path)
    assert_same(read_document(write_document(entry)), entry)


def test_all_that_is_shown_of_a_picture_is_in_its_document() -> None:
    session = trajflow.Session(GaussianMixture())
    for prompt, options in (
        ("snowy mountain dusk", {}),
        ("snowy mountain dawn", {"budget": 3, "compare": True}),
        ("snowy mountain fog", {"fidelity": 30.0}),
        ("snowy mountain sun", {"strategy": "resume", "budget": 4}),
    ):
        session.generate(prompt, **options)
    entries = session.entries()
    assert len(entries) == 4
    for entry in entries:
        read = read_document(write_document(entry))
        told, was = read.result, entry.result
        sampling = replace(
            was.plan.sampling, node_schedule=told.plan.sampling.node_schedule, policy=None, escalation=()
        )
        assert told == replace(was, plan=replace(was.plan, sampling=sampling))
        assert told.plan.sampling.nodes == was.plan.sampling.nodes
        assert told.image.tobytes() == was.image.tobytes()


def test_no_flipped_bit_is_ever_believed(make_entry) -> None:
    entry = make_entry()
    document, chance = write_document(entry), random.Random(0)
    header = 8 + int.from_bytes(document[:8], "little")
    refused = 0
    for turn in range(600):
        harmed = bytearray(document)
        harmed[chance.randrange(header if turn % 2 else len(document))] ^= 1 << chance.randrange(8)
        try:
            assert_same(read_document(bytes(harmed)), entry)
        except CacheError:
            refused += 1
    # The rest were bits of the header that say nothing, such as its padding.
    assert refused > 590


def test_no_part_of_a_document_is_believed(make_entry) -> None:
    document = write_document(make_entry())
    for size in (0, 1, 7, 8, 9, 100, len(document) // 2, len(document) - 1):
        with pytest.raises(CacheError, match="not a run that can be read"):
            read_document(document[:size])
    for strange in (b"\xff" * 100, b"\x00" * 100, b"PK\x03\x04" + bytes(100), document + b" "):
        with pytest.raises(CacheError):
            read_document(strange)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"velocities": torch.zeros(3, 1, 4, 8, 8)}, "velocities have another shape"),
        ({"velocities": torch.full((4, 1, 4, 8, 8), torch.nan)}, "not a number"),
        ({"noise": torch.zeros(1, 4, 8, 9)}, "noise has another shape"),
        ({"sigmas": torch.linspace(1, 0, 5) ** 2}, "not that of the fingerprint"),
        ({"timesteps": torch.zeros(7)}, "a grid has another shape"),
        ({"image": torch.zeros(16, 16, 4, dtype=torch.uint8)}, "a picture has another shape"),
        ({"image": torch.zeros(16, 16, 3)}, "a picture has another shape"),
        ({"image": torch.zeros(0, 16, 3, dtype=torch.uint8)}, "a picture has another shape"),
        ({"vector": torch.zeros(3)}, "sentence vector"),
        ({"prefix": torch.zeros(5, 1, 4, 8, 8)}, "first velocities"),
    ],
)
def test_tensors_that_contradict_the_words_are_refused(make_entry, tensors, said) -> None:
    with pytest.raises(CacheError, match=said):
        read_document(changed(write_document(make_entry()), **tensors))


@pytest.mark.parametrize(
    "change",
    [
        lambda words: words | {"path_kinds": ["computed"]},
        lambda words: words | {"path_kinds": ["computed"] * 3 + ["invented"]},
        lambda words: words | {"created": "yesterday"},
        lambda words: words | {"more": 1},
        lambda words: words | {"result": words["result"] | {"seconds": {"sample": float("inf")}}},
        lambda words: [words],
        lambda words: {},
    ],
)
def test_words_that_could_not_have_been_written_are_refused(make_entry, change) -> None:
    with pytest.raises(CacheError, match="not a run that can be read"):
        read_document(changed(write_document(make_entry()), change))


def test_a_document_of_another_version_says_so(make_entry) -> None:
    document = write_document(make_entry())
    other = save(load(document), {"format": "9", "entry": "{}", "sha256": ""})
    with pytest.raises(CacheError, match="it is of format '9', and this version reads '2'"):
        read_document(other)


def test_what_could_not_be_read_is_not_written_and_its_prompt_not_told(make_entry) -> None:
    entry = make_entry("a secret prompt")
    with pytest.raises(CacheError, match="cannot be written down") as told:
        write_document(replace(entry, result=replace(entry.result, angles={0: float("nan")})))
    assert "secret" not in str(told.value)

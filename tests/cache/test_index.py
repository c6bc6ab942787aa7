import subprocess
import sys

import numpy as np
import pytest
import torch

from trajflow.cache import PromptIndex


@pytest.fixture
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((50, 384)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def index(vectors) -> PromptIndex:
    index = PromptIndex()
    for number, vector in enumerate(vectors):
        index.add(f"key-{number}", vector)
    return index


def by_hand(vectors: np.ndarray, query: np.ndarray, numbers: list[int]) -> list[tuple[str, float]]:
    cosines = {f"key-{number}": float(vectors[number] @ query) for number in numbers}
    return sorted(cosines.items(), key=lambda item: -item[1])


def assert_same(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-5)


def test_nearest_is_what_sorting_by_cosine_gives(index, vectors):
    query = vectors[7] * 0.6 + vectors[3] * 0.8
    assert_same(index.nearest(query, 5), by_hand(vectors, query, list(range(50)))[:5])
    assert index.nearest(vectors[7], 1)[0][0] == "key-7"


def test_only_the_chosen_keys_are_searched(index, vectors):
    chosen = [4, 9, 31]
    found = index.nearest(vectors[7], 10, [f"key-{number}" for number in chosen])
    assert_same(found, by_hand(vectors, vectors[7], chosen))
    assert index.nearest(vectors[7], 10, []) == []


def test_a_removed_key_is_not_found_and_may_come_back(index, vectors):
    index.remove("key-7")
    assert len(index) == 49
    assert "key-7" not in index
    assert_same(index.nearest(vectors[7], 3), by_hand(vectors, vectors[7], [n for n in range(50) if n != 7])[:3])
    index.add("key-7", vectors[8])
    assert {key for key, _ in index.nearest(vectors[8], 2)} == {"key-7", "key-8"}


def test_more_than_there_is_gives_all(index, vectors):
    assert len(index.nearest(vectors[0], 1000)) == 50
    assert PromptIndex().nearest(vectors[0], 3) == []


def test_a_search_leaves_the_threads_of_torch_alone(index, vectors):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        index.nearest(vectors[0], 3)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_importing_the_cache_loads_neither_faiss_nor_the_encoder():
    program = (
        "import sys, trajflow.cache; print(sorted({'faiss', 'sentence_transformers', 'transformers'} & {*sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout.strip() == "[]"

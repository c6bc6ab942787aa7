import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from trajflow.cache import SentenceEncoder, nearest, similarity

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _computed_each_time(monkeypatch):
    """As it is outside the tests."""
    monkeypatch.setattr(similarity, "_encode", similarity._encode.__wrapped__)


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.mark.parametrize(
    ("a", "b", "cosine"),
    [
        ("A beautiful mountain landscape", "Mountain landscape that is beautiful", 0.948),
        ("A beautiful mountain landscape", "A mountain landscape at sunset", 0.746),
        ("A mountain landscape at sunset", "A mountain landscape at dawn", 0.813),
        ("A snowy forest", "A foggy forest", 0.665),
    ],
)
def test_cosines_measured_with_the_real_encoder(encoder, a, b, cosine):
    assert float(encoder.encode(a) @ encoder.encode(b)) == pytest.approx(cosine, abs=0.005)


@pytest.mark.parametrize("text", ["", "a mountain at dusk", "山の夕暮れ", "long " * 2000])
def test_vectors_are_float32_of_unit_norm(encoder, text):
    vector = encoder.encode(text)
    assert (vector.shape, vector.dtype) == ((384,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_remembered_vector_cannot_be_written_to(encoder):
    with pytest.raises(ValueError, match="read-only"):
        encoder.encode("a cabin")[0] = 1.0


def test_only_the_last_texts_are_remembered():
    encoder = SentenceEncoder(remembered=2)
    first, second = encoder.encode("one"), encoder.encode("two")
    assert encoder.encode("one") is first
    encoder.encode("three")
    assert encoder.encode("one") is first
    assert encoder.encode("two") is not second


def test_a_forgotten_text_leaves_nothing():
    encoder = SentenceEncoder()
    first, second = encoder.encode("one"), encoder.encode("two")
    encoder.forget("one")
    encoder.forget("never seen")
    assert encoder.encode("two") is second
    assert encoder.encode("one") is not first
    encoder.forget()
    assert encoder.encode("two") is not second


def test_threads_share_one_encoder(encoder):
    texts = [f"a mountain, number {number % 5}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        vectors = list(pool.map(encoder.encode, texts))
    alone = SentenceEncoder()
    assert all(np.array_equal(vector, alone.encode(text)) for text, vector in zip(texts, vectors, strict=True))


def test_no_connection_is_ever_attempted_and_nothing_is_printed():
    program = """
import sys

network = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}
attempts = []
sys.addaudithook(lambda event, _: attempts.append(event) if event in network else None)
from trajflow.cache import SentenceEncoder

SentenceEncoder().encode("a mountain")
sys.exit(str(attempts) if attempts else 0)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.fixture
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((50, 384)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_nearest_is_what_sorting_by_cosine_gives(vectors, count):
    query = vectors[7] * 0.6 + vectors[3] * 0.8
    cosines = {number: float(vectors[number] @ query) for number in range(count)}
    expected = sorted(cosines.items(), key=lambda item: -item[1])
    for limit in (0, 1, 5, 1000):
        found = nearest(query, list(vectors[:count]), limit)
        assert [number for number, _ in found] == [number for number, _ in expected[:limit]]
        assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected[:limit]], abs=1e-5)


def test_a_search_leaves_the_threads_of_torch_alone(vectors):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        nearest(vectors[0], list(vectors), 3)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)

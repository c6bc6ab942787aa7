"""Whatever two threads do to a cache of three places: no place holds too much, what was forgotten stays away, and what
comes back is equal bit for bit, in the order of the requests."""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.cache.test_disk import full_disk
from tests.cache.test_places import SIZE, assert_same, assert_within_bounds
from trajflow.cache import Disk, Entry, Memory, TrajectoryCache
from trajflow.errors import CacheError

KEYS = st.sampled_from("abcdefgh")
# Two threads never write one key: which of them came last would be nobody's knowledge.
LOWER, UPPER = st.sampled_from("abcd"), st.sampled_from("efgh")
ACTS = st.sampled_from(["adopt", "adopt", "get", "renew", "forget", "make_room", "look"])
VECTOR = np.eye(384, dtype=np.float32)[0]
# In entries: the runs of the machine are of 0.31 and 1 of them, and with a prefix up to 1.3.
SIZES = st.tuples(*[st.sampled_from([0, 0.4, 1, 1.7, 2.5]) for _ in range(3)])


def machine(make_entry, count: int) -> type[RuleBasedStateMachine]:
    class CacheMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            self.pool = ThreadPoolExecutor(2)
            self.lock = threading.Lock()
            # What was put under each key, in the order of the requests; a key leaves it when it is forgotten.
            self.put: dict[str, Entry] = {}
            self.made = 0

        @initialize(sizes=SIZES)
        def open(self, sizes) -> None:
            first, second, third = (int(size * SIZE) for size in sizes)
            gpu, memory = Memory("gpu", first), Memory("memory", second, is_host=True)
            self.cache = TrajectoryCache([gpu, memory, Disk(Path(self.folder.name), third)])

        def entry(self, key: str) -> Entry:
            with self.lock:
                self.made += 1
                number = self.made
                made = make_entry(f"prompt {key}", key=key, seed=number, vector=VECTOR, has_trajectory=number % 3 > 0)
            prefix = torch.full((1 + number % 3, 1, 4, 8, 8), float(number)).half()
            return replace(made, prefix=prefix) if number % 4 == 0 else made

        def act(self, act: str, key: str) -> None:
            """One call, and what the model of the cache makes of it."""
            if act == "adopt":
                entry = self.entry(key)
                try:
                    self.cache.adopt(entry)
                except CacheError:
                    return
                with self.lock:
                    self.put.pop(key, None)
                    self.put[key] = entry
            elif act == "renew":
                entry = self.entry(key)
                if self.cache.renew(entry):
                    with self.lock:
                        assert key in self.put, "what was forgotten cannot be renewed"
                        self.put[key] = entry
            elif act == "forget":
                self.cache.forget(key)
                with self.lock:
                    self.put.pop(key, None)
                assert self.cache.get(key) is None
            elif act == "get":
                held = self.cache.get(key)
                if held is not None:
                    assert_same(held, self.put[key])
            elif act == "make_room":
                self.cache.make_room()
            else:
                self.cache.entries()
                self.cache.candidates(cache_key, VECTOR, 5)

        @rule(act=ACTS, key=KEYS)
        def alone(self, act, key) -> None:
            self.act(act, key)

        @rule(key=KEYS)
        def adopt_with_a_full_disk(self, key) -> None:
            with full_disk():
                self.act("adopt", key)

        @rule(
            ours=st.lists(st.tuples(ACTS, LOWER), min_size=1, max_size=6),
            theirs=st.lists(st.tuples(ACTS, UPPER), min_size=1, max_size=6),
        )
        def together(self, ours, theirs) -> None:
            def work(acts) -> None:
                for act, key in acts:
                    self.act(act, key)

            for done in [self.pool.submit(work, acts) for acts in (ours, theirs)]:
                done.result(60)
            # Requests of two threads have no order that both could name: take the cache's.
            order = [entry.key for entry in reversed(self.cache.entries())]
            self.put = {key: self.put[key] for key in order}

        @rule()
        def clear(self) -> None:
            self.cache.clear()
            self.put.clear()

        @invariant()
        def all_is_as_it_was_put(self) -> None:
            if not hasattr(self, "cache"):
                return
            assert_within_bounds(self.cache)
            listed = self.cache.entries()
            for entry in listed:
                assert_same(entry, self.put[entry.key])
            held = {entry.key for entry in listed}
            assert [entry.key for entry in reversed(listed)] == [key for key in self.put if key in held]
            files = list(Path(self.folder.name).glob("*/*.safetensors"))
            assert len(files) == sum(self.cache.place_of(entry.key) == "disk" for entry in listed)
            # What was evicted is gone for good.
            self.put = {key: entry for key, entry in self.put.items() if key in held}

        def teardown(self) -> None:
            self.pool.shutdown()
            if hasattr(self, "cache"):
                del self.cache
            self.folder.cleanup()

    cache_key = make_entry().cache_key
    CacheMachine.TestCase.settings = settings(
        max_examples=count,
        stateful_step_count=25,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return CacheMachine


@pytest.mark.slow
def test_a_cache_keeps_its_promises_whatever_two_threads_do(make_entry) -> None:
    made = machine(make_entry, 40)
    run_state_machine_as_test(made, settings=made.TestCase.settings)

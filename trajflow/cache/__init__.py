"""What one session remembers: finished runs, found again by fingerprint, prompt and similarity of prompts."""

from trajflow.cache.cache import TrajectoryCache
from trajflow.cache.disk import DiskStore
from trajflow.cache.encoder import SentenceEncoder
from trajflow.cache.entry import Entry, new_key
from trajflow.cache.index import PromptIndex
from trajflow.cache.key import CacheKey, cache_digest, differences
from trajflow.cache.store import MemoryStore, Store
from trajflow.cache.tiered import TieredStore
from trajflow.cache.tiers import PRESETS, Tier, resume_step, tier_of

__all__ = [
    "PRESETS",
    "CacheKey",
    "DiskStore",
    "Entry",
    "MemoryStore",
    "PromptIndex",
    "SentenceEncoder",
    "Store",
    "Tier",
    "TieredStore",
    "TrajectoryCache",
    "cache_digest",
    "differences",
    "new_key",
    "resume_step",
    "tier_of",
]

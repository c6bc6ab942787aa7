"""What one session remembers: finished runs, found again by fingerprint, prompt and similarity of prompts."""

from trajflow.cache.cache import Memory, Place, TrajectoryCache
from trajflow.cache.disk import Disk
from trajflow.cache.entry import CacheKey, Entry, cache_digest, differences, new_key
from trajflow.cache.folder_store import FolderStore
from trajflow.cache.owned_store import OwnedStore
from trajflow.cache.similarity import SentenceEncoder, nearest
from trajflow.cache.store import Store
from trajflow.cache.tiers import LEARNED, PRESETS, Tier, Tiers, resume_step, tier_of, tier_table
from trajflow.cache.write_behind import WriteBehind

__all__ = [
    "LEARNED",
    "PRESETS",
    "CacheKey",
    "Disk",
    "Entry",
    "FolderStore",
    "Memory",
    "OwnedStore",
    "Place",
    "SentenceEncoder",
    "Store",
    "Tier",
    "Tiers",
    "TrajectoryCache",
    "WriteBehind",
    "cache_digest",
    "differences",
    "nearest",
    "new_key",
    "resume_step",
    "tier_of",
    "tier_table",
]

"""A store on a server that many machines reach: Valkey, or Redis, whose protocol it speaks (extra `store`).

An owner's documents are one hash, their last uses one sorted set, and all owners' last uses another; a counter holds
the bytes. Whatever changes several of these is one script, which the server runs as a whole, so that any number of
processes may call at once. A document is kept behind its sha256.

How long the server keeps what it has taken is a setting of the server: with `appendonly yes` and `appendfsync always`
no crash takes a document back, with `everysec` the last second may go.
"""

import hashlib
import logging
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from trajflow.cache.store import check_names
from trajflow.errors import CacheError
from trajflow.extras import require

logger = logging.getLogger(__name__)
T = TypeVar("T")
SCHEMES = ("redis", "rediss", "valkey", "valkeys")
PREFIX = "trajflow:"
# Seconds until a server that does not answer counts as away.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0
SHA = hashlib.sha256().digest_size

# In every script: KEYS are owners, bytes, the owner's uses and documents; ARGV begins with the owner and the key.
SIZE = f"""
local function size(documents, key) return math.max(0, redis.call('HSTRLEN', documents, key) - {SHA}) end
"""
NOW = "local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]\n"
PUT = (
    SIZE
    + NOW
    + """
local former = size(KEYS[4], ARGV[2])
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], now, ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
local total = redis.call('INCRBY', KEYS[2], size(KEYS[4], ARGV[2]) - former)
while total > tonumber(ARGV[4]) do
  local owner = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
  local uses, documents = ARGV[5] .. 'uses:' .. owner, ARGV[5] .. 'documents:' .. owner
  local key = redis.call('ZPOPMIN', uses)[1]
  if key then
    total = redis.call('DECRBY', KEYS[2], size(documents, key))
    redis.call('HDEL', documents, key)
  end
  if redis.call('EXISTS', documents) == 0 then
    redis.call('DEL', uses)
    redis.call('ZREM', KEYS[1], owner)
  end
end
"""
)
GET = (
    NOW
    + """
local document = redis.call('HGET', KEYS[4], ARGV[2])
if document then
  redis.call('ZADD', KEYS[3], now, ARGV[2])
  redis.call('ZADD', KEYS[1], now, ARGV[1])
end
return document
"""
)
DELETE = (
    SIZE
    + """
redis.call('DECRBY', KEYS[2], size(KEYS[4], ARGV[2]))
redis.call('HDEL', KEYS[4], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
if redis.call('EXISTS', KEYS[4]) == 0 then redis.call('ZREM', KEYS[1], ARGV[1]) end
"""
)
DROP = (
    SIZE
    + """
for _, key in ipairs(redis.call('HKEYS', KEYS[4])) do redis.call('DECRBY', KEYS[2], size(KEYS[4], key)) end
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('ZREM', KEYS[1], ARGV[1])
"""
)


class ValkeyStore:
    """Documents at `url`, redis:// or valkey://, with a second s for TLS; at most `capacity` bytes of them.

    Nothing is asked of the server before the first call. Raises MissingExtra without the extra `store`, CacheError for
    an address that cannot be.
    """

    def __init__(self, url: str, capacity: int) -> None:
        require("store", "A store on a Valkey or Redis server")
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        split = urlsplit(url)
        try:
            host, port = split.hostname, split.port or 6379
        except ValueError as error:
            raise CacheError(f"{url!r} is not the address of a store: {error}.") from error
        if split.scheme not in SCHEMES or not host:
            raise CacheError(f"{url!r} is not the address of a store. Give redis://HOST:PORT or valkey://HOST:PORT.")
        # Not the whole address, which may hold a password.
        self.address = f"{split.scheme}://{host}:{port}"
        self.capacity = capacity
        self._failure = redis.RedisError
        self._server = redis.Redis.from_url(
            url.replace("valkey", "redis", 1) if split.scheme.startswith("valkey") else url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            # A connection that the server has closed meanwhile is made anew, once.
            retry=Retry(NoBackoff(), 1),
        )
        self._put, self._get, self._delete, self._drop = map(self._server.register_script, (PUT, GET, DELETE, DROP))

    def put(self, owner: str, key: str, document: bytes) -> None:
        """Keep a document; the least recently used ones make room for it. Raises CacheError."""
        value = hashlib.sha256(document).digest() + document
        if len(document) > self.capacity:
            raise CacheError(f"{len(document):,} bytes do not fit into a store of {self.capacity:,} bytes.")
        self._run(self._put, owner, key, value, self.capacity, PREFIX)

    def get(self, owner: str, key: str) -> bytes | None:
        """The document, or None. Raises CacheError when the server does not answer."""
        value = self._run(self._get, owner, key)
        if value is None:
            return None
        document = bytes(value[SHA:])
        if hashlib.sha256(document).digest() != value[:SHA]:
            logger.warning("a document at %s is not what was put there: it counts as none", self.address)
            return None
        return document

    def delete(self, owner: str, key: str) -> None:
        """Remove a document. Raises CacheError when the server does not answer."""
        self._run(self._delete, owner, key)

    def keys(self, owner: str) -> tuple[str, ...]:
        """The keys of an owner's documents. Raises CacheError when the server does not answer."""
        check_names(owner)
        return tuple(key.decode() for key in self._asked(lambda: self._server.hkeys(f"{PREFIX}documents:{owner}")))

    def drop(self, owner: str) -> None:
        """Remove everything of an owner. Raises CacheError when the server does not answer."""
        self._run(self._drop, owner, "all")

    @property
    def nbytes(self) -> int:
        """Bytes of all documents. Raises CacheError when the server does not answer."""
        return int(self._asked(lambda: self._server.get(f"{PREFIX}bytes")) or 0)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _run(self, script: Callable[..., Any], owner: str, key: str, *more: Any) -> Any:
        check_names(owner, key)
        keys = [f"{PREFIX}owners", f"{PREFIX}bytes", f"{PREFIX}uses:{owner}", f"{PREFIX}documents:{owner}"]
        return self._asked(lambda: script(keys=keys, args=[owner, key, *more]))

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except self._failure as error:
            raise CacheError(f"The store at {self.address} does not answer ({type(error).__name__}).") from error

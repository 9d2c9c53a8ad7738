"""The cache that drops the least recently used values."""

from __future__ import annotations

from experiments.lru_cache import LruCache


def test_the_longest_unused_is_dropped_when_room_is_short() -> None:
    cache: LruCache[int, str] = LruCache(5, size=len)
    cache.put(1, "aa")
    cache.put(2, "bb")
    assert cache.get(1) == "aa"
    cache.put(3, "cc")
    assert (cache.get(1), cache.get(2), cache.get(3)) == ("aa", None, "cc")


def test_a_key_holds_the_value_that_was_put_last() -> None:
    cache: LruCache[int, str] = LruCache(5, size=len)
    for text in ("aaa", "bbbb", "cc"):
        cache.put(1, text)
    cache.put(2, "ddd")
    assert (cache.get(1), cache.get(2)) == ("cc", "ddd")


def test_the_newest_is_kept_however_large_it_is() -> None:
    cache: LruCache[int, str] = LruCache(2, size=len)
    cache.put(1, "a")
    cache.put(2, "too large")
    assert cache.keys() == [2]
    cache.clear()
    assert cache.get(2) is None

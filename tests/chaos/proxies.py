"""TCP proxies that can be cut, silenced and slowed: a network that fails on demand."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

CHUNK = 1 << 16


@dataclass
class Weather:
    """What one link does to what passes.

    ``cut``: connections are closed and refused. ``silent``: they stay, and nothing
    passes. ``delay``: seconds added to each piece. ``drop_replies``: the share of
    answers in whose stead the connection is closed, after the request has arrived.
    """

    cut: bool = False
    silent: bool = False
    delay: float = 0.0
    drop_replies: float = 0.0


@dataclass
class Link:
    """One way from a client to a server. ``target``: (host, port), or a socket's path.

    ``dropped`` counts the replies that were thrown away.
    """

    name: str
    port: int
    target: tuple[str, int] | str
    weather: Weather = field(default_factory=Weather)
    dropped: int = 0

    def __post_init__(self) -> None:
        self.server: asyncio.Server | None = None
        self.pipes: set[asyncio.Task[None]] = set()
        self.random = random.Random(self.name)

    async def serve(self) -> None:
        self.server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port
        )

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.weather.cut:
            writer.transport.abort()
            return
        try:
            if isinstance(self.target, str):
                there = await asyncio.open_unix_connection(self.target)
            else:
                there = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        for task in (
            self._pump(reader, there[1], answers=False, other=writer),
            self._pump(there[0], writer, answers=True, other=there[1]),
        ):
            pipe = asyncio.ensure_future(task)
            self.pipes.add(pipe)
            pipe.add_done_callback(self.pipes.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool,
        other: asyncio.StreamWriter,
    ) -> None:
        try:
            while piece := await reader.read(CHUNK):
                await self._pass(piece, writer, answers=answers)
            writer.close()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            other.transport.abort()

    async def _pass(
        self, piece: bytes, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        if self.weather.delay:
            await asyncio.sleep(self.weather.delay)
        while self.weather.silent:
            await asyncio.sleep(0.05)
        if answers and self.random.random() < self.weather.drop_replies:
            self.dropped += 1
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()

    async def close_all(self) -> None:
        for pipe in list(self.pipes):
            pipe.cancel()


class Network:
    """All links of an installation, served by one thread."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    def add(self, name: str, port: int, target: tuple[str, int] | str) -> Link:
        link = self.links[name] = Link(name, port, target)
        self._do(link.serve())
        return link

    def cut(self, *names: str) -> None:
        """Close these links' connections and refuse new ones."""
        for name in names:
            self.links[name].weather.cut = True
            self._do(self.links[name].close_all())

    def silence(self, *names: str) -> None:
        """Let nothing pass, silently."""
        for name in names:
            self.links[name].weather.silent = True

    def heal(self, *names: str) -> None:
        """Fine weather on these links, or on all. What was silenced is let go: its
        ends would not know of each other after a real outage of that length."""
        for name in names or self.links:
            link = self.links[name]
            was_silent = link.weather.silent
            link.weather = Weather()
            if was_silent:
                self._do(link.close_all())

    def close(self) -> None:
        for link in self.links.values():
            self._do(link.close_all())
            if link.server is not None:
                link.server.close()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

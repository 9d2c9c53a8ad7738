"""Before training: the code's copy in the work folder, with signs of life meanwhile."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from experiments.runner.answers import Refused, SiteAway
from experiments.runner.code import CodeError, cached_zip, store, unpack
from experiments.runner.patience import Patience
from experiments.runner.signals import Signals
from experiments.runner.site import Site
from experiments.runner.spec import CodeSource
from experiments.runner.unstarted import (
    code_missing,
    released_early,
    stopped_early,
    worker_problem,
)

logger = logging.getLogger(__name__)


class Preparation:
    """Fetches and unpacks the code of one attempt."""

    def __init__(
        self,
        *,
        site: Site,
        cache: Path,
        signals: Signals,
        patience: Patience,
        beat_seconds: float,
    ) -> None:
        self._site = site
        self._cache = cache
        self._signals = signals
        self._patience = patience
        self._beat_seconds = beat_seconds
        self._beat_at = time.monotonic() + beat_seconds

    def copy_code(self, code: CodeSource, work: Path) -> None:
        """Put the code into `work`.

        Raises Unstarted when that cannot or need not be done, SiteAway when patience
        runs out, and StaleAttempt.
        """
        try:
            archive = cached_zip(self._cache, code.digest)
            unpack(archive or self._fetch(code), work)
        except (CodeError, Refused) as problem:
            raise code_missing(f"no code: {problem}") from problem
        except OSError as problem:
            raise worker_problem(f"no room for the code: {problem}") from problem

    def _fetch(self, code: CodeSource) -> Path:
        return self._patience.insist(
            lambda: store(self._cache, code.digest, self._pieces(code.url))
        )

    def _pieces(self, url: str) -> Iterator[bytes]:
        self._show_life()
        for piece in self._site.download(url):
            self._show_life()
            yield piece

    def _show_life(self) -> None:
        """A large download must not cost the lease."""
        if self._signals.terminations:
            raise released_early()
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + self._beat_seconds
        try:
            stop = self._site.beat(elapsed=0.0, pid=os.getpid(), memory=0)
        except SiteAway as problem:
            logger.info("no beat while the code is fetched: %s", problem)
            return
        if stop is not None:
            raise stopped_early(stop)

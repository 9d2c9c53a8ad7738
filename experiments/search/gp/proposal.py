"""The configuration that a Gaussian process recommends to try next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from experiments.search.gp.cube import Candidates, Mask, Points
from experiments.search.gp.kernel import Reals, log_expected_improvement
from experiments.search.gp.model import GaussianProcess
from experiments.search.gp.tried import Tried, near_any
from experiments.search.records import JSONValue

DRAWS, FEW_DRAWS = 512, 64
CENTERS, NEIGHBORS, SPREAD = 8, 32, 0.15
STARTS, ROUNDS, STEPS = 4, 5, 40
FIRST_SCALE, SHRINKING = 0.1, 0.6
# Of a finite space with up to this many configurations all are scored. As many are
# drawn if constraints leave so few that a search would miss them.
MAX_LISTED = 2048
# A proposal differs by more than this from every pending trial in some coordinate.
PENDING_DISTANCE = 0.02
# Scores are rounded, so that rounding errors do not decide between equals.
DECIMALS = 9
# At most this many of the best candidates are checked against the constraints.
MAX_CHECKED = 256


@dataclass(frozen=True)
class ScoredConfiguration:
    """A configuration with the outcome that the model expects, standardized."""

    params: dict[str, JSONValue]
    mean: float


@dataclass
class ScoredPoints:
    """Points and their scores; -infinity for those that must not be tried."""

    points: Points
    active: Mask
    scores: Reals

    def joined(self, other: ScoredPoints) -> ScoredPoints:
        return ScoredPoints(
            np.concatenate([self.points, other.points]),
            np.concatenate([self.active, other.active]),
            np.concatenate([self.scores, other.scores]),
        )

    def ranking(self) -> list[int]:
        """The rows with a finite score, the best first; the first wins a tie."""
        order = np.argsort(-self.scores, kind="stable")
        ranked: list[int] = order[: int(np.isfinite(self.scores).sum())].tolist()
        return ranked


@dataclass
class AcquisitionSearch:
    """Finds the point with the highest expected improvement.

    It scores draws from the space and neighbors of the best trials, and starts a local
    search with shrinking steps from the best of those. It only compares scores, so
    rounding errors of the model hardly ever change a proposal.
    """

    model: GaussianProcess
    tried: Tried
    pending: tuple[Points, Mask]
    rng: np.random.Generator
    _admitted: dict[bytes, dict[str, JSONValue] | None] = field(
        default_factory=dict, init=False
    )

    def best(self) -> ScoredConfiguration | None:
        """The best proposal; None if no candidate may be tried."""
        return self._first_allowed(self._listed() or self._found())

    def best_drawn(self) -> ScoredConfiguration | None:
        """The best of a few draws from the space; None if none may be tried."""
        scored = self._listed()
        if scored is None:
            scored = self._scored(*self._candidates.drawn(FEW_DRAWS, self.rng))
        return self._first_allowed(scored)

    def _first_allowed(self, scored: ScoredPoints) -> ScoredConfiguration | None:
        for row in scored.ranking()[:MAX_CHECKED]:
            params = self._admits(scored.points[row])
            if params is not None:
                rows = slice(row, row + 1)
                means, _ = self.model.predicted(
                    scored.points[rows], scored.active[rows]
                )
                return ScoredConfiguration(params, float(means[0]))
        return None

    def _listed(self) -> ScoredPoints | None:
        """All configurations, or some where a search would hardly find an allowed one.

        None if there are too many, and a search finds enough.
        """
        cube = self.model.view.encoding.cube
        space = cube.space
        # With constraints, counting the configurations has already listed them.
        count = space.count()
        if not count or (count > MAX_LISTED and space.rejection_problem is None):
            return None
        rows = space.finite.rows
        if rows is None:
            return None
        if count > MAX_LISTED:
            rows = space.finite.drawn_rows(self.rng, MAX_LISTED)
        return self._scored(*cube.points_of(rows), spread=False)

    def _found(self) -> ScoredPoints:
        scored = self._scored(*self._drawn())
        starts = self._starts(scored)
        for number in range(ROUNDS):
            if not len(starts.points):
                break
            scale = FIRST_SCALE * SHRINKING**number
            near = self._near(starts.points, starts.active, STEPS, scale)
            found = self._scored(*near)
            scored = scored.joined(found)
            starts = self._stepped(starts, found)
        return scored

    def _drawn(self) -> tuple[Points, Mask]:
        drawn = self._candidates.drawn(DRAWS, self.rng)
        chosen = np.argsort(self.model.means, kind="stable")[:CENTERS]
        near = self._near(
            self.model.points[chosen], self.model.active[chosen], NEIGHBORS, SPREAD
        )
        return np.vstack([drawn[0], near[0]]), np.vstack([drawn[1], near[1]])

    def _near(
        self, points: Points, active: Mask, each: int, scale: float
    ) -> tuple[Points, Mask]:
        return self._candidates.near(
            points, active, each=each, scale=scale, rng=self.rng
        )

    @property
    def _candidates(self) -> Candidates:
        return Candidates(self.model.view.encoding.cube)

    def _starts(self, scored: ScoredPoints) -> ScoredPoints:
        """The best points that may be tried."""
        rows: list[int] = []
        for row in scored.ranking()[:MAX_CHECKED]:
            if len(rows) == STARTS:
                break
            if self._allows(scored.points[row]):
                rows.append(row)
        return ScoredPoints(
            scored.points[rows], scored.active[rows], scored.scores[rows]
        )

    def _stepped(self, starts: ScoredPoints, found: ScoredPoints) -> ScoredPoints:
        """Each start, or its best neighbor if that is better and may be tried."""
        points, active = starts.points.copy(), starts.active.copy()
        scores = starts.scores.copy()
        for start in range(len(points)):
            rows = np.arange(start * STEPS, (start + 1) * STEPS)
            for row in rows[np.argsort(-found.scores[rows], kind="stable")]:
                if not found.scores[row] > scores[start]:
                    break
                if self._allows(found.points[row]):
                    points[start], active[start] = found.points[row], found.active[row]
                    scores[start] = found.scores[row]
                    break
        return ScoredPoints(points, active, scores)

    def _scored(
        self, points: Points, active: Mask, *, spread: bool = True
    ) -> ScoredPoints:
        """The points' scores; with `spread`, none next to a pending trial."""
        means, deviations = self.model.predicted(points, active)
        scores = log_expected_improvement(means, deviations, self.model.best)
        scores = np.round(scores, DECIMALS)
        scores[self.tried.among(points, active)] = -np.inf
        if spread:
            scores[self._crowded(points, active)] = -np.inf
        return ScoredPoints(points, active, scores)

    def _crowded(self, points: Points, active: Mask) -> Mask:
        """Which points are next to a pending trial."""
        here = self.model.view.features(points, active)
        there = self.model.view.features(*self.pending)
        numeric, nominal = here.coordinates.shape[1], here.categories.shape[1]
        return near_any(
            np.hstack([here.coordinates, here.categories]),
            np.hstack([there.coordinates, there.categories]),
            [PENDING_DISTANCE] * numeric + [0.0] * nominal,
        )

    def _allows(self, point: Points) -> bool:
        """Whether the search may continue from a point that has a score."""
        if not self.tried.cube.space.constraints:
            return True
        return self._admits(point) is not None

    def _admits(self, point: Points) -> dict[str, JSONValue] | None:
        mark = point.tobytes()
        if mark not in self._admitted:
            self._admitted[mark] = self.tried.admits(point)
        return self._admitted[mark]

"""The configuration that is most worth trying next, by a model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from experiments.search.gp.candidates import Candidates, Tried
from experiments.search.gp.encoding import Mask, Points
from experiments.search.gp.kernel import Reals, log_expected_improvement
from experiments.search.gp.model import GaussianProcess
from experiments.search.gp.novelty import Novelty
from experiments.search.records import JSONValue

DRAWS = 512
CENTRES, NEIGHBOURS, SPREAD = 8, 32, 0.15
STARTS, ROUNDS, STEPS = 4, 5, 40
FIRST_SCALE, SHRINKING = 0.1, 0.6
# A finite space with up to so many configurations is looked through as a whole.
MAX_LISTED = 2048
# As close to a pending trial as this, in every coordinate, nothing is proposed.
PENDING_DISTANCE = 0.02
# Scores that differ by less are equal: rounding must not decide between twins.
DECIMALS = 9
# So many candidates are put to the constraints before others are looked for.
MAX_REQUESTED = 256


@dataclass(frozen=True)
class ScoredConfiguration:
    """A configuration with the outcome that the model expects, standardised."""

    params: dict[str, JSONValue]
    mean: float


@dataclass
class ScoredPoints:
    """Points and how much each is worth trying; -infinity where not at all."""

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
        """The rows from the best on, at a tie the first; without the worthless."""
        order = np.argsort(-self.scores, kind="stable")
        worth: list[int] = order[: int(np.isfinite(self.scores).sum())].tolist()
        return worth


@dataclass
class AcquisitionSearch:
    """Looks for the point with the highest expected improvement.

    What would only repeat another trial improves nothing: where there is `novelty`, the
    improvement counts as much as it is likely that a point is a training of its own.

    Draws from the space and neighbours of the best trials, and from the best of those
    a local search with shrinking steps. Nothing but comparisons decides, so that
    roundings of the model hardly ever show in a proposal.
    """

    model: GaussianProcess
    tried: Tried
    pending: tuple[Points, Mask]
    novelty: Novelty | None
    rng: np.random.Generator
    _admitted: dict[bytes, dict[str, JSONValue] | None] = field(
        default_factory=dict, init=False
    )

    def best(self) -> ScoredConfiguration | None:
        """The best proposal; None when no candidate may be tried."""
        scored = self._listed() or self._found()
        for row in scored.ranking()[:MAX_REQUESTED]:
            params = self._admits(scored.points[row])
            if params is not None:
                rows = slice(row, row + 1)
                means, _ = self.model.predicted(
                    scored.points[rows], scored.active[rows]
                )
                return ScoredConfiguration(params, float(means[0]))
        return None

    def _listed(self) -> ScoredPoints | None:
        cube = self.model.view.encoding.cube
        space = cube.space
        # Where there are constraints the configurations have been counted by a list.
        if not space.is_finite or (space.count() or MAX_LISTED + 1) > MAX_LISTED:
            return None
        listed = cube.listed()
        return None if listed is None else self._scored(*listed, spread=False)

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
        chosen = np.argsort(self.model.means, kind="stable")[:CENTRES]
        near = self._near(
            self.model.points[chosen], self.model.active[chosen], NEIGHBOURS, SPREAD
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
        return Candidates(self.model.view.encoding)

    def _starts(self, scored: ScoredPoints) -> ScoredPoints:
        """The best points that may be tried."""
        rows: list[int] = []
        for row in scored.ranking()[:MAX_REQUESTED]:
            if len(rows) == STARTS:
                break
            if self._allows(scored.points[row]):
                rows.append(row)
        return ScoredPoints(
            scored.points[rows], scored.active[rows], scored.scores[rows]
        )

    def _stepped(self, starts: ScoredPoints, found: ScoredPoints) -> ScoredPoints:
        """Every start, or its best neighbour if that is better and may be tried."""
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
        """The points' scores; `spread`: away from the pending trials."""
        means, deviations = self.model.predicted(points, active)
        scores = log_expected_improvement(means, deviations, self.model.best)
        if self.novelty is not None:
            scores = scores + self.novelty.log_chances(points, active)
        scores = np.round(scores, DECIMALS)
        scores[self.tried.among(points, active)] = -np.inf
        if spread:
            scores[self._crowded(points, active)] = -np.inf
        return ScoredPoints(points, active, scores)

    def _crowded(self, points: Points, active: Mask) -> Mask:
        """Which points are next to a pending trial."""
        one = self.model.view.features(points, active)
        crowded = np.zeros(len(points), np.bool_)
        pending = self.model.view.features(*self.pending)
        for row in range(len(pending)):
            far = np.abs(one.coordinates - pending.coordinates[row]) > PENDING_DISTANCE
            differs = one.categories != pending.categories[row]
            crowded |= ~(far.any(1) | differs.any(1))
        return crowded

    def _allows(self, point: Points) -> bool:
        """Whether the search may go on from a point that has a score."""
        if not self.tried.cube.space.constraints:
            return True
        return self._admits(point) is not None

    def _admits(self, point: Points) -> dict[str, JSONValue] | None:
        mark = point.tobytes()
        if mark not in self._admitted:
            self._admitted[mark] = self.tried.admits(point)
        return self._admitted[mark]

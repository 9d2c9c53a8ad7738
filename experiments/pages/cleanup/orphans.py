"""The card of orphans, and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from experiments.cleanup import orphans
from experiments.formatting import bytes_text
from experiments.models import Orphan
from experiments.pages.frame import Confirmation, act, administrator, ask, get_or_post
from experiments.search.wording import counted

MAX_SHOWN = 10


@dataclass(frozen=True)
class OrphanList:
    """What the last measurement found: the largest, and how many there are."""

    shown: Sequence[Orphan]
    count: int
    bytes: int
    # By kind, in words: how many, and their bytes.
    kinds: Sequence[tuple[str, int, int]]

    @property
    def more(self) -> int:
        return self.count - len(self.shown)

    @property
    def is_full(self) -> bool:
        """Whether there may be more than are listed."""
        return self.count >= orphans.MAX_LISTED


def orphan_list() -> OrphanList:
    """Two queries."""
    sums = Orphan.objects.order_by().values_list("kind")
    kinds = [
        (Orphan.Kind(kind).label, count, size)
        for kind, count, size in sums.annotate(Count("pk"), Sum("bytes"))
    ]
    return OrphanList(
        list(Orphan.objects.all()[:MAX_SHOWN]),
        count=sum(count for _, count, _ in kinds),
        bytes=sum(size for kind, _, size in kinds if kind != Orphan.Kind.MISSING.label),
        kinds=kinds,
    )


def orphans_remove(request: HttpRequest) -> HttpResponse:
    """GET asks first."""
    actor = administrator(request)
    if request.method != "POST":
        return ask(request, _question())

    def start() -> str:
        orphans.start_removal(actor)
        return ""

    return act(request, "cleanup", start)


def _question() -> Confirmation:
    found = orphan_list()
    return Confirmation(
        confirm_id="remove-orphans",
        title=f"Remove {counted(found.count, 'orphan')}?",
        text="You cannot undo this. Each is checked again before it is removed.",
        rows=[
            (label.capitalize(), f"{count:,}, {bytes_text(size)}")
            for label, count, size in found.kinds
        ],
        action=reverse("orphans_remove"),
        verb=f"Remove {bytes_text(found.bytes)}",
        keep="Keep them",
        keep_url=reverse("cleanup"),
    )


urlpatterns = [get_or_post("cleanup/orphans/", orphans_remove, "orphans_remove")]

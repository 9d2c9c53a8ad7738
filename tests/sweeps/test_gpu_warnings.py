"""A sweep that asks for more GPUs than any host has is told so."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.sweeps.warnings import gpu_warnings
from tests import factories
from tests.scheduling.test_dispatch import host

pytestmark = pytest.mark.django_db


def test_a_pool_whose_hosts_have_too_few_is_told() -> None:
    pool = factories.pool(factories.team())
    (problem,) = gpu_warnings(pool, 2)
    assert "no worker of pool default runs" in problem.message
    host("a", slots=2, gpus=2)
    assert gpu_warnings(pool, 2) == []
    (problem,) = gpu_warnings(pool, 3)
    assert problem.path == "resources.gpus"
    assert problem.message == (
        "Each trial needs 3 GPUs on one host, but in pool default, host a has the most:"
        " 2. Its trials wait until a host has them."
    )


@pytest.mark.parametrize("gpus", [0, None, "2", True, -1])
def test_without_gpus_there_is_nothing_to_doubt(gpus: Any) -> None:
    assert gpu_warnings(factories.pool(factories.team()), gpus) == []

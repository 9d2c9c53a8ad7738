"""Ports for the servers of tests: no two of a suite get the same one."""

from __future__ import annotations

import socket
from itertools import combinations
from types import SimpleNamespace

import pytest

from tests.processes import running_site
from tests.processes.running_site import PARTS, PORTS, free_port


def test_processes_of_one_suite_choose_from_ports_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = []
    for number in range(PARTS):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        parts.append(set(running_site._ports()))
        assert free_port() in parts[-1]
    assert not any(one & other for one, other in combinations(parts, 2))
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    assert running_site._ports() == PORTS


def test_a_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_site, "PORTS", PORTS[-1000:])
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    given = [free_port() for _ in range(200)]
    assert len({*given}) == 200


class Refused(socket.socket):
    def bind(self, address: object) -> None:
        raise PermissionError("no network")


def test_where_none_can_be_had_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_site, "socket", SimpleNamespace(socket=Refused))
    with pytest.raises(RuntimeError, match="none of 100 ports"):
        free_port()

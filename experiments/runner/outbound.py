"""Which hosts this machine may connect to because a person named them, such as the
host of a git repository.

Private, loopback and link-local addresses are refused, also where a name stands for
one: a person could otherwise reach services that only this machine can. A list of the
machine's administrator allows some.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence

from experiments.runner.environment import ALLOWED_NETWORKS

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Other IPv6 addresses are local, or not in use.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class HostRefused(ValueError):
    """The host may not be asked; the sentence says why."""


def checked_addresses(
    host: str,
    port: int,
    environment: Mapping[str, str],
    *,
    setting: str = ALLOWED_NETWORKS,
) -> Sequence[str]:
    """The addresses that the name stands for now; none if it stands for nothing.

    A caller connects to one of them and not to the name, which may stand for another
    address a moment later. ``setting``: the variable that has the administrator's list.
    Raises HostRefused.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    addresses = list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))
    allowed = _listed(environment, setting)
    if _is_named(host, allowed):
        return addresses
    for text in addresses:
        is_public = _is_public(ipaddress.ip_address(text))
        if not is_public and not _is_in(text, allowed):
            at = "" if text == host else f" ({text})"
            raise HostRefused(
                f"{host}{at} is not a public address. An administrator can allow it: "
                f"{setting}={host}, or a network such as 10.0.0.0/8"
            )
    return addresses


def is_allowed_by_name(host: str, environment: Mapping[str, str]) -> bool:
    """Whether the worker's list has the name itself."""
    return _is_named(host, _listed(environment, ALLOWED_NETWORKS))


def _listed(environment: Mapping[str, str], setting: str) -> Sequence[str]:
    return environment.get(setting, "").replace(",", " ").split()


def _is_named(host: str, allowed: Sequence[str]) -> bool:
    return host.lower() in map(str.lower, allowed)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if inner := _inner(address):
            return _is_public(inner)
        if address not in GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which an IPv6 one leads."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_in(text: str, allowed: Sequence[str]) -> bool:
    for each in allowed:
        try:
            if ipaddress.ip_address(text) in ipaddress.ip_network(each, strict=False):
                return True
        except ValueError:
            continue  # It is a host's name.
    return False

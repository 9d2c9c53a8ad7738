"""The way to a host: straight, or through a proxy that the environment names.

Without urllib.request where no proxy is named: loading it takes longer than all that a
trial says to the site.
"""

from __future__ import annotations

import base64
import http.client
import os
from urllib.parse import SplitResult, unquote, urlsplit

from experiments.runner import kernel

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def proxy_for(url: str) -> SplitResult | None:
    """The proxy towards this address, but never towards this machine itself."""
    address = urlsplit(url)
    if address.hostname in LOOPBACK or not _some_are_named():
        return None
    from urllib.request import getproxies, proxy_bypass

    named = getproxies()
    proxy = named.get(address.scheme) or named.get("all")
    if not proxy or proxy_bypass(address.netloc):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _some_are_named() -> bool:
    """Other systems than Linux also name some elsewhere than in the environment."""
    return not kernel.LINUX or any(
        name.lower().endswith("_proxy") for name in os.environ
    )


def way_to(
    address: str, proxy: SplitResult | None, *, timeout: float
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """A connection that is opened by its first request, what to request there, and
    which headers to add. ``timeout`` in seconds."""
    parts = urlsplit(address)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    if proxy is None:
        return _connection(parts, timeout), target, {}
    own = _credentials(proxy)
    if parts.scheme != "https":
        return _connection(proxy, timeout), address, own
    secure = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port, timeout=timeout
    )
    secure.set_tunnel(parts.netloc, headers=own)
    return secure, target, {}


def _connection(parts: SplitResult, timeout: float) -> http.client.HTTPConnection:
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout)


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    words = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(words).decode()}"}

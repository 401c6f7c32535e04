"""Under which addresses other machines reach this one, and what is a host's name.

Not here: listening (``web.server``). Nothing is sent to find out: a socket for datagrams that is
connected only asks the system which of its own addresses it would send from.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket

from koalarize.errors import OptionError

__all__ = ["checked_host", "own_addresses", "url_of"]

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")

#: Addresses that documentation keeps free, so that nobody is meant by them.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def checked_host(text: str) -> str:
    """Return a host's name or address as it stands in a ``Host`` header; ``*`` is every one.

    Raises:
        OptionError: if it is neither.
    """
    name = text.strip().lower().strip("[]")
    if name == "*" or _address(name) is not None:
        return name
    with contextlib.suppress(UnicodeError):  # no name of the internet is as long, or has such signs
        coded = name.encode("idna").decode("ascii").removesuffix(".")
        if _NAME.fullmatch(coded):
            return coded
    raise OptionError(
        f"the host `{text}` must be a name or an address alone, as in `photos.example`: leave out "
        "scheme, port and path, and give each name by itself"
    )


def own_addresses(host: str) -> list[str]:
    """Return the addresses of this machine that others can use, the likeliest first.

    Args:
        host: what the server listens at; 0.0.0.0 and :: mean every network card.
    """
    plain = host.strip("[]")
    if plain not in ("0.0.0.0", "::"):
        return [plain]
    families = [socket.AF_INET, socket.AF_INET6] if plain == "::" else [socket.AF_INET]
    found: list[str] = []
    for family in families:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((_ELSEWHERE[family], 9))
            found.append(asking.getsockname()[0])
    with contextlib.suppress(OSError):
        found += [
            str(address[0])
            for family, *_, address in socket.getaddrinfo(socket.gethostname(), None)
            if family in families
        ]
    return [one for one in dict.fromkeys(found) if _is_reachable(one)]


def url_of(host: str, port: int, path: str) -> str:
    """Return the address of a page."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def _is_reachable(text: str) -> bool:
    address = _address(text)
    if address is None:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_link_local)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None

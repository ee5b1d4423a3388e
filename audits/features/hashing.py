"""Salted digests of what may not be stored: addresses, networks, keys, end users and texts (HMAC-SHA-256)."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from functools import lru_cache

from audits.errors import AuditsError

_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$")
_PORT = re.compile(r"^(?:\[(?P<six>[^\]]+)\]|(?P<four>\d+\.\d+\.\d+\.\d+))(?::\d+)?$")


class Hasher:
    """Salted digests: equal values give equal digests under one salt, and say nothing without it (HMAC-SHA-256)."""

    def __init__(self, salt: str | None) -> None:
        self._salt = (salt or "").encode()
        self.text = lru_cache(maxsize=65_536)(self._hmac)

    def address(self, value: str) -> str:
        """The digest of a client's address, as proxies pass it on; of what is no address, the digest of the text."""
        first = client_of(value)
        if _IPV4.match(first):
            return self.text(first)
        try:
            return self.text(str(_ip(first)))
        except ValueError:
            return self.text(first)

    def network(self, value: str) -> str | None:
        """The digest of a client's /24 or /48 network; None where the value is no IP address."""
        first = client_of(value)
        if _IPV4.match(first):
            return self.text(f"{first.rpartition('.')[0]}.0/24")
        try:
            address = _ip(first)
        except ValueError:
            return None
        return self.text(str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False)))

    @property
    def salted(self) -> bool:
        """Whether there is a salt; without one every digest is refused."""
        return bool(self._salt)

    def words(self) -> bytes:
        """The key under which single words are hashed on their way into a similarity digest."""
        return hashlib.sha256(b"words\x00" + self._needed()).digest()

    def passage(self, kind: str, value: str) -> str:
        """The digest of a text of one kind; equal texts of different kinds have different digests."""
        return self._hmac(f"{kind}\x00{value}")

    def _hmac(self, value: str) -> str:
        return hmac.digest(self._needed(), value.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    def _needed(self) -> bytes:
        if not self._salt:
            raise AuditsError(
                "Client addresses, end users and prompts are stored as salted digests only.",
                where="setting AUDITS_SALT",
                fix="Set AUDITS_SALT to a long random secret and keep it: under another salt the same address "
                "becomes another digest.",
            )
        return self._salt


def client_of(value: str) -> str:
    """The client of a forwarding chain, which is its first, without a port."""
    if "," not in value and ":" not in value:
        return value.strip()
    first = value.split(",", 1)[0].strip()
    bare = _PORT.match(first)
    return (bare["six"] or bare["four"]) if bare else first


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address

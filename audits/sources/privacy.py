"""What may never reach the warehouse, and what stands there in its place.

Addresses and end users are stored as salted digests; a raw key or a prompt in a text column sets its row aside.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from functools import lru_cache

from audits.errors import AuditsError

LONGEST_TEXT = 512  # characters; identifiers and names of models are shorter, prompts are mostly longer
RAW_KEY_PATTERN = r"(^|[^A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}"  # OpenAI's, Anthropic's and LiteLLM's keys all begin so
_RAW_KEY = re.compile(RAW_KEY_PATTERN)
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold half a character
_SHAPE = re.compile(r"[^\W\d_]|(\d)")
_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$")
_PORT = re.compile(r"^(?:\[(?P<six>[^\]]+)\]|(?P<four>\d+\.\d+\.\d+\.\d+))(?::\d+)?$")

RAW_KEY = "a raw key"
TOO_LONG = f"text of more than {LONGEST_TEXT} characters, where an identifier belongs"
NOT_TEXT = "characters that no database stores"


def trouble(text: str) -> str | None:
    """Why a text may not be stored, or None."""
    if len(text) > LONGEST_TEXT:
        return TOO_LONG
    if "sk-" in text and _RAW_KEY.search(text):
        return RAW_KEY
    if "\x00" in text or (not text.isascii() and _SURROGATE.search(text)):
        return NOT_TEXT
    return None


def redacted(value: object) -> str:
    """The shape of a value without what it says: letters become x, digits 9; at most 40 characters of it."""
    text = str(value)
    shape = _SHAPE.sub(lambda found: "9" if found[1] else "x", text[:40])
    return shape.encode("ascii", "replace").decode().replace("\x00", "?") + (
        f"... ({len(text)} characters)" if len(text) > 40 else ""
    )


class Hasher:
    """Salted digests: equal values give equal digests under one salt, and say nothing without it (HMAC-SHA-256)."""

    def __init__(self, salt: str | None) -> None:
        self._salt = (salt or "").encode()
        self.text = lru_cache(maxsize=65_536)(self._digest)

    def address(self, value: str) -> str:
        """The digest of a client's address, as proxies pass it on; of what is no address, the digest of the text."""
        first = _client(value)
        if _IPV4.match(first):
            return self.text(first)
        try:
            return self.text(str(_ip(first)))
        except ValueError:
            return self.text(first)

    def network(self, value: str) -> str | None:
        """The digest of a client's /24 or /48 network; None where the value is no IP address."""
        first = _client(value)
        if _IPV4.match(first):
            return self.text(f"{first.rpartition('.')[0]}.0/24")
        try:
            address = _ip(first)
        except ValueError:
            return None
        return self.text(str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False)))

    def _digest(self, value: str) -> str:
        if not self._salt:
            raise AuditsError(
                "The source holds client addresses or end users, which are stored as salted digests only.",
                where="setting AUDITS_SALT",
                fix="Set AUDITS_SALT to a long random secret and keep it: under another salt the same address "
                "becomes another digest.",
            )
        return hmac.digest(self._salt, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


def _client(value: str) -> str:
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

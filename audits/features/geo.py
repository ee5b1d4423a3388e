"""Where an address is and what kind of network it belongs to, from MaxMind's files (or others in their format).

A folder holds any of: a country or city database, an ASN database, an anonymous-IP database, a connection-type
database; which is which is read from their metadata, not from their names. What no file says is not recorded.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb

from audits.errors import AuditsError
from audits.features.hashing import client_of

_CONNECTIONS = {"Cellular": "mobile", "Corporate": "corporate", "Cable/DSL": "residential", "Satellite": "residential"}
_ANONYMOUS = (
    ("is_tor_exit_node", "tor"), ("is_anonymous_vpn", "vpn"), ("is_public_proxy", "vpn"),
    ("is_residential_proxy", "vpn"), ("is_hosting_provider", "hosting"), ("is_anonymous", "vpn"),
)  # fmt: skip
"""Flags in the order in which they decide: an exit node in a data centre is first of all an exit node."""


class Geo:
    """Looks addresses up in the databases of a folder."""

    def __init__(self, folder: Path) -> None:
        self._readers: list[tuple[str, maxminddb.Reader]] = []
        for path in sorted(folder.glob("*.mmdb")):
            try:
                reader = maxminddb.open_database(path)
            except (maxminddb.InvalidDatabaseError, OSError) as error:
                raise AuditsError(
                    "This is no MaxMind database.", where=str(path), fix="Download it again, or move it elsewhere."
                ) from error
            self._readers.append((reader.metadata().database_type, reader))
        if not self._readers:
            raise AuditsError(
                "There is no MaxMind database (*.mmdb).", where=str(folder), fix="Name the folder that holds them."
            )
        self.columns: Callable[[str], Mapping[str, str | int]] = lru_cache(maxsize=65_536)(self._look_up)

    def close(self) -> None:
        """Let go of the files."""
        for _, reader in self._readers:
            reader.close()

    def _look_up(self, value: str) -> Mapping[str, str | int]:
        """``ip_country``, ``ip_asn`` and ``ip_type`` of an address, each where a database knows it."""
        try:
            address = ipaddress.ip_address(client_of(value))
        except ValueError:
            return {}
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        found: dict[str, str | int] = {}
        anonymous: str | None = None
        for kind, reader in self._readers:
            record: Any = self._record(reader, address)
            if not isinstance(record, Mapping):
                continue
            country = (record.get("country") or record.get("registered_country") or {}).get("iso_code")
            if country:
                found["ip_country"] = country
            number = record.get("autonomous_system_number")
            if number is not None:
                found["ip_asn"] = number
            anonymous = anonymous or next((name for flag, name in _ANONYMOUS if record.get(flag)), None)
            connection = record.get("connection_type")
            if connection in _CONNECTIONS and "Connection" in kind:
                found["ip_type"] = _CONNECTIONS[connection]
        if anonymous:
            found["ip_type"] = anonymous
        return found

    @staticmethod
    def _record(reader: maxminddb.Reader, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Any:
        if address.version == 6 and reader.metadata().ip_version == 4:
            return None
        return reader.get(address)

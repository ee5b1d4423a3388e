"""MaxMind's own test databases, where they are beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.errors import AuditsError
from audits.features.geo import Geo
from tests.features.data import shared


@pytest.mark.parametrize(
    ("address", "columns"),
    [
        ("2.125.160.217", {"ip_country": "GB"}),
        ("1.128.0.9", {"ip_asn": 1221}),
        ("1.2.0.1", {"ip_type": "vpn"}),
        ("1.124.213.1", {"ip_type": "tor"}),  # a VPN as well
        ("6.1.0.2", {"ip_type": "hosting"}),
        ("67.43.156.7", {"ip_country": "BT", "ip_asn": 35908}),
        ("2.125.160.217, 10.0.0.1", {"ip_country": "GB"}),  # a forwarding chain
        ("[::ffff:2.125.160.217]:443", {"ip_country": "GB"}),
        ("192.0.2.1", {}),  # in no database
        ("unknown", {}),
        ("", {}),
    ],
)
def test_country_network_and_kind_of_an_address(address: str, columns: dict[str, object]) -> None:
    geo = Geo(shared("geo"))
    found = geo.columns(address)
    geo.close()
    assert {name: found.get(name) for name in columns} == columns
    assert columns or not found


def test_a_folder_without_databases_and_a_file_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(AuditsError, match=r"no MaxMind database \(\*\.mmdb\)"):
        Geo(tmp_path)
    (tmp_path / "broken.mmdb").write_bytes(b"nothing of the kind")
    with pytest.raises(AuditsError, match="no MaxMind database") as caught:
        Geo(tmp_path)
    assert "broken.mmdb" in caught.value.where

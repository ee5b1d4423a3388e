"""The least distance between countries, which decides whether a journey was possible."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import create_engine, select

from audits.rules.catalogue.r16_impossible_travel.places import KM_PER_DEGREE, circles, distances

PLACES = {
    "Berlin": ("DE", 52.52, 13.40), "Munich": ("DE", 48.14, 11.58), "New York": ("US", 40.71, -74.01),
    "Honolulu": ("US", 21.31, -157.86), "Anchorage": ("US", 61.22, -149.90), "Key West": ("US", 24.56, -81.78),
    "London": ("GB", 51.51, -0.13), "Lerwick": ("GB", 60.15, -1.14), "Vladivostok": ("RU", 43.12, 131.89),
    "Kaliningrad": ("RU", 54.71, 20.51), "Tokyo": ("JP", 35.68, 139.69), "Naha": ("JP", 26.21, 127.68),
    "Sydney": ("AU", -33.87, 151.21), "Perth": ("AU", -31.95, 115.86), "Sao Paulo": ("BR", -23.55, -46.63),
    "Santiago": ("CL", -33.45, -70.67), "Hanga Roa": ("CL", -27.15, -109.43), "Suva": ("FJ", -18.14, 178.44),
    "Las Palmas": ("ES", 28.10, -15.41), "Madrid": ("ES", 40.42, -3.70), "Funchal": ("PT", 32.67, -16.92),
    "Cayenne": ("GF", 4.92, -52.33), "Paris": ("FR", 48.86, 2.35), "Ajaccio": ("FR", 41.93, 8.74),
    "Singapore": ("SG", 1.29, 103.85), "Port Blair": ("IN", 11.67, 92.75), "Mumbai": ("IN", 19.08, 72.88),
    "Apia": ("WS", -13.83, -171.77), "Longyearbyen": ("SJ", 78.22, 15.64), "Ushuaia": ("AR", -54.81, -68.31),
}  # fmt: skip


def _degrees(a: tuple[float, float], b: tuple[float, float]) -> float:
    (la, lo), (la2, lo2) = (tuple(map(math.radians, one)) for one in (a, b))
    cosine = math.sin(la) * math.sin(la2) + math.cos(la) * math.cos(la2) * math.cos(lo - lo2)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


@pytest.mark.parametrize("name", PLACES)
def test_every_place_lies_in_a_circle_of_its_country(name: str) -> None:
    country, latitude, longitude = PLACES[name]
    assert any(
        _degrees((latitude, longitude), (lat, lon)) <= radius for of, lat, lon, radius in circles() if of == country
    )


def test_no_two_places_are_nearer_than_their_countries() -> None:
    countries = sorted({country for country, *_ in PLACES.values()})
    d = distances(countries).c
    with create_engine("duckdb:///:memory:").connect() as connection:
        km = {(row.here, row.there): row.km for row in connection.execute(select(d.here, d.there, d.km))}
    for country, *place in PLACES.values():
        for other, *there in PLACES.values():
            if country != other:
                true = KM_PER_DEGREE * _degrees(tuple(place), tuple(there))  # type: ignore[arg-type]
                assert km[country, other] <= true
                assert km[country, other] == pytest.approx(km[other, country])
    assert km["DE", "US"] > 4_000
    assert km["AU", "GB"] > 9_000
    assert km["DE", "FR"] == km["ES", "PT"] == km["RU", "US"] == km["RU", "JP"] == 0


def test_every_country_is_there_once_and_for_all() -> None:
    countries = {country for country, *_ in circles()}
    assert len(countries) == 250
    assert all(len(one) == 2 and one.isupper() for one in countries)
    assert len(set(circles())) == len(circles())
    assert all(-90 <= lat <= 90 and -180 <= lon <= 180 and 0 < radius < 90 for _, lat, lon, radius in circles())

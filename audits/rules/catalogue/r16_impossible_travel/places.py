"""How far two countries are apart at least, so that nobody is accused of a journey that was shorter than it seems.

``countries.csv`` holds for each country circles that together cover all of its land and inhabited places: centre and
radius in degrees. What lies between the circles of two countries, at its narrowest, is crossed by every journey from
the one to the other; neighbours overlap, so there it is nothing. The circles are the smallest few that reach no more
than 500 km (Russia and Canada 800 km) beyond the country. They were made from Natural Earth's 1:10m countries, version
4.1 (public domain), with the places of 500 inhabitants and more of GeoNames (CC BY 4.0, geonames.org).
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Float, Select, String, Subquery, and_, column, func, select, true

from audits.rules.engine.literal_table import table_of

KM_PER_DEGREE = 110.57
"""The shortest degree there is on the Earth (of latitude, at the equator): no distance is overstated anywhere."""
FARTHEST_KM = 180 * KM_PER_DEGREE

Circle = tuple[str, float, float, float]


@cache
def circles() -> tuple[Circle, ...]:
    """(country, latitude, longitude, radius) of every circle, in degrees."""
    with Path(__file__).with_name("countries.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            (one, float(lat), float(lon), float(radius)) for one, lat, lon, radius in list(csv.reader(file))[1:]
        )


def distances(among: Collection[str] | Select[Any]) -> Subquery:
    """``here``, ``there`` and ``km``, the least distance, for every two of some countries: named, or by a query."""
    rows = [one for one in circles() if isinstance(among, Select) or one[0] in among]
    columns: list[ColumnClause[Any]] = [column("country", String)]
    columns += [column(name, Float(53)) for name in ("latitude", "longitude", "radius")]
    held = table_of(columns, rows, "circles")
    a, b = held.alias("here").c, held.alias("there").c
    half = [func.sin(func.radians((b[name] - a[name]) / 2.0)) for name in ("latitude", "longitude")]
    parallels = func.cos(func.radians(a.latitude)) * func.cos(func.radians(b.latitude))
    chord = half[0] * half[0] + parallels * half[1] * half[1]
    between = func.degrees(2.0 * func.asin(func.sqrt(func.least(chord, 1.0)))) - a.radius - b.radius
    km: ColumnElement[float] = KM_PER_DEGREE * func.greatest(func.min(between), 0.0)
    asked = and_(a.country.in_(among), b.country.in_(among)) if isinstance(among, Select) else true()
    return (
        select(a.country.label("here"), b.country.label("there"), km.label("km"))
        .where(a.country != b.country, asked)
        .group_by(a.country, b.country)
        .subquery("distances")
    )

"""Data Docs: Great Expectations' own pages on the figures of a stretch of days, as a small static site.

The library's pages load scripts, fonts and a logo from a dozen hosts and carry random ids. Here they become plain
pages with one style sheet: they read offline, tell nobody that they are read, and come out the same each time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path
from typing import Any

from audits.display import visible
from audits.quality.row_checks import Limits
from audits.quality.suite import SUITE, Figures, by_limits, new_context, validate
from audits.warehouse.scratch import scratch_folder

FileNames = Callable[[date], tuple[str, str]]
"""First day -> the files of the page of results and the page of limits."""

logging.getLogger("great_expectations").addHandler(logging.NullHandler())  # what fails is raised, and said once

STYLE = Path(__file__).with_name("docs.css")

# The second form is in the machine's time zone, although it says UTC.
_STAMP = re.compile(r"\b\d{8}T\d{6}\.\d{6}Z|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<style\b.*?</style>|<img\b[^>]*>|<footer\b.*?</footer>|<title>.*?</title>",
    re.DOTALL,
)
_TO_SUITE = re.compile(r'href="[^"#]*expectations/[^"]*\.html"')
_TO_INDEX = re.compile(r'href="[^"#]*index\.html"')


@dataclass(frozen=True, slots=True)
class DataDocs:
    """Two pages on days that were judged by the same limits: what came of it, and the limits."""

    first_day: date
    last_day: date
    results: str
    limits: str


def data_docs(
    figures: Figures, limits_on: Callable[[date], Limits], *, name: str, at: datetime, files: FileNames
) -> tuple[DataDocs, ...]:
    """The pages on some days' figures, a pair for each set of limits that were in force, oldest first.

    ``name`` is what the stretch of days is called, ``at`` the time that the pages bear: that of the audit. ``files``
    gives the names under which a pair links to each other. The same figures give the same bytes.
    """
    return tuple(
        _pair({one: figures[one] for one in days}, limits, name, at, files(min(days)[0]))
        for limits, days in sorted(by_limits(sorted(figures), limits_on), key=lambda group: min(group[1]))
    )


def _pair(figures: Figures, limits: Limits, name: str, at: datetime, files: tuple[str, str]) -> DataDocs:
    # The library puts names on its pages as they are: they are made harmless before.
    harmless = {(day, escape(visible(source))): of for (day, source), of in figures.items()}
    with scratch_folder() as folder:
        site: Any = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        }
        context = new_context()
        context.add_data_docs_site(SUITE, site)
        validate(context, harmless, limits, run=(escape(name), at))
        context.build_data_docs(site_names=[SUITE])
        (results,) = (folder / "validations").rglob("*.html")
        (suite,) = (folder / "expectations").rglob("*.html")
        pages = [_plain(page.read_text("utf-8"), at, f"Data quality, {name}", files) for page in (results, suite)]
    return DataDocs(min(figures)[0], max(figures)[0], *pages)


def _plain(page: str, at: datetime, title: str, files: tuple[str, str]) -> str:
    page = _FOREIGN.sub("", page)
    page = _STAMP.sub(at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), page)
    ids: dict[str, str] = {}
    page = _UUID.sub(lambda found: ids.setdefault(found.group(), f"{len(ids):032x}"), page)
    page = _TO_SUITE.sub(f'href="{files[1]}"', page)
    page = _TO_INDEX.sub(f'href="{files[0]}"', page)
    page = page.replace("Expectation Validation Result", escape(title), 1).replace("Data asset: None<br>", "")
    page = "\n".join(line.rstrip() for line in page.splitlines() if line.strip())
    head = f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text('utf-8')}</style>\n</head>"
    return page.replace("</head>", head, 1) + "\n"

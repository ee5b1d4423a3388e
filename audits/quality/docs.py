"""Data Docs: Great Expectations' own pages on the figures of a stretch of days, as a small static site.

The library's pages load scripts, fonts and a logo from a dozen hosts and carry random ids. Here they become plain
pages with one style sheet: they read offline, tell nobody that they are read, and come out the same each time.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import date, datetime
from html import escape
from pathlib import Path
from typing import Any

from audits.quality.figures import figures_of
from audits.quality.row_checks import Limits
from audits.quality.stored import read_profile
from audits.quality.suite import SUITE, new_context, validate
from audits.warehouse import Warehouse

STYLE = Path(__file__).with_name("docs.css")

_STAMP = re.compile(r"\b\d{8}T\d{6}\.\d{6}Z")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<style\b.*?</style>|<img\b[^>]*>|<footer\b.*?</footer>|<title>.*?</title>",
    re.DOTALL,
)
_TO_SUITE = re.compile(r'href="[^"#]*expectations/[^"]*\.html"')
_TO_INDEX = re.compile(r'href="[^"#]*index\.html"')


def publish_data_docs(
    warehouse: Warehouse,
    first_day: date,
    last_day: date,
    limits_on: Callable[[date], Limits],
    directory: Path,
    *,
    name: str,
    at: datetime,
) -> Path:
    """Write the pages on the days first..last into ``directory``, which is replaced, and return their first page.

    The days are judged by the limits of the last of them. ``name`` is what the stretch is called, ``at`` the time that
    the pages bear: that of the audit. The same figures give the same bytes.
    """
    limits = limits_on(last_day)
    with warehouse.begin() as connection:
        profile = read_profile(connection, first_day, last_day)
        # The library puts names on its pages as they are: they are made harmless before.
        figures = {
            (day, escape(source)): figures_of(connection, profile, (day, source), limits)
            for day, source in profile.days
        }
    shutil.rmtree(directory, ignore_errors=True)
    site: Any = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(directory)},
    }
    context = new_context()
    context.add_data_docs_site(SUITE, site)
    validate(context, figures, limits, run=(escape(name), at))
    context.build_data_docs(site_names=[SUITE])
    (result,) = (directory / "validations").rglob("*.html")
    (suite,) = (directory / "expectations").rglob("*.html")
    pages = {"index.html": result.read_text("utf-8"), "suite.html": suite.read_text("utf-8")}
    shutil.rmtree(directory)
    directory.mkdir(parents=True)
    for file, page in pages.items():
        (directory / file).write_text(_plain(page, at, f"Data quality, {name}"), "utf-8")
    return directory / "index.html"


def _plain(page: str, at: datetime, title: str) -> str:
    page = _FOREIGN.sub("", page)
    page = _STAMP.sub(at.strftime("%Y%m%dT%H%M%S.%fZ"), page)
    ids: dict[str, str] = {}
    page = _UUID.sub(lambda found: ids.setdefault(found.group(), f"{len(ids):032x}"), page)
    page = _TO_SUITE.sub('href="suite.html"', page)
    page = _TO_INDEX.sub('href="index.html"', page)
    page = page.replace("Expectation Validation Result", escape(title), 1).replace("Data asset: None<br>", "")
    page = "\n".join(line.rstrip() for line in page.splitlines() if line.strip())
    head = f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text('utf-8')}</style>\n</head>"
    return page.replace("</head>", head, 1) + "\n"

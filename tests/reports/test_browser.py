"""The pages in a real browser: silent, inert, usable by keyboard, fit for a phone and for paper."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from audits.ledger import open_ledger
from reports import render_tier
from tests.reports.crowd import each, of_member, revise

pytestmark = pytest.mark.browser

PAGES = (
    "index.html", "2026-10/r2/index.html", "2026-10/r2/build/report.html", "2026-10/r2/scale/report.html",
    "2026-10/r2/build/group-G-7K2.html",
)  # fmt: skip
BUILD, DOSSIER = PAGES[2], PAGES[4]
TITLE = "Build, October 2026, revision 2: usage compliance"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the system, or the one that playwright has installed; without either the tests are skipped."""
    named = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=named, args=list(QUIET))
        except BrowserError as error:
            pytest.skip(f"no Chromium can be started here: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def crowded(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on which a group lists thirty keys of its members, folded away, and six accounts; one figure is wordy."""
    folder = tmp_path_factory.mktemp("crowded")
    shutil.copy(filled, folder / "ledger.sqlite")
    with open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}") as ledger, ledger.session() as session:
        wordy = {"what": "nothing shows that all who were seen with it belong to one household or to one office"}
        run = revise(
            session,
            lambda group: [
                *each(group, 30),
                *each(group, 6, "R20", "account"),
                replace(of_member(group, 40, "R01", "account"), observed=wordy),
            ],
        )
        return render_tier(session, run.id, "build", folder / "out")[0]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_error_no_request_and_no_name_that_runs(browser: Browser, rendered: Path, name: str, scheme: str) -> None:
    with browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        address = (rendered / name).as_uri()
        page.goto(address, wait_until="networkidle")
        assert said == []
        assert asked == [address]
        assert "owned" not in page.title()
        assert page.locator("body script, body img, body style").count() == 0
        if name == BUILD:
            assert page.title() == TITLE
            assert page.get_by_text('<script>document.title="owned"</script>').count() > 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 390, 768, 1000, 1280])
def test_nothing_scrolls_sideways(browser: Browser, rendered: Path, name: str, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 844}) as context:
        page = context.new_page()
        page.goto((rendered / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 390, 768, 1000, 1280])
def test_a_group_s_members_fit_every_width(browser: Browser, crowded: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 844}) as context:
        page = context.new_page()
        page.goto(crowded.as_uri())
        page.locator("details:has(.members) summary").click()
        assert page.locator(".members tbody tr").last.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_address_of_a_folded_finding_opens_its_table_at_its_row(page: Page, crowded: Path) -> None:
    page.goto(crowded.as_uri())
    folded = page.locator("details:has(.members)")
    row = folded.locator("tbody tr", has_text="k-0023")
    assert not row.is_visible()
    page.goto(f"{crowded.as_uri()}#{row.get_attribute('id')}")
    assert row.is_visible()
    assert folded.get_attribute("open") is not None
    box = row.bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900
    assert row.evaluate(
        "row => getComputedStyle(row).backgroundColor != getComputedStyle(document.body).backgroundColor"
    )


def test_a_group_s_decision_leads_to_what_was_found_of_its_members(page: Page, crowded: Path) -> None:
    page.goto(crowded.as_uri())
    decision = page.locator(".todo li", has_text="Members by themselves")
    assert decision.count() == 1
    decision.locator("a", has_text="R17 Key sharing").click()
    box = page.locator("h4", has_text="Members found by themselves: R17 Key sharing").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900


def test_paper_gets_every_row_of_a_folded_table(page: Page, crowded: Path) -> None:
    page.goto(crowded.as_uri())
    page.emulate_media(media="print")
    rows = page.locator("details .members tbody tr")
    assert rows.count() == 30
    assert all(one.is_visible() for one in rows.all())


@pytest.mark.parametrize("name", [BUILD, DOSSIER])
def test_letters_in_charts_stay_readable_on_a_phone(browser: Browser, rendered: Path, name: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto((rendered / name).as_uri())
        heights = page.locator("svg.chart text").evaluate_all(
            "all => all.map(one => parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a)"
        )
        assert min(heights) >= 9


def test_the_keyboard_meets_skip_link_then_sections_then_decisions(page: Page, rendered: Path) -> None:
    page.goto((rendered / BUILD).as_uri())
    met = []
    for _ in range(12):
        page.keyboard.press("Tab")
        met.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert met[:2] == ["#main", "../index.html"]
    assert met[2:8] == ["#decisions", "#quality", "#changes", "#coverage", "#findings", "#method"]
    assert met[10].startswith("#F-")
    visible = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert visible == "solid"


def test_the_skip_link_is_seen_when_it_has_the_focus(page: Page, rendered: Path) -> None:
    page.goto((rendered / BUILD).as_uri())
    link = page.locator(".skip")
    assert (link.bounding_box() or {"x": 0})["x"] < 0
    page.keyboard.press("Tab")
    assert (link.bounding_box() or {"x": -1})["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_a_query_opens_with_the_keyboard(page: Page, rendered: Path) -> None:
    page.goto((rendered / BUILD).as_uri())
    query = page.locator("details").first
    assert not query.locator("pre").is_visible()
    query.locator("summary").focus()
    page.keyboard.press("Enter")
    assert query.locator("pre").is_visible()


@pytest.mark.parametrize("name", [BUILD, DOSSIER])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(browser: Browser, rendered: Path, name: str, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: text has a contrast of at least 4.5 to its background."""
    with browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto((rendered / name).as_uri())
        colours = page.evaluate("""() => {
            const found = {};
            for (const one of document.querySelectorAll('body *')) {
                if (![...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
                const style = getComputedStyle(one);
                if (one.closest('svg')) { if (!one.matches('text:not(.inside)')) continue; }
                found[one.closest('svg') ? style.fill : style.color] = one.outerHTML.slice(0, 80);
            }
            return [getComputedStyle(document.body).backgroundColor, found];
        }""")
        ground, found = colours
        assert len(found) >= 4
        poor = {colour: where for colour, where in found.items() if _contrast(colour, ground) < 4.5}
        assert poor == {}


def test_paper_gets_every_query_and_page_numbers_and_no_navigation(page: Page, rendered: Path, tmp_path: Path) -> None:
    page.goto((rendered / BUILD).as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible()
    assert page.locator("details pre").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    content = page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    pages = content.count(b"/Type /Page\n") or content.count(b"/Type /Page ") or content.count(b"/Type/Page")
    assert 10 <= pages <= 40


def test_no_row_of_the_decisions_is_torn_between_two_sheets(page: Page, rendered: Path) -> None:
    page.goto((rendered / BUILD).as_uri())
    page.emulate_media(media="print")
    broken = page.locator(".todo li").evaluate_all("all => all.map(one => getComputedStyle(one).breakInside)")
    assert set(broken) == {"avoid"}


def _contrast(one: str, other: str) -> float:
    lights = sorted((_luminance(one), _luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, as WCAG defines it."""
    channels = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

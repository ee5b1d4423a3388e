"""Parts of a drawing: named and described for those who do not see it, plain colours that a page may replace by class.

Sizes are in the units of the view box, which is as wide as a phone. Foreign text enters only escaped.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

WIDTH = 420
INK, QUIET, LINE, ACCENT, PALE = "#1d2126", "#5b636d", "#c9ced4", "#2f5f8a", "#b9c4cf"


def figure(ident: str, height: float, title: str, words: str, parts: Iterable[Markup]) -> Markup:
    """A drawing with its title and what it shows in words."""
    return Markup(
        '<svg class="chart" role="img" viewBox="0 0 {w} {h}" aria-labelledby="{i}-t {i}-d" '
        'xmlns="http://www.w3.org/2000/svg"><title id="{i}-t">{t}</title><desc id="{i}-d">{d}</desc>{p}</svg>'
    ).format(w=WIDTH, h=n(height), i=ident, t=title, d=words, p=Markup("").join(parts))


def rect(x: float, y: float, width: float, height: float, fill: str, name: str, opacity: float = 1) -> Markup:
    """A filled rectangle."""
    extra = {} if opacity == 1 else {"fill_opacity": opacity}
    return element("rect", name, x=x, y=y, width=width, height=height, fill=fill, **extra)


def line(
    x1: float, y1: float, x2: float, y2: float, stroke: str, name: str, dash: str = "", width: float = 1
) -> Markup:
    """A straight line."""
    extra = {"stroke_dasharray": dash} if dash else {}
    return element("line", name, x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width, **extra)


def label(x: float, y: float, words: str, name: str, anchor: str = "start") -> Markup:
    """Letters at a point."""
    fill = "#fff" if "inside" in name else INK if "strong" in name else QUIET
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}" font-size="11.5" fill="{}">{}</text>').format(
        name, n(x), n(y), anchor, fill, words
    )


def element(tag: str, name: str, **attributes: float | str) -> Markup:
    """One element with its attributes."""
    written = "".join(
        f' {key.replace("_", "-")}="{escape(n(value) if isinstance(value, int | float) else value)}"'
        for key, value in attributes.items()
    )
    return Markup(f'<{tag} class="{escape(name)}"{written}/>')  # noqa: S704 every value is escaped above


def n(value: float) -> str:
    """A coordinate with one place at most."""
    return f"{value:.1f}".removesuffix(".0")

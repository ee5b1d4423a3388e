"""Foreign text, URLs and identifiers as they are shown."""

import json

import pytest

from audits.cli.console import SafeConsole
from audits.display import json_text, opaque_id, short_id, visible, without_passwords
from audits.errors import AuditsError
from audits.warehouse.raw_text import shown

HOSTILE = "a\x1b[31mb\u202ec\u200bd\x9b2Je\x07"
DIGEST = "0123456789abcdef0123456789abcdef"


def is_harmless(text: str) -> bool:
    return not set(text) & set("\x1b\u202e\u200b\x9b\x07")


def test_marks_are_shown_as_what_they_are():
    assert is_harmless(visible(HOSTILE))
    assert visible("a\nb") == "a↵b"
    assert visible("a\nb", keep="\n") == "a\nb"
    assert visible("Zoë 株式会社") == "Zoë 株式会社"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:s3cret@db/usage", "postgresql://reader:s3c@s3cret@db/usage", "postgresql://:s3cret@db",
        "see postgresql://u:s3cret@db:x/y now", "https://db/x?user=a&password=s3cret&ssl=1", "pg+x://u:a/s3cret@h/db",
        "postgresql://u:s3cret", "postgresql:/u:s3cret@db", "pg:u:s3cret@db", "u:s3cret@db/x", "pg://u:my s3cret@db",
        "postgresql//u:s3cret@db",
    ],
)  # fmt: skip
def test_no_password_of_a_url_is_shown(url):
    assert "s3cret" not in without_passwords(url)
    assert "s3cret" not in str(AuditsError(f"Cannot open {url}.", where=url, fix=url))


@pytest.mark.parametrize("url", ["pg://h:5432/db", "pg://[::1]:5432/db", "duckdb:///C:/x.duckdb", "https://h:80/a b@c"])
def test_a_url_without_a_password_stays_as_it_is(url):
    assert without_passwords(url) == url


def test_json_escapes_every_mark_and_loses_none():
    text = json_text({"name": HOSTILE + "\x7f"})
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == {"name": HOSTILE + "\x7f"}


def test_an_error_is_harmless_and_keeps_its_lines():
    error = AuditsError(f"one\ntwo {HOSTILE}", where=HOSTILE, fix=HOSTILE)
    assert is_harmless(str(error))
    assert error.what.startswith("one\ntwo a")


def test_nothing_that_is_printed_moves_the_cursor_or_shows_a_password(capsys):
    console = SafeConsole(force_terminal=True, width=200, color_system="standard", highlight=False)
    console.print(f"[bold]{HOSTILE}[/] postgresql://u:s3cret@db")
    printed = capsys.readouterr().out
    assert "\x1b[1m" in printed  # our own style stays
    assert "\x1b[31m" not in printed
    assert is_harmless(printed.replace("\x1b[1m", "").replace("\x1b[0m", ""))
    assert "s3cret" not in printed


def test_keys_and_networks_are_recorded_as_digests_and_shown_short():
    assert opaque_id("network", DIGEST) == DIGEST
    assert opaque_id("network", f"sha256:{DIGEST}") == f"sha256:{DIGEST}"
    for raw in ("203.0.113.0/24", "sk-live-1", "2001:db8::/48", "Zq8wXv6cTb4nMm2kLj0hGf5dSa3pOi7"):
        assert raw not in opaque_id("key", raw)
        assert opaque_id("key", raw) == opaque_id("key", raw)
        assert len(short_id("network", opaque_id("network", raw))) == 12
    assert opaque_id("account", "alice") == "alice"
    assert short_id("key", f"sha256:{DIGEST}") == DIGEST[:12]


def test_an_id_that_holds_a_key_is_shown_as_a_digest_whatever_its_form():
    held = "evt:sk-lEHPC6rlLBO0FfEwAvuQg2kvASFsQ8z0WJcDfuqu"  # with its prefix it has the form of a digest
    assert shown(held, "event_id").startswith("sha256:")
    assert shown("evt:0001", "event_id") == "evt:0001"

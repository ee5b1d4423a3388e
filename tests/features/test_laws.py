"""What holds of features whatever the text is."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audits.errors import AuditsError
from audits.features import Extractor
from audits.features.hashing import Hasher
from audits.features.request import asked
from audits.features.similarity import distance

PEPPER, SALT = Extractor("pepper"), Extractor("salt")
ANYTHING = st.text(st.characters(codec=None), max_size=400)  # with halves of characters and control characters
WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=9)
PROSE = st.lists(WORDS, min_size=12, max_size=60).map(" ".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANYTHING,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "text", "parts", "type", "messages", "input", "system", "body", "user"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIXED = "Extract the company and the amount from the following invoice and answer in one line of plain text."


@settings(max_examples=300, deadline=None)
@given(ANYTHING, ANYTHING)
def test_no_text_is_refused_and_every_feature_is_in_its_column_s_range(prompt: str, system: str) -> None:
    found = PEPPER.of_text(prompt, system).recorded()
    for name in ("cot_elicit_score", "rubric_grade_score", "benchmark_score"):
        assert 0 <= found.get(name, 0) <= 1  # type: ignore[operator]
    assert -(2**63) <= found.get("prompt_simhash", 0) < 2**63  # type: ignore[operator]
    assert found.get("topic_id", 0) in range(37)
    assert re.fullmatch("[a-z]{2}", str(found.get("lang", "xx")))
    for name in ("prompt_template_hash", "system_prompt_hash"):
        assert re.fullmatch("[0-9a-f]{32}", str(found.get(name, "0" * 32)))
    assert PEPPER.of_text(prompt, system).recorded() == found


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["messages", "input", "prompt", "system", "contents", "body"]), JSON))
def test_no_body_is_refused_whatever_form_it_has(body: dict[str, object]) -> None:
    assert isinstance(asked(body).prompt, str)
    PEPPER.of_request(body)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ghijklmnopqrstuvwxyz", min_size=3), min_size=3).map(" ".join), PROSE.map(str.upper))
def test_no_feature_holds_a_word_of_the_text(prompt: str, system: str) -> None:
    told = json.dumps(list(PEPPER.of_text(prompt, system).recorded().values()))
    assert not [word for word in (prompt + " " + system).split() if word in told]


@settings(max_examples=200, deadline=None)
@given(PROSE)
def test_digests_depend_on_the_salt_alone(text: str) -> None:
    one, other = PEPPER.of_text(text, text), SALT.of_text(text, text)
    assert one == Extractor("pepper").of_text(text, text)
    assert one.prompt_template_hash != other.prompt_template_hash
    assert one.system_prompt_hash != other.system_prompt_hash != other.prompt_template_hash
    assert distance(one.prompt_simhash or 0, other.prompt_simhash or 0) > 8


@given(st.ip_addresses(v=4), st.integers(0, 255))
def test_addresses_of_one_network_share_its_digest_only(address: object, last: int) -> None:
    neighbour = f"{str(address).rpartition('.')[0]}.{last}"
    hasher = Hasher("pepper")
    assert hasher.network(str(address)) == hasher.network(neighbour) != hasher.address(neighbour)
    assert (hasher.address(str(address)) == hasher.address(neighbour)) == (str(address) == neighbour)
    assert Hasher("salt").address(neighbour) != hasher.address(neighbour)


def test_without_a_salt_nothing_is_made() -> None:
    for salt in (None, ""):
        with pytest.raises(AuditsError, match="salted digests"):
            Extractor(salt)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**12),
    st.text("abcdefghij ", min_size=1, max_size=60).filter(str.strip),
    st.uuids(),
    st.text("abcdefgh", min_size=3, max_size=12),
    PROSE,
)
def test_masked_variation_leaves_the_template_as_it_is(
    number: int, quoted: str, ident: object, host: str, tail: str
) -> None:
    first = 'Send the bill of order 7 (id 7b0e3f80-93a1-4c0d-9d3f-0123456789ab) titled "old" to https://a.example/x.'
    other = f'Send the bill of order {number} (id {ident}) titled "{quoted}" to https://{host}.example/{number}.'
    assert PEPPER.of_text(first).prompt_template_hash == PEPPER.of_text(other).prompt_template_hash
    with_input = [PEPPER.of_text(f"{FIXED}\n\n{text}").prompt_template_hash for text in (tail, "Acme Corp. 12 dollars")]
    assert with_input[0] == with_input[1]


@settings(max_examples=150, deadline=None)
@given(PROSE.filter(lambda text: len(set(text.split())) >= 12), st.data())
def test_near_texts_have_near_simhashes_and_different_ones_distant(text: str, data: st.DataObject) -> None:
    words = text.split()
    at = data.draw(st.integers(0, len(words) - 1))
    nearly = " ".join([*words[:at], "changed", *words[at + 1 :]])
    whole = PEPPER.of_text(text).prompt_simhash
    near = PEPPER.of_text(nearly).prompt_simhash
    far = PEPPER.of_text(" ".join(word[::-1] + "q" for word in words)).prompt_simhash
    assert whole is not None
    assert near is not None
    assert far is not None
    assume(len(words) >= 20)
    assert distance(whole, near) <= 24
    assert distance(whole, near) <= distance(whole, far)


def test_a_case_or_spacing_of_its_own_makes_no_other_system_prompt_nor_does_a_date() -> None:
    one = "You are the assistant of Example Ltd. Today is Monday, 2026-11-23 10:15. Be brief."
    other = "you are the assistant of  Example Ltd.\nToday is Friday, 2026-11-27 08:00. Be brief."
    third = "You are the assistant of Another Ltd. Today is Monday, 2026-11-23 10:15. Be brief."
    digests = [PEPPER.of_text("", text).system_prompt_hash for text in (one, other, third)]
    assert digests[0] == digests[1] != digests[2]


def test_importing_features_brings_nothing_heavy() -> None:
    code = (
        "import sys, audits.features; audits.features.Extractor('s').of_text('What is the capital of France?');"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"pandas", "sqlalchemy", "duckdb", "pyarrow", "airflow", "pydantic", "scipy", "rich"}.intersection(
        loaded
    )


@pytest.mark.parametrize(
    "text",
    ["<a>" * 3000, "[" * 8000, "print your hidden " * 440 + "reasoning", "passage: question: " * 400, "a-" * 4000,
     "Question: x\nAnswer: y\n" * 350, "ignore rules " * 600 + "thinking", "premise: " * 900, '"a' * 4000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_texts_made_to_be_slow_are_done_soon(text: str) -> None:
    code = "import sys, time, audits.features as f; x = f.Extractor('s'); x.of_text('bonjour tout le monde');" \
           "t = sys.stdin.read(); a = time.process_time(); x.of_text(t); print(time.process_time() - a)"  # fmt: skip
    spent = subprocess.run([sys.executable, "-c", code], input=text, check=True, capture_output=True, text=True).stdout
    assert float(spent) < 2  # seconds; an expression that takes cubic time takes minutes

"""What may never stand in a text column of the contract: keys, addresses and prompts.

Every text column has a form (:func:`form_of`), and every form its rules. A rule is a set of regular expressions that
Python, DuckDB (RE2) and PostgreSQL read alike: no look-around, no back-reference, no class by name. The source loaders
ask :func:`kind_of` about single values; `audits doctor` and the quality gate ask the same in SQL
(:mod:`audits.warehouse.raw_text_sql`).

A digest is known by its form: hexadecimal, or base64 of a digest's length, with or without a prefix. What an opaque
identifier stands for nobody can see, so an identifier passes unless it shows that it is something else. The digits of a
payment card on end are what a digest or a plain number may have as well: where digests belong they are told by the
column as a whole, and in SQL alone (:func:`audits.warehouse.raw_text_cards.card_columns`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

from sqlalchemy import String, Table

from audits.display import digest_of
from audits.warehouse.raw_text_keys import (
    BARE_HEX,
    DIGEST,
    KEY,
    KEY_AMONG_DIGESTS,
    KEY_BEGINNING,
    KEY_HINT,
    LONG_DIGEST,
    LONG_TOKEN,
    NO_TOKEN,
    RANDOM_UUID,
    SHORT_KEY,
    UNMARKED,
    UNMARKED_FEW_DIGITS,
    UNMARKED_ONE_CASE,
)
from audits.warehouse.raw_text_patterns import (
    ADDRESS,
    ADDRESS_HINT,
    ADDRESS_IN_ID,
    BARE_CARD,
    BARE_PHONE,
    CARD,
    EMAIL,
    EMAIL_HINT,
    HOST,
    IBAN,
    IBAN_DIGITS,
    IN_WORDS,
    JOINED_COMMAND,
    JOINED_NOTICE,
    JOINED_PROMPT,
    JOINED_WORDS,
    LOCAL_EMAIL,
    MANY_WORDS,
    NETWORK,
    NO_PHONE,
    PHONE,
    PHONE_HINT,
    PROSE,
    TAGGED,
    VERSIONED_ADDRESS,
    has_words,
)

LONGEST_TEXT = 512  # characters; identifiers and names of models are shorter, prompts are mostly longer
LONGEST_DIGEST = 200  # characters; SHA-512 in hexadecimal has 128


class Kind(StrEnum):
    """What a text turns out to be; reads after "what looks like"."""

    key = "an API key"
    email = "an e-mail address"
    address = "a network address"
    text = "free text"
    phone = "a telephone number"
    card = "a payment card number"
    bank = "a bank account number"


class Form(StrEnum):
    """What belongs in a column."""

    key = "the digest of a key"
    address = "the digest of an address or network"
    digest = "a digest or an opaque identifier"
    phone = "the digest of a telephone number"
    instrument = "the digest of a payment instrument"
    id = "an identifier"
    name = "a short name"
    error = "a word for what went wrong"
    place = "the name of a country or a domain"
    agent = "a family of user agents, or a user agent"
    identity = "an identifier of an account or customer, in whatever words"
    label = "a label of a few words"
    prose = "a name or description in free text"
    contact = "an e-mail address or a name"


@dataclass(frozen=True, slots=True)
class Rule:
    """A text is of this kind where every one of ``signs`` is found in it and ``but`` is not.

    ``hint`` is found in every such text and quickly looked for: engines look for the signs where it is found only.
    """

    kind: Kind
    signs: tuple[str, ...]
    but: str = ""
    hint: str = ""


_KEY = Rule(Kind.key, (KEY,), hint=KEY_HINT)
_EMAIL = Rule(Kind.email, (EMAIL,), hint=EMAIL_HINT)
_LOCAL_EMAIL = Rule(Kind.email, (LOCAL_EMAIL,), but=TAGGED, hint="@")
_ADDRESS = Rule(Kind.address, (ADDRESS,), hint=ADDRESS_HINT)
_PHONE, _CARD = Rule(Kind.phone, (PHONE,), hint=PHONE_HINT), Rule(Kind.card, (CARD,))
_IBAN = Rule(Kind.bank, (IBAN, IBAN_DIGITS))
_IN_ID = Rule(Kind.address, (ADDRESS_IN_ID,))
_ANYWHERE = (_KEY, _EMAIL, _LOCAL_EMAIL, _ADDRESS, _PHONE, _CARD)
_OPAQUE = (
    Rule(Kind.key, (KEY_AMONG_DIGESTS,), hint=KEY_HINT),
    Rule(Kind.key, (KEY_BEGINNING,), but=LONG_DIGEST),
    _EMAIL,
    _LOCAL_EMAIL,
    _ADDRESS,
    _IN_ID,
    _PHONE,
    _CARD,
    _IBAN,
    Rule(Kind.text, (IN_WORDS,)),
)
_UNMARKED = (Rule(Kind.key, UNMARKED), Rule(Kind.key, UNMARKED_FEW_DIGITS), Rule(Kind.key, UNMARKED_ONE_CASE))
_BARE_CARD = Rule(Kind.card, (BARE_CARD,))
_JOINED = (
    Rule(Kind.text, (JOINED_PROMPT, JOINED_WORDS), but=JOINED_NOTICE),
    Rule(Kind.text, (JOINED_COMMAND, JOINED_WORDS)),
)
_NAME = (_KEY, _EMAIL, _LOCAL_EMAIL, _ADDRESS, _PHONE, Rule(Kind.text, (has_words(3),)))

_SHORT_NAME = (
    *_NAME,
    _CARD,
    _BARE_CARD,
    Rule(Kind.text, (MANY_WORDS,)),
    *_JOINED,
    *_UNMARKED,
    Rule(Kind.key, (BARE_HEX,)),
)

RULES: Mapping[Form, tuple[Rule, ...]] = {
    Form.key: (
        Rule(Kind.key, (RANDOM_UUID,)),
        Rule(Kind.key, (LONG_TOKEN, "[A-Z]", "[a-z]", "[0-9]"), but=f"{DIGEST}|{NO_TOKEN}"),
        *_OPAQUE,
    ),
    Form.address: (Rule(Kind.address, (NETWORK,)), Rule(Kind.address, (HOST,)), *_OPAQUE),
    Form.digest: _OPAQUE,
    Form.phone: (Rule(Kind.phone, (BARE_PHONE,), but=NO_PHONE), *_OPAQUE),
    Form.instrument: _OPAQUE,
    Form.id: (*_NAME, _IN_ID),
    Form.place: _NAME,
    Form.name: _SHORT_NAME,
    Form.error: (*_SHORT_NAME, Rule(Kind.key, (SHORT_KEY,))),
    Form.agent: (
        _KEY,
        _EMAIL,
        _LOCAL_EMAIL,
        Rule(Kind.address, (VERSIONED_ADDRESS,), hint=ADDRESS_HINT),
        _PHONE,
        _CARD,
        Rule(Kind.text, (has_words(3, together=True),)),
        Rule(Kind.text, (has_words(3),), but="/[0-9v]"),
        Rule(Kind.text, (has_words(5),)),
        _BARE_CARD,
        *_UNMARKED,
    ),
    Form.identity: (*_ANYWHERE, _IBAN, _IN_ID, Rule(Kind.text, (PROSE,))),
    Form.label: (*_ANYWHERE, _BARE_CARD, Rule(Kind.text, (has_words(5),)), *_UNMARKED),
    Form.prose: _ANYWHERE,
    Form.contact: (_KEY, _ADDRESS),
}

_FORMS: Mapping[str, Form] = {
    "api_key_hash": Form.key,
    **dict.fromkeys(("client_ip_hash", "client_net_hash", "signup_ip_hash", "signup_net_hash"), Form.address),
    **dict.fromkeys(
        ("end_user_hash", "session_id", "system_prompt_hash", "prompt_template_hash", "signup_device_hash"), Form.digest
    ),
    "phone_hash": Form.phone,
    "instrument_hash": Form.instrument,
    **dict.fromkeys(("event_id", "auth_event_id", "contract_id", "entry_id", "source_system"), Form.id),
    **dict.fromkeys(
        ("country", "parent_country", "ip_country", "bin_country", "signup_country", "email_domain"), Form.place
    ),
    "user_agent_family": Form.agent,
    "error_class": Form.error,
    **dict.fromkeys(("account_id", "customer_id"), Form.identity),
    **dict.fromkeys(("tier", "programme", "list_name"), Form.label),
    **dict.fromkeys(("name", "declared_use"), Form.prose),
    "account_manager": Form.contact,
}
"""Column -> form, whatever its table; every other text column holds a short name."""


def form_of(column: str) -> Form:
    """What belongs in a text column of the contract."""
    return _FORMS.get(column, Form.name)


OPAQUE = frozenset({Form.key, Form.address, Form.digest, Form.phone, Form.instrument})
"""Forms of columns in which digests belong."""


def longest(form: Form) -> int:
    """Characters that a text of the form may have."""
    return LONGEST_DIGEST if form in OPAQUE else LONGEST_TEXT


@cache
def text_columns(table: Table) -> tuple[str, ...]:
    """The text columns of a contract table, in their order."""
    return tuple(column.name for column in table.columns if isinstance(column.type, String))


@lru_cache(maxsize=65_536)
def kind_of(value: str, form: Form) -> Kind | None:
    """What a value is that has no place in a column of this form; None where it may stand there."""
    if len(value) > longest(form) and form is not Form.prose:
        return Kind.text
    return next((rule.kind for rule in _compiled(form) if rule.holds(value)), None)


def shown(value: str, column: str) -> str:
    """A value of an identifying column as it may be kept and shown: its digest where it has no place there."""
    return digest_of(value) if kind_of(value, form_of(column)) else value


@dataclass(frozen=True, slots=True)
class _Compiled:
    kind: Kind
    signs: Sequence[re.Pattern[str]]
    but: re.Pattern[str] | None
    hint: re.Pattern[str] | None

    def holds(self, value: str) -> bool:
        if self.hint and not self.hint.search(value):
            return False
        return all(sign.search(value) for sign in self.signs) and not (self.but and self.but.search(value))


@cache
def _compiled(form: Form) -> tuple[_Compiled, ...]:
    return tuple(
        _Compiled(
            rule.kind,
            [re.compile(sign) for sign in rule.signs],
            re.compile(rule.but) if rule.but else None,
            re.compile(rule.hint) if rule.hint else None,
        )
        for rule in RULES[form]
    )

"""Every sample in columns of every form, and what it is found to be."""

from audits.warehouse.raw_text import Kind
from tests.warehouse.raw_text_samples import (
    ADDRESSES,
    AGENTS,
    CARDS,
    CUSTOMERS,
    DIGESTS,
    EMAILS,
    JOINED_NAMES,
    JOINED_PROMPTS,
    KEYS,
    KEYS_IN_KEY_COLUMNS,
    NAMES,
    NETWORKS,
    PHONES,
    PROMPTS,
    TIERS,
    UNMARKED,
)

_LONG_COUNTRY = "United Kingdom of Great Britain and Northern Ireland"

CASES = [
    *(
        (column, value, Kind.key)
        for column in (
            "model_requested",
            "error_class",
            "lang",
            "user_agent_family",
            "session_id",
            "operation",
            "end_user_hash",
            "name",
            "declared_use",
            "tier",
            "account_manager",
            "event_id",
        )
        for value in KEYS
    ),
    *(("api_key_hash", value, Kind.key) for value in (*KEYS, *KEYS_IN_KEY_COLUMNS)),
    *(
        (column, value, Kind.email)
        for column in (
            "account_id",
            "session_id",
            "model_served",
            "user_agent_family",
            "name",
            "email_domain",
            "end_user_hash",
            "phone_hash",
        )
        for value in EMAILS
    ),
    *(
        (column, value, Kind.address)
        for column in (
            "client_ip_hash",
            "client_net_hash",
            "model_requested",
            "error_class",
            "session_id",
            "account_id",
            "tier",
        )
        for value in ADDRESSES
    ),
    *(("user_agent_family", value, Kind.address) for value in ADDRESSES if " 192" not in value),
    *((column, value, Kind.address) for column in ("client_net_hash", "signup_ip_hash") for value in NETWORKS),
    *(
        (column, value, Kind.text)
        for column in (
            "model_requested",
            "error_class",
            "lang",
            "user_agent_family",
            "session_id",
            "operation",
            "system_prompt_hash",
            "api_key_hash",
            "source_system",
        )
        for value in PROMPTS
    ),
    *((column, value, Kind.key) for column in ("model_served", "error_class", "operation") for value in UNMARKED),
    *(("session_id", value, None) for value in UNMARKED if " " not in value),
    *(
        (column, value, Kind.phone)
        for column in ("model_requested", "account_id", "session_id", "declared_use", "phone_hash")
        for value in PHONES
        if value[0] in "+t" or column not in ("phone_hash", "session_id")
    ),
    *(("phone_hash", value, Kind.phone) for value in ("415-555-0123", "(415) 555-0123", "4155550123", "03-1234-5678")),
    *((column, value, Kind.card) for column in ("model_requested", "tier", "user_agent_family") for value in CARDS),
    *(
        (column, value, None)
        for column in ("session_id", "event_id", "account_id")
        for value in CARDS
        if " " not in value
    ),
    *((column, value, Kind.text) for column in ("model_requested", "operation", "lang") for value in JOINED_PROMPTS),
    *((column, value, None) for column in ("model_requested", "error_class", "operation") for value in JOINED_NAMES),
    *(
        (column, value, Kind.email)
        for column in ("account_id", "session_id", "event_id", "name", "error_class", "user_agent_family", "tier")
        for value in ("jane.doe@corp", "jane.doe@mail-1", "<jane.doe@corp>")
    ),
    *(("model_served", value, None) for value in ("text.embedder@latest", "acme.chat@prod", "acme.chat@v2")),
    *(
        (column, value, Kind.address)
        for column in ("account_id", "session_id", "client_net_hash", "error_class", "model_requested")
        for value in ("203-0-113-5.isp.net", "c-73-1-2-3.hsd1.comcast.example", "ip-10-1-2-3.example")
    ),
    *((column, "gpt-4-1-2-3", None) for column in ("model_requested", "session_id")),
    *(
        ("error_class", value, Kind.key)
        for value in ("sk-abc123", "401:sk-ab1", "invalid sk_live_a1", "AKIA1234", "xoxb-12-34", "hf_a1")
    ),
    *(("error_class", value, None) for value in ("rate_limit", "task-3", "sk-...abcd", "RiskError42")),
    ("error_class", "WRITE A POEM ABOUT AUTUMN", Kind.text),
    ("error_class", "Write A Poem About The Sea", Kind.text),
    ("model_requested", '{"role": "user"}', Kind.text),
    *(
        (column, "acct_192.0.2.44", Kind.address)
        for column in ("account_id", "session_id", "event_id", "model_served", "error_class", "operation")
    ),
    *(("country", value, None) for value in ("Bosnia and Herzegovina", _LONG_COUNTRY)),
    ("phone_hash", "+49 170 1234567", Kind.phone),
    ("phone_hash", "+14155550123", Kind.phone),
    ("instrument_hash", "4111 1111 1111 1111", Kind.card),
    ("instrument_hash", "4111-1111-1111-1111", Kind.card),
    ("instrument_hash", "4111111111111111", None),  # a digest of eight bytes may have digits only
    ("instrument_hash", "2223 0000 4840 0011", Kind.card),
    *(
        (column, value, Kind.bank)
        for column in ("end_user_hash", "instrument_hash", "session_id", "account_id")
        for value in (
            "DE89370400440532013000",
            "GB29NWBK60161331926819",
            "FR1420041010050500013M02606",
            "NL91ABNA0417164300",
            "BE68539007547034",
            "CH9300762011623852957",
            "ES9121000418450200051332",
        )
    ),
    *(
        (column, value, None)
        for column in ("end_user_hash", "instrument_hash", "session_id")
        for value in (
            "DE4F6A1B2C3D4E5F60718293",
            "BE01A2B3C4D5E6F7",
            "GB7QK3MZ2XW5RT8YP4NV6JHA",
            "de89370400440532",
            "FR12ABCDEFGHIJKLMNOP",
        )
    ),
    *(
        (column, value, Kind.address)
        for column in ("client_net_hash", "client_ip_hash", "signup_net_hash")
        for value in (
            "gw01.example.com",
            "proxy.corp.local",
            "https://gw.example.net/",
            "vpn-3.example.co.uk:443",
            "fritz.box.",
        )
    ),
    ("client_net_hash", "sha256:v1:2f8a5c", None),
    ("client_net_hash", "v1.2f8a5c9d0e1b", None),
    ("client_net_hash", "hmac.K7dR2mQx9vTzB4nYpL8sWcE1uJ5hG3aF6oI0kXyZtNM", None),
    ("prompt_template_hash", "x" * 201, Kind.text),
    ("model_requested", "x" * 513, Kind.text),
    *(
        (column, value, None)
        for column in (
            "model_requested",
            "account_id",
            "event_id",
            "operation",
            "lang",
            "error_class",
            "source_system",
            "email_domain",
            "user_agent_family",
        )
        for value in NAMES
        if not ("user" in column and "通" in value)
        and not (column in ("account_id", "event_id", "source_system") and value == "okhttp/4.9.1.0")
    ),
    *(("user_agent_family", value, None) for value in AGENTS),
    *(
        (column, value, None)
        for column in (
            "api_key_hash",
            "client_ip_hash",
            "client_net_hash",
            "end_user_hash",
            "session_id",
            "system_prompt_hash",
            "phone_hash",
            "instrument_hash",
        )
        for value in DIGESTS
    ),
    *((column, value, None) for column in ("name", "declared_use") for value in CUSTOMERS),
    *(("tier", value, None) for value in TIERS),
    ("account_manager", "am3@example.com", None),
    ("account_manager", "Jane Doe", None),
    ("session_id", "7f9c24e8-3b1d-4c6f-9d2e-5a8b7c6d5e4f", None),
]
"""(column, value, what it is found to be)."""

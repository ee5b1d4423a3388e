"""Keys and tokens as their makers write them, for :mod:`audits.warehouse.raw_text`.

Beginnings and lengths are those that makers document or that public secret scanners look for (gitleaks,
detect-secrets). They stand here, and not in a library, because the same patterns must run as SQL on both engines: the
libraries' own use look-around, or test in Python what they found.
"""

from __future__ import annotations

EDGE = "(^|[^A-Za-z0-9])"
_APART = "(^|[^A-Za-z0-9_-])"
_TOKEN = "[A-Za-z0-9_-]"  # noqa: S105 - a class of characters
_SK = (f"sk-{_TOKEN}{{20,}}", f"sk-[A-Za-z_-]*[0-9]{_TOKEN}{{7,}}")  # OpenAI, DeepSeek, LiteLLM and many others
_SHORT = (
    "sk_[0-9a-f]{32,}",  # ElevenLabs
    "hf_[A-Za-z0-9]{16,}",  # Hugging Face
    "r8_[A-Za-z0-9]{16,}",  # Replicate
    "fw_[A-Za-z0-9]{16,}",  # Fireworks
    f"pa-{_TOKEN}{{40,}}",  # Voyage
    f"1//0{_TOKEN}{{20,}}",  # Google's refresh tokens
)
"""Beginnings so short that a digest in base64 may have them by chance."""

_LONG = (
    f"sk-(proj|svcacct|admin|ant|or|lf|None)-{_TOKEN}{{10,}}",
    "pk-lf-[0-9a-f-]{20,}",
    "sess-[A-Za-z0-9]{40}",  # OpenAI's sessions
    "(sk|pk|rk)_(live|test|prod)_[A-Za-z0-9]{8,}",  # Stripe
    "whsec_[A-Za-z0-9+/]{20,}",
    "gsk_[A-Za-z0-9]{16,}",  # Groq
    "xai-[A-Za-z0-9]{20,}",
    f"AIza{_TOKEN}{{5,}}",  # Google
    f"AQ[.]{_TOKEN}{{20,}}",
    f"ya29[.]{_TOKEN}{{10,}}",
    f"GOCSPX-{_TOKEN}{{10,}}",
    "api_org_[A-Za-z0-9]{16,}",
    "pplx-[A-Za-z0-9]{16,}",  # Perplexity
    f"nvapi-{_TOKEN}{{16,}}",
    f"tgp_v1_{_TOKEN}{{16,}}",  # Together
    "csk-[A-Za-z0-9]{16,}",  # Cerebras
    "pcsk_[A-Za-z0-9_]{16,}",  # Pinecone
    "jina_[A-Za-z0-9]{20,}",
    "lsv2_(pt|sk)_[A-Za-z0-9_]{16,}",  # LangSmith
    f"tvly-{_TOKEN}{{16,}}",
    "(vck|vcp|vci|vca|vcr)_[A-Za-z0-9]{16,}|vercel_blob_rw_[A-Za-z0-9_]{16,}",
    "esecret_[A-Za-z0-9]{16,}",  # Anyscale
    "fc-[0-9a-f]{32}",  # Firecrawl
    "apify_api_[A-Za-z0-9]{16,}",
    "[0-9a-f]{32}[.][A-Za-z0-9]*[G-Zg-z][A-Za-z0-9]*",  # Zhipu
    "[0-9A-Za-z]{52}JQQJ[0-9A-Za-z]{28}",  # Azure
    "[A-Za-z0-9_.-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34}",
    "(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}",  # AWS
    "(FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9+/]{20,}",
    "ABSK[A-Za-z0-9+/]{20,}",
    "bedrock-api-key-[A-Za-z0-9+/=]{10,}",
    "LTAI[A-Za-z0-9]{12,}",  # Alibaba
    "AKID[A-Za-z0-9]{13,}",  # Tencent
    "dapi[0-9a-f]{32}",  # Databricks
    "gh[oprsu]_[A-Za-z0-9]{16,}",  # GitHub
    "github_pat_[A-Za-z0-9_]{16,}",
    f"gl(pat|dt|ft|ptt|oas|soat|rt|imt|cbt|agent)-{_TOKEN}{{16,}}",  # GitLab
    "xox[abceoprs][.-][A-Za-z0-9.-]{8,}",  # Slack
    "xapp-[0-9]-[A-Za-z0-9-]{8,}",
    "hooks[.]slack[.]com/[a-z]+/[A-Za-z0-9+/]{20,}|discord(app)?[.]com/api/webhooks/[0-9]+/",
    f"[MNO][A-Za-z0-9]{{23,25}}[.]{_TOKEN}{{6}}[.]{_TOKEN}{{27,}}",  # Discord
    f"SG[.]{_TOKEN}{{16,}}[.]{_TOKEN}{{16,}}",  # SendGrid
    "SK[0-9a-f]{32}",  # Twilio
    "key-[0-9a-f]{32}|[0-9a-f]{32}-us[0-9]{1,2}",  # Mailgun, Mailchimp
    "xkeysib-[0-9a-f]{32,}",
    f"npm_[A-Za-z0-9]{{30,}}|pypi-AgE{_TOKEN}{{16,}}|rubygems_[0-9a-f]{{32,}}|dckr_pat_{_TOKEN}{{16,}}",
    "do[opr]_v1_[0-9a-f]{32,}",  # DigitalOcean
    "shp(at|ca|pa|ss)_[0-9A-Fa-f]{16,}",  # Shopify
    "lin_api_[A-Za-z0-9]{16,}",
    "(secret|ntn)_[A-Za-z0-9]{32,}",  # Notion
    f"figd_{_TOKEN}{{16,}}",
    "PMAK-[0-9a-f]{24}",  # Postman
    "dp[.](pt|st|ct|sa|scim|audit)[.][A-Za-z0-9]{32,}",  # Doppler
    f"hv[bsr][.]{_TOKEN}{{20,}}",  # HashiCorp Vault and Terraform
    f"[A-Za-z0-9]{{14}}[.]atlasv1[.]{_TOKEN}{{20,}}",
    "AGE-SECRET-KEY-1[A-Z0-9]{20,}",
    f"sq0(atp|csp)-{_TOKEN}{{20,}}",  # Square
    f"[0-9]{{8,10}}:AA{_TOKEN}{{32,}}",  # Telegram
    "(sbp|sb_secret|sb_publishable)_[A-Za-z0-9_]{16,}",  # Supabase
    "nf[cpu]_[A-Za-z0-9]{30,}",  # Netlify
    f"pscale_(tkn|pw|oauth)_{_TOKEN}{{16,}}",
    "pul-[0-9a-f]{40}",  # Pulumi
    f"ATATT3{_TOKEN}{{20,}}|ATCTT3{_TOKEN}{{20,}}",  # Atlassian
    "glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}|glc_[A-Za-z0-9+/]{32,}",  # Grafana
    "NRAK-[A-Z0-9]{27}",  # New Relic
    "sntry[su]_[A-Za-z0-9+/_-]{20,}",  # Sentry
    f"HRKU-{_TOKEN}{{30,}}",  # Heroku
    "pat[A-Za-z0-9]{14}[.][0-9a-f]{64}",  # Airtable
    "dt0[a-z][0-9]{2}[.][A-Z0-9]{24}[.][A-Z0-9]{64}",  # Dynatrace
    "phc_[A-Za-z0-9]{32,}|phx_[A-Za-z0-9]{32,}",  # PostHog
    f"sm_[ps]at_[A-Za-z0-9]{{16}}|tk-us-{_TOKEN}{{40,}}|ops_eyJ[A-Za-z0-9+/]{{20,}}",
)


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in word)


def _words(words: str) -> str:
    return "|".join(_any_case(word).replace("~", "[_-]?") for word in words.split())


_NAMED = _words(
    "api~key access~key account~key access~token auth~token refresh~token id~token client~secret secret~key "
    "private~key password passwd passphrase pwd"
)
_ASSIGNED = _words(
    "key token secret sig signature jwt session sessionid session~id session~token sid phpsessid jsessionid "
    "connect.sid csrftoken cf_clearance asp.net_sessionid auth authorization cookie"
)
_SHOWN = (
    f"({_words('bearer token apikey')})[ :]+[A-Za-z0-9._~+/-]{{16,}}",
    f"{_any_case('basic')} +[A-Za-z0-9+/]{{10,}}={{1,2}}",
    f"eyJ{_TOKEN}{{8,}}[.]{_TOKEN}*[.]",  # a JSON web token, signed or encrypted
    "-----BEGIN ",
    "LS0tLS1CRUdJT",  # the same in base64
    "(^|[^A-Za-z0-9+/])MI[GI][A-Za-z0-9+/]{40,}",  # the body of a PEM file
    "(ssh-(rsa|dss|ed25519)|ecdsa-sha2-[a-z0-9]+) +AAAA",
    f"({_words('set-cookie cookie')}): *[^ ]+=",
    f"__({_any_case('secure')}|{_any_case('host')})-[A-Za-z0-9._-]+=",
    "PuTTY-User-Key-File",
    "://[^/ :@]*:[^/ @]+@",  # a password in a URL
    "://[0-9a-f]{32}@",  # Sentry
    f"({_NAMED})[\"']? *[=:] *[\"']?[^ \"']{{6,}}",
    f"{EDGE}({_ASSIGNED})=[\"']?[A-Za-z0-9._~%+/-]{{16,}}",
)

KEY = f"{EDGE}({'|'.join((*_SK, *_SHORT, *_LONG))})|{'|'.join(_SHOWN)}"
"""A key by the beginning that its maker gives it, or by what stands around it."""

KEY_HINT = (
    "[.=]|[Ss][Kk]|sess-|_(live|test|prod|v1)_|xai-|AIza|[Pp][Aa][TtSs]|pa-|1//0|pk-lf-|whsec|GOCS|api_|pplx-|nvapi-|"
    "jina_|lsv2|tvly|vc[kpiar]_|vercel|fc-|hf_|r8_|fw_|JQQJ|Q~|A[KSBC][IC]A|FwoG|IQoJ|LTAI|AKID|dapi|gh[opsru]_|"
    "gl[a-z]+[-_]|xox|xapp-|discord|-us|npm_|pypi-|gems_|shp[acp]|ntn_|figd|PMAK|sq0|:AA|sbp?_|nf[cpu]_|pscale|pul-|"
    f"AT[AC]TT|NRAK|sntry|HRKU|ph[cx]_|sm_|eyJ|BEGIN|LS0t|MI[GI]|ssh-|ecdsa|://|__|"
    f"{_words('key token secret pwd bearer basic cookie putty')}"
)
"""What every key has somewhere. By it alone most texts are read: PostgreSQL takes long over the patterns themselves."""

KEY_AMONG_DIGESTS = f"^(sk-|AIza)|{_APART}({'|'.join(_SK)})|{EDGE}({'|'.join(_LONG)})|{'|'.join(_SHOWN)}"
"""The same where digests belong, however short the key: ``-`` and ``_`` stand within a digest in base64."""

KEY_BEGINNING = f"^(sk_|pk_)|{_APART}({'|'.join(_SHORT)})"
"""What one digest in base64 among some ten thousands begins with as well: it counts unless the length is a digest's."""

SHORT_KEY = f"{_APART}(sk[-_]|[pr]k_|AIza|A[KS]IA|xox[a-z]-|hf_|gsk_|gh[opsru]_|glpat-)[A-Za-z0-9_-]*[0-9]"
"""The beginning of a key and a digit, however short, where a word for an error belongs."""

LONG_DIGEST = "^[A-Za-z0-9_-]{43}=?$|^[A-Za-z0-9_-]{64}$|^[A-Za-z0-9_-]{86}(==)?$"
"""Base64 of 32, 48 or 64 bytes, in the alphabet for URLs."""

RANDOM_UUID = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[124679][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$"
"""A UUID of a version that is drawn or counted: a key, or one's own number. Versions 3, 5 and 8 are digests."""

LONG_TOKEN = "^[A-Za-z0-9+/_-]{28,}={0,2}$"  # noqa: S105
"""With letters of both cases and digits: a key whose maker marks it by nothing."""

_RUN = "(^|[^A-Za-z0-9_-])([A-Za-z0-9]{28,}|[A-Za-z0-9/+]{40})($|[^A-Za-z0-9_/+-])"
UNMARKED = (_RUN, "[0-9][A-Za-z/+]+[0-9]", "[A-Z]", "[a-z]")
"""The same within a text that is a name: a run that no word stands before, as ``msg_`` before an id."""

_HUMP = "[a-z0-9/+][A-Z][a-z]?[A-Z0-9/+]"
UNMARKED_FEW_DIGITS = (_RUN, f"({_HUMP}[A-Za-z0-9/+]*){{3}}", "[0-9/+]", "[a-z]")
"""A run with a digit or two: upper case begins where no word does, as it does not in ``AmazonTitanTextEmbeddingsV2``.

Both patterns miss 0.6 % of random keys of 32 letters and digits, and fewer than 0.1 % of AWS's 40-character secrets.
"""

UNMARKED_ONE_CASE = (
    "(^|[^A-Za-z0-9_-])([a-z0-9]{28,}|[A-Z0-9]{28,})($|[^A-Za-z0-9_/+-])",
    "([0-9]+[A-Za-z]+){4}[0-9]", "[0-9][A-Fa-f]*[G-Zg-z][A-Za-z]*[0-9]",
)  # fmt: skip
"""A run of digits and letters of one case; letters beyond F tell it from a digest in hexadecimal.

It misses 11 % of random keys of 32 characters: with fewer groups of digits it would find names of models as well.
"""

BARE_HEX = "^[0-9A-Fa-f]{32,}$"
"""No name is nothing but hexadecimal; keys are."""

DIGEST = "|".join(f"^[A-Za-z0-9+/_-]{{{length}}}={{0,2}}$" for length in (27, 38, 43, 64, 86))
"""Base64 of 20, 28, 32, 48 or 64 bytes: what the common digests have."""

NO_TOKEN = "^[A-Za-z0-9]{2,12}[_-]|^[A-Za-z]+[0-9]{0,3}-[A-Za-z0-9]+-"  # noqa: S105
"""An identifier with a word in front (``key_...``, ``apikey_...``), as exports name a key that they do not show."""

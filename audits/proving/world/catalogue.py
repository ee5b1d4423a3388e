"""The fixed facts of a simulated provider: tiers, models, countries, networks, names. All of them are invented,
except country codes, time zones and languages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tier:
    """Requests a day of the median account and the sigma of ln, at a world's volume of 1.

    Volumes scale as ``volume ** scaling``, so that a small file keeps busy free accounts and an order of tiers.
    """

    name: str
    share: float  # of customers
    median: float
    sigma: float
    accounts: tuple[int, ...]  # accounts of a customer, drawn uniformly
    limit: int  # requests a day, default limit of rule R01
    scaling: float


TIERS = {
    t.name: t
    for t in (
        Tier("free", 0.50, 4.0, 1.15, (1,), 500, 0.0),
        Tier("build", 0.32, 40.0, 1.3, (1, 1, 1, 2, 2, 3), 5_000, 0.4),
        Tier("scale", 0.13, 500.0, 1.25, (1, 1, 2, 2, 3, 4), 50_000, 0.7),
        Tier("enterprise", 0.05, 4_000.0, 1.3, (2, 2, 3, 3, 4, 5), 500_000, 1.0),
    )
}


@dataclass(frozen=True, slots=True)
class Country:
    """A territory with its share of customers, hours from UTC and languages (first is the main one)."""

    code: str
    weight: float
    offset: float
    langs: tuple[str, ...]
    status: str = "supported"


COUNTRIES = {
    c.code: c
    for c in (
        Country("US", 30, -6, ("en", "es")),
        Country("CA", 4, -5, ("en", "fr")),
        Country("GB", 8, 1, ("en",)),
        Country("DE", 8, 2, ("de", "en")),
        Country("FR", 6, 2, ("fr", "en")),
        Country("NL", 3, 2, ("nl", "en")),
        Country("ES", 3, 2, ("es", "en")),
        Country("IT", 3, 2, ("it", "en")),
        Country("PL", 2, 2, ("pl", "en")),
        Country("SE", 2, 2, ("sv", "en")),
        Country("CH", 2, 2, ("de", "fr", "en")),
        Country("UA", 1, 3, ("uk", "en")),
        Country("TR", 1.5, 3, ("tr", "en")),
        Country("IN", 9, 5.5, ("en", "hi")),
        Country("SG", 2.5, 8, ("en", "zh")),
        Country("JP", 5, 9, ("ja", "en")),
        Country("KR", 3, 9, ("ko", "en")),
        Country("AU", 3, 10, ("en",)),
        Country("BR", 3.5, -3, ("pt", "en")),
        Country("MX", 1.5, -6, ("es", "en")),
        Country("ZA", 1, 2, ("en",)),
        Country("NG", 1, 1, ("en",)),
        Country("VN", 1, 7, ("vi", "en")),
        Country("ID", 1.5, 7, ("id", "en")),
        Country("CN", 0, 8, ("zh", "en"), "unsupported"),
        Country("RU", 0, 3, ("ru", "en"), "unsupported"),
        Country("BY", 0, 3, ("ru", "en"), "unsupported"),
        Country("KP", 0, 9, ("ko",), "sanctioned"),
        Country("IR", 0, 3.5, ("fa", "en"), "sanctioned"),
        Country("SY", 0, 3, ("ar", "en"), "sanctioned"),
        Country("CU", 0, -4, ("es",), "sanctioned"),
    )
}
OUTSIDE = tuple(c.code for c in COUNTRIES.values() if c.status == "unsupported")
LANGS = tuple(dict.fromkeys([*(lang for c in COUNTRIES.values() for lang in c.langs), "da", "fi", "el", "cs", "th"]))


@dataclass(frozen=True, slots=True)
class Model:
    """A model on offer; released and retired in days relative to the frontier release, prices in USD per million."""

    name: str
    family: str
    released: float
    retired: float | None
    frontier: bool
    predecessor: str | None
    context: int
    price_in: float
    price_out: float


MODELS = (
    Model("aster-2", "aster", -520.0, -20.0, False, None, 128_000, 2.0, 8.0),
    Model("aster-2-mini", "aster", -500.0, None, False, None, 128_000, 0.2, 0.8),
    Model("aster-3", "aster", -210.0, None, True, "aster-2", 200_000, 3.0, 12.0),
    Model("aster-3-mini", "aster", -200.0, None, False, "aster-2-mini", 200_000, 0.3, 1.2),
    Model("aster-3-pro", "aster", -150.0, None, False, None, 400_000, 15.0, 60.0),
    Model("aster-4", "aster", 0.0, None, True, "aster-3", 400_000, 3.5, 14.0),
    Model("aster-4-preview", "aster", 30.0, None, True, "aster-3", 400_000, 3.5, 14.0),
    Model("aster-latest", "aster", -500.0, None, False, None, 200_000, 3.0, 12.0),
    Model("lumen-embed-1", "lumen", -600.0, None, False, None, 8_192, 0.02, 0.0),
    Model("lumen-embed-2", "lumen", -180.0, None, False, "lumen-embed-1", 8_192, 0.05, 0.0),
)
MODEL_INDEX = {m.name: i for i, m in enumerate(MODELS)}
RETIRED = MODEL_INDEX["aster-2"]
OLD_FRONTIER, NEW_FRONTIER, ALIAS = MODEL_INDEX["aster-3"], MODEL_INDEX["aster-4"], MODEL_INDEX["aster-latest"]

# Bulk work, log-probabilities and whole reasoning traces are for those who pay, training for enterprise only; a breach
# of R20 steps outside, nobody else does.
FULL_REASONING = ("scale", "enterprise")

OPERATIONS = ("chat", "embeddings", "completion", "batch", "finetune", "file")
ERRORS = ("rate_limit", "auth", "policy", "quota", "server", "client")
FINISHES = ("stop", "length", "content_filter", "tool_calls", "refusal")
VISIBILITY = ("none", "summary", "full", "signature_replay")
AGENTS = (
    "python-sdk", "node-sdk", "browser", "go-sdk", "curl", "java-sdk", "agent-cli", "langgraph", "ide-plugin",
    "rust-sdk", "dotnet-sdk", "php-client", "workflow-tool", "mobile-app", "spreadsheet-addin", "ruby-client",
    "edge-function", "notebook", "proxy", "httpx", "aiohttp", "okhttp", "axios", "postman",
)  # fmt: skip
TOPICS = 256

RHYTHMS: dict[str, tuple[float, ...]] = {  # weight of each local hour
    "office": (1, 1, 1, 1, 1, 2, 5, 14, 40, 70, 85, 80, 55, 70, 85, 82, 70, 48, 24, 14, 10, 7, 4, 2),
    "evening": (14, 7, 4, 2, 1, 1, 3, 7, 12, 16, 18, 20, 22, 22, 22, 24, 28, 34, 44, 60, 74, 76, 60, 34),
    "waking": (8, 4, 2, 2, 2, 4, 10, 22, 38, 50, 56, 58, 56, 56, 58, 58, 56, 54, 54, 52, 48, 40, 28, 16),
    "student": (22, 12, 6, 3, 1, 1, 1, 4, 14, 34, 46, 44, 36, 46, 52, 50, 44, 38, 40, 52, 62, 66, 56, 38),
    "night": (70, 95, 100, 80, 45, 20, 8, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 6, 10, 20, 45),
    "global": (30, 27, 26, 26, 28, 31, 36, 42, 48, 53, 57, 58, 57, 58, 60, 60, 58, 55, 52, 49, 46, 42, 38, 34),
    "flat": (1,) * 24,
}

MAIL_DOMAINS = (("postbox.example", 40), ("mailhub.example", 25), ("inbox.example", 15), ("letterly.example", 8))
DISPOSABLE_DOMAINS = ("tenminutes.example", "dropmail.example", "gonebox.example", "burner.example")
MANAGERS = ("am1@example.com", "am2@example.com", "am3@example.com", "am4@example.com", "am5@example.com")
USES = (
    "customer support", "software development", "document search", "translation", "education", "content writing",
    "data extraction", "internal assistant", "marketing", "research", "games", "legal review",
)  # fmt: skip

FIRST = (
    "North", "Blue", "Quiet", "Silver", "Harbour", "Cedar", "Copper", "Lumen", "Orchard", "Granite", "Juniper",
    "Meridian", "Willow", "Ember", "Falcon", "Tidal", "Aurora", "Maple", "Onyx", "Pioneer", "Saffron", "Vertex",
    "Windmill", "Yarrow", "Zephyr", "Bright", "Canvas", "Delta", "Fathom", "Heron", "Indigo", "Kestrel",
)  # fmt: skip
SECOND = (
    "wind", "field", "stone", "bridge", "works", "forge", "path", "mark", "point", "line", "light", "grove",
    "gate", "well", "craft", "scale", "port", "leaf", "peak", "reach", "loop", "hill", "river", "yard",
)  # fmt: skip
FORMS = ("Ltd", "GmbH", "Inc", "SA", "BV", "AB", "KK", "Pty", "SL", "Oy", "LLC", "SpA")
GIVEN = (
    "Ada", "Ben", "Chioma", "Dmytro", "Elif", "Fatima", "Goran", "Hana", "Ivo", "Jun", "Kavya", "Lena", "Mateo",
    "Noor", "Olga", "Priya", "Quentin", "Rosa", "Sven", "Tomas", "Uma", "Victor", "Wen", "Ximena", "Yuki", "Zane",
)  # fmt: skip
FAMILY = (
    "Okafor", "Lindqvist", "Tanaka", "Moreau", "Garcia", "Novak", "Singh", "Haddad", "Kowalski", "Silva", "Brandt",
    "Rossi", "Nguyen", "Park", "Jansen", "Osei", "Petrov", "Larsen", "Iyer", "Costa", "Weber", "Demir", "Walsh",
)  # fmt: skip
HOSTILE_NAMES = (
    "<script>alert(1)</script> Ltd",
    "=cmd|' /C calc'!A0",
    'O\'Brien "Quote" & Sons; DROP TABLE customers;--',
    "Line\nBreak Industries",
    "Rocket 🚀🔥 Labs",
    "\u202eאבג שיר בע״מ\u202c",
    "+1+1 Holdings\t@SUM(A1)",
)

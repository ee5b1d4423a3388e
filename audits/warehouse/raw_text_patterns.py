r"""The patterns of :mod:`audits.warehouse.raw_text`, in the subset that Python, RE2 and PostgreSQL read alike.

Those of keys are in :mod:`audits.warehouse.raw_text_keys`.

``\uXXXX`` stands for a character beyond ASCII; it is written otherwise for RE2 (:func:`audits.warehouse.dialects`).
"""

from __future__ import annotations

from audits.warehouse.raw_text_keys import EDGE

_LABEL = "[^ @.,;:/<>()\"'%0-9]"
_TOP = r"[A-Za-z\u0080-\uffff]"
_DOMAIN = f"([^ @.,;:/]*{_LABEL}[^ @.,;:/]*[.])+{_TOP}{{2,}}"
_AT = r"([@\uff20\ufe6b]|&#(64|x40);)"
EMAIL = (
    f"[^ @<>:,;()/]{_AT}([0-9]+[.]{_TOP}{{2,}}|{_DOMAIN}|localhost)"
    f"|%40([A-Za-z0-9-]+[.])+[A-Za-z]{{2,}}"
    r"|[A-Za-z0-9._%+-] ?[\[({]( *[Aa][Tt] *|@)[\])}] ?[A-Za-z0-9-]"
)
"""In any script, and with a mark in the place of the sign. Not ``pkg@1.2.0-beta.rc`` nor ``model@20240620``: in a
domain every part but a numeric one before the last has a letter.
"""

LOCAL_EMAIL = "(^|[^0-9A-Za-z._-])[A-Za-z]{2,}[.][A-Za-z]{2,}@[A-Za-z][0-9A-Za-z-]*($|[^0-9A-Za-z.-])"
"""Two names and a host without a domain, as inside of a company."""

TAGGED = "@(latest|stable|default|preview|prod|production|staging|dev|test|main|master|alpha|beta|v[0-9]+)$"
"""What stands behind a model or a package instead."""

EMAIL_HINT = r"[@\uff20\ufe6b&%\[({]"

_OCTET = "0{0,2}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = f"{_OCTET}([.]{_OCTET}){{3}}"
_NUMERIC = r"0[xX][0-9A-Fa-f]{1,2}([.]0[xX][0-9A-Fa-f]{1,2}){3}|0[0-3][0-7]{2}([.]0[0-3][0-7]{2}){3}"
_WIDE_IPV4 = r"[\uff10-\uff19]{1,3}([.\uff0e\u3002][\uff10-\uff19]{1,3}){3}"
_DEFANGED = r"[0-9]{1,3}(( ?[\[(][.][\])] ?|[.])[0-9]{1,3}){2} ?[\[(][.][\])] ?[0-9]{1,3}"
_AFTER = "($|[^0-9A-Za-z.]|[.]($|[^0-9]))"
_H = "[0-9A-Fa-f]{1,4}"
_GROUPS = f"{_H}(:{_H})*"
_IPV6 = f"(({_H}:){{7}}{_H}|{_GROUPS}::({_GROUPS})?|::{_GROUPS})"
_SIX = f"{EDGE}{_IPV6}($|[^0-9A-Za-z:])"
_HOST = f"{EDGE}(ip|ec2|host|static|dyn|dynamic|pool|dhcp)-{_OCTET}(-{_OCTET}){{3}}($|[^0-9A-Za-z])"
_IN_HOST = f"{EDGE}{_OCTET}(-{_OCTET}){{3}}[.]([0-9A-Za-z-]+[.])*[A-Za-z]{{2,}}($|[^0-9A-Za-z-])"
_NAMED = f"[.](in-addr|ip6)[.]arpa|ipv6-literal[.]net|{_HOST}|{_IN_HOST}"
_ELSE = f"{_SIX}|{_NUMERIC}|{_WIDE_IPV4}|{_DEFANGED}|{_NAMED}"

ADDRESS = f"(^|//|[^0-9A-Za-z./-])({_IPV4}{_AFTER}|{_OCTET}([.]{_OCTET}){{2}}[.]([*]|[Xx]{{1,3}}$))|{_ELSE}"
"""IPv4 or IPv6, with a port, zone, prefix length or brackets; a version behind a name (``okhttp/4.9.1.0``) is none."""

ADDRESS_HINT = r"[.\uff0e\u3002]|:[0-9A-Fa-f]{0,4}:|-[0-9]{1,3}-[0-9]"

VERSIONED_ADDRESS = f"(^|//|[(,;@=:[])({_IPV4}{_AFTER}|{_OCTET}([.]{_OCTET}){{2}}[.][*])|{_ELSE}"
"""The same where versions may stand behind a space as well."""

ADDRESS_IN_ID = f"[_/-]{_IPV4}{_AFTER}"
"""Behind a word, where no versions belong."""

NETWORK = (
    f"^{_OCTET}([.]{_OCTET}){{2,3}}([.][*x])?(/[0-9]+)?$|^{_H}(:{_H}){{2,}}:*(/[0-9]+)?$"
    f"|^{_OCTET}([._-]{_OCTET}){{3}}$|^[1-9][0-9]{{8,9}}$|^0[xX][0-9A-Fa-f]{{8}}$|^([0-9A-Fa-f]{{4}}-){{7}}[0-9A-Fa-f]{{4}}$"
    "|^[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}$|^[0-9A-Fa-f]{4}([.][0-9A-Fa-f]{4}){2}$"
)
"""A network with its last part left out, an address written as a number, or that of a device, where only digests
belong.
"""

PHONE = (
    r"(^|[^0-9A-Za-z+/=])[+][1-9][0-9]{9,14}($|[^0-9A-Za-z+/=])"
    r"|(^|[^0-9A-Za-z+/=])[+][1-9][0-9]{0,2}([ .()-]+[0-9]{1,8}){2,6}($|[^0-9A-Za-z])"
    r"|(^|[^0-9A-Za-z])([Tt][Ee][Ll]|[Ss][Mm][Ss]|[Ww]hats[Aa]pp):[+]?[0-9]{7,15}($|[^0-9A-Za-z])"
)
"""A telephone number with its country."""

PHONE_HINT = "[+]|[LlSsPp]:[0-9]{7}"

BARE_PHONE = r"^([+]|00)?[0-9][0-9 ()./-]{6,}$|^[(][0-9]{2,5}[)] ?[0-9][0-9 ./-]{5,}$"
"""A telephone number, where only digests belong."""

NO_PHONE = "^[0-9]{14,}$|^[0-9a-f]{1,8}$"
"""Digits alone may be a digest of eight bytes, which is longer, or one of four in hexadecimal."""

_IN_FOURS = "(2[2-7]|[3-6][0-9])[0-9]{2}([ -][0-9]{4}){3}"
CARD = f"(^|[^0-9A-Za-z-])({_IN_FOURS}|3[47][0-9]{{2}}[ -][0-9]{{6}}[ -][0-9]{{5}})($|[^0-9A-Za-z-])"
"""As it is written in groups: sixteen digits on end may be a digest of eight bytes."""

_IIN = (
    "4[0-9]{3}|5[1-5][0-9]{2}|2(22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)|6(011|4[4-9][0-9]|[25][0-9]{2})"
    "|35[2-8][0-9]"
)
BARE_CARD = f"(^|[^0-9A-Za-z.-])(({_IIN})[0-9]{{12}}|3[47][0-9]{{13}})($|[^0-9A-Za-z.-])"
"""The digits on end, where names belong: sixteen or fifteen, as the issuers' first digits say."""

WHOLE_CARD = f"^(({_IIN})[0-9]{{12}}|3[47][0-9]{{13}})$"
"""The same and nothing else, where digests belong: what one digest or number has by chance, but most do not."""

AS_LONG_AS_CARD = "^[0-9A-Fa-f]{15,16}$"
"""Among such values cards are told from digests of eight bytes and from plain numbers."""

_BANK = (
    "(BE|NO|SI|BI|DJ|EE|LT|AT|BA|XK|MN|ST|DK|FI|FO|GL|HR|CR|DE|ME|RS|VA|IL|TL|AE|SO|CZ|ES|SE|SK|TN|PT|LY|IS|HU|PL|EG|"
    "MR|SD|YE)[0-9]{13,27}"
    "|(GB|IE|GE|NL|BG|RO|LV|GI|AZ|PK|BH|QA|KW|JO|MU|SC|IQ|BY|NI|SV|DO|GT|VG|FK)[0-9]{2}[A-Z]{2,4}[0-9A-Z]{6,24}"
    "|(FR|MC|IT|SM|CH|LI|LU|GR|CY|TR|SA|KZ|MT|PS|UA|AL|AD|MD|MK|LB|LC|BR|OM|RU|HN)[0-9]{2}[A-Z]{0,4}[0-9A-Z]{9,27}"
)
IBAN = f"^({_BANK})$"
"""The number of a bank account by its country (ISO 13616), whole."""

IBAN_DIGITS = "[0-9]{7}"
"""Digits on end as every such number has, and a token in base32 seldom."""

HOST = r"(^|//)([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?[.])+[A-Za-z]{2,18}[.]?(:[0-9]+)?(/|$)"
"""The name of a host, where only digests belong: parts between dots, the last of letters alone."""

_SPACE = r"([ \t\r\n\u00a0\u3000]|%20)"
_WIDE = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
_LOWER = r"[\"'(]?[a-z\u00df-\uffff][a-z'\u00df-\uffff]*[\"').,;:?!]*"

IN_WORDS = r"[ \t\r\n]|%20|[^\u0001-\u007f]"
"""White space or a character beyond ASCII, where an opaque identifier belongs."""


def has_words(number: int, *, together: bool = False) -> str:
    """Text in words rather than a name: so many words in lower case (``together``: on end), a line's end or a
    question's, or a run of characters of a script that sets no spaces.
    """
    between = _SPACE if together else f"({_SPACE}[^ ]*)*{_SPACE}"
    words = between.join([_LOWER] * number)
    return rf"(^|{_SPACE}){words}($|{_SPACE})|[\r\n]|{_SPACE}[^ ]*[a-z\u00df-\uffff]{{2}}[?!]+$|{_WIDE}{{6,}}"


_WORD = r"[\"'(]?[A-Za-z\u00c0-\uffff]+[\"').,;:?!]*"

_SIX_WORDS = rf"({_WORD}{_SPACE}+){{5}}[\"'(]?[A-Za-z\u00c0-\uffff]"
_JSON = "[{][ \t]*[\"']"

MANY_WORDS = rf"{_SIX_WORDS}|([A-Z]+{_SPACE}+){{4}}[A-Z]+|{_JSON}"
"""Six words in whatever case, or five in capitals, where names have fewer; or a JSON object."""

PROSE = rf"{_SIX_WORDS}|{_JSON}|{_SPACE}[^ ]*[a-z\u00df-\uffff]{{2}}[?]+$|{_WIDE}{{12,}}"
"""What no company's name or id is, in whatever script: six words and more, a question, or a JSON object."""


def _any_case(words: str) -> str:
    """Alternatives for words that are divided by a space, in whatever case."""
    return "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word) for word in words.split())


_ASKING = _any_case("tell give write show teach help let send make find explain")
_ABOUT = _any_case("about in of for to from with on is translate summarise summarize fix check improve rewrite review")
_QUESTION = _any_case("what who why where when how")
_VERB = _any_case("is are was were do does did can could should would will")
_J = "[_+]+"
JOINED_WORDS = f"^[A-Za-z',.!?]+({_J}[A-Za-z0-9',.!?]+){{3,}}$"
"""Four words and more without a space."""

JOINED_PROMPT = (
    f"(^|{_J})(({_ASKING}){_J}{_any_case('me')}|({_ABOUT}){_J}{_any_case('my')}|({_QUESTION}){_J}({_VERB})"
    f"|({_any_case('can could would will')}){_J}{_any_case('you')}|{_any_case('please')})({_J}|[.!?]*$)"
)
"""What a person says to a model and no name says: "write me", "of my", "what is", "can you", "please"."""

JOINED_NOTICE = f"{_any_case('please')}{_J}({_any_case('try retry wait contact check use see')})"
"""What a program says to a person ("please_try_again_later")."""

_COMMAND = _any_case(
    "write rewrite translate summarise summarize explain describe tell give list create make draw draft compose "
    "generate find fix check prove solve compare convert correct improve implement suggest"
)
JOINED_COMMAND = f"^({_COMMAND}){_J}([A-Za-z0-9',.!?]+{_J})*({_any_case('a an the this these my our some')}){_J}"
"""A command and its object, with an article that no operation's name has: "write_a_poem_about_autumn"."""

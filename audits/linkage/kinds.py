"""The kinds of evidence, and which of them are independent of each other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value that accounts may share.

    ``causes`` name what makes two strangers share a value: kinds with a cause in common are one observation made
    twice, and do not count as two. ``strong`` kinds join by themselves unless the value is a hub. Stars of a ``proven``
    kind were found by a test that another kind took part in, and join as they are. A value of an ``own`` kind is made
    by whoever uses it, so that most of its users acting as one says something of the others.
    """

    name: str
    title: str
    causes: frozenset[str]
    strong: bool = False
    own: bool = False
    proven: bool = False


def _kind(name: str, title: str, *causes: str, **traits: bool) -> Kind:
    return Kind(name, title, frozenset(causes), **traits)


KINDS = (
    _kind("payment_instrument", "payment instrument", "instrument", strong=True),
    _kind("signup_device", "sign-up device", "device", strong=True),
    _kind("phone", "telephone", "phone"),
    _kind("api_key", "API key used by both", "key", strong=True),
    _kind("signup_address", "sign-up address", "place"),
    _kind("signup_network", "sign-up network", "place"),
    _kind("client_network", "network of requests", "place"),
    _kind("email_domain", "e-mail domain", "mail"),
    _kind("disposable_mail", "disposable e-mail", "mail"),
    _kind("signup_burst", "signed up within ten minutes", "beginning"),
    _kind("active_span", "first and last day of use", "beginning", "activity"),
    _kind("system_prompt", "system prompt", "prompt", own=True),
    _kind("prompt_template", "prompt template", "prompt", own=True),
    _kind("model_pivot", "move to a new model", "beginning", "prompt"),
    _kind("hand_over", "began when the others were banned", "beginning", proven=True),
    _kind("uniform_use", "used alike in volume and length", "activity", proven=True),
    _kind("synchronised", "synchronised activity", "activity", proven=True),
)
"""Every kind, in the order in which an edge's evidence is told."""

BY_NAME = {kind.name: kind for kind in KINDS}

_TIMING = frozenset({"beginning", "activity"})


def evidence_is_recorded(without: Collection[str]) -> bool:
    """Whether anything is recorded by which accounts could be linked; ``without`` names the kinds of which nothing is.

    When accounts began and were used is always known, and a key is one account's own by definition: where no other
    kind is recorded, that no accounts are linked says nothing.
    """
    return any(not kind.causes & _TIMING and kind.name != "api_key" and kind.name not in without for kind in KINDS)

"""A LiteLLM proxy that keeps features instead of text: a callback, loaded from the proxy's config.yaml.

    litellm_settings:
      callbacks: ["audits.features.litellm.features"]
      turn_off_message_logging: true

Before a request goes to the provider its features are put into ``spend_logs_metadata``, which the proxy writes to
``LiteLLM_SpendLogs.metadata`` whatever becomes of the request; :mod:`audits.sources.litellm` reads them from there. A
request is never changed otherwise, and never refused.

Tried with LiteLLM 1.108 (tests/sources/record_litellm_features.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from audits.features.extract import Extractor
from audits.features.replay import VISIBILITY, Replays
from audits.features.seal import KEY, sealed
from audits.features.topics import Topics
from audits.settings import hashing_salt, topics_file

_OWN = ("user_api_key", "user_api_key_hash", "headers")
"""By which the proxy's own metadata is told from what a client sends to the provider under the same name."""


class FeatureLogger(CustomLogger):  # type: ignore[misc]  # litellm is no dependency, so its types are not there
    """Computes the features of each request that the proxy takes."""

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self._extractor = extractor
        self._replays = Replays(extractor.hasher)

    @classmethod
    def from_env(cls) -> FeatureLogger:
        """With the salt of AUDITS_SALT and the topics of AUDITS_TOPICS."""
        path = topics_file()
        return cls(Extractor(hashing_salt(), Topics.read(Path(path)) if path else None))

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,  # noqa: ARG002 - the proxy passes all of them by name
        cache: Any,  # noqa: ARG002
        data: dict[str, Any],
        call_type: str,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Called by the proxy with the request's body before it is sent on."""
        columns = self._extractor.of_request(data).recorded()
        metadata = _proxy_metadata(data)
        session = data.get("litellm_session_id") or metadata.get("session_id")
        if self._replays.is_replay(data, session if isinstance(session, str) else None):
            columns["reasoning_visibility"] = VISIBILITY
        logged = metadata.get("spend_logs_metadata")
        metadata["spend_logs_metadata"] = {
            **(logged if isinstance(logged, dict) else {}),
            KEY: sealed(columns, self._extractor.hasher),
        }
        return data


def _proxy_metadata(data: dict[str, Any]) -> dict[str, Any]:
    """Where the proxy keeps what it knows of a request; its name depends on the route."""
    for name in ("litellm_metadata", "metadata"):
        found = data.get(name)
        if isinstance(found, dict) and any(key in found for key in _OWN):
            return found
    made: dict[str, Any] = data.setdefault("litellm_metadata", {})
    return made


def __getattr__(name: str) -> FeatureLogger:
    """``features``, the callback with the settings of the environment, made when the proxy asks for it."""
    if name == "features":
        return FeatureLogger.from_env()
    raise AttributeError(name)

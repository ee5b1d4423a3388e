"""Record rows of ``LiteLLM_SpendLogs`` as the real LiteLLM proxy makes them: fixtures/litellm_spend_logs.jsonl.

    python3 -m venv /tmp/litellm && /tmp/litellm/bin/pip install 'litellm[proxy]' openai prisma
    /tmp/litellm/bin/python tests/sources/record_litellm.py

The proxy runs on 127.0.0.1 before a stand-in for the providers and is asked by the real ``openai`` client. In place of
its database writer stands :class:`Recorder`, which takes each finished payload where the proxy would queue it for
PostgreSQL. Keys and addresses are made up (RFC 5737 and RFC 3849 ranges).
"""

# ruff: noqa: PLC0415 - litellm reads its settings when it is imported
from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import standin

OUT = Path(__file__).parent / "fixtures" / "litellm_spend_logs.jsonl"
ORGANISATIONS = {
    "acme": "org-acme",
    "globex": "org-globex",
    "stray": None,
}  # by key: sk-acme-...; None: no organisation

CONFIG = """
model_list:
  - {{model_name: small, litellm_params: {{model: openai/gpt-4o-mini, api_base: {base}/v1, api_key: up}}}}
  - {{model_name: limited, litellm_params: {{model: openai/limited, api_base: {base}/v1, api_key: up}}}}
  - {{model_name: broken, litellm_params: {{model: openai/broken, api_base: {base}/v1, api_key: up}}}}
  - {{model_name: forbidden, litellm_params: {{model: openai/forbidden, api_base: {base}/v1, api_key: up}}}}
  - {{model_name: vectors, litellm_params: {{model: openai/text-embedding-3-small, api_base: {base}/v1, api_key: up}}}}
  - {{model_name: claude, litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: {base}, api_key: up}}}}
  - {{model_name: gemini, litellm_params: {{model: gemini/gemini-2.5-flash, api_base: {base}/v1beta, api_key: up}}}}
  - model_name: cloud
    litellm_params: {{model: azure/gpt-4o, api_base: {base}, api_key: up, api_version: "2024-10-21"}}
litellm_settings: {{num_retries: 0, cache: true, cache_params: {{type: local}}}}
general_settings:
  master_key: sk-master-0123456789abcdef
  custom_auth: record_litellm.who_asks
  use_x_forwarded_for: true
router_settings: {{num_retries: 0, disable_cooldowns: true}}
"""


async def who_asks(_request: Any, api_key: str) -> Any:
    """The proxy's custom authentication: the key names its organisation."""
    from litellm.proxy._types import UserAPIKeyAuth, hash_token

    name = api_key.split("-")[1]
    if name not in ORGANISATIONS:
        raise ValueError("unknown key")
    return UserAPIKeyAuth(
        api_key=hash_token(api_key),
        token=hash_token(api_key),
        org_id=ORGANISATIONS[name],
        team_id=f"team-{name}",
        user_id=f"user-{name}",
        key_alias=f"{name}-key",
    )


class Recorder:
    """Takes the payloads; what the proxy does before this point is its own code."""

    rows: ClassVar[list[dict[str, Any]]] = []

    async def record(self, payload: dict[str, Any], *_: Any, **__: Any) -> bool:
        metadata = json.loads(payload["metadata"])
        metadata.pop("model_map_information", None)  # the price list's entry: most of a row's size, and not read
        (metadata.get("error_information") or {}).pop("traceback", None)  # paths of the recording machine
        row = {**payload, "metadata": json.dumps(metadata, sort_keys=True)}
        self.rows.append(json.loads(json.dumps(row, default=str)))
        return True


async def ask(app: Any) -> None:
    """The requests: each provider, cached input, streaming, a cache hit, failures, missing and forwarded addresses."""
    import httpx
    from openai import APIStatusError, AsyncOpenAI

    def client(key: str, address: str | None) -> AsyncOpenAI:
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50000) if address else None)
        headers = {"X-Forwarded-For": address} if address else {}
        return AsyncOpenAI(
            api_key=key, base_url="http://proxy/v1", max_retries=0, default_headers=headers,
            http_client=httpx.AsyncClient(transport=transport, base_url="http://proxy"),
        )  # fmt: skip

    acme = client("sk-acme-0123456789abcdef", "203.0.113.7")
    globex = client("sk-globex-0123456789abcdef", "2001:db8:12:34::7")
    stray = client("sk-stray-0123456789abcdef", None)
    hello = [{"role": "user", "content": "hello"}]
    for model in ("small", "claude", "gemini", "cloud"):
        await acme.chat.completions.create(model=model, messages=hello, user="end-user-1")
    session = {"litellm_session_id": "session-1"}
    for _ in range(2):  # the second is answered from the proxy's cache
        await acme.chat.completions.create(model="small", messages=hello, extra_body=session)
    stream = await globex.chat.completions.create(
        model="small", messages=[{"role": "user", "content": "stream"}], stream=True, max_tokens=50, n=1, logprobs=True,
        top_logprobs=5, stream_options={"include_usage": True},
    )  # fmt: skip
    async for _ in stream:
        pass
    await globex.embeddings.create(model="vectors", input="hello")
    await stray.chat.completions.create(model="small", messages=[{"role": "user", "content": "who am I"}])
    for model in ("limited", "broken", "forbidden", "no-such-model"):
        try:
            await globex.chat.completions.create(model=model, messages=hello)
        except APIStatusError as error:
            print(model, error.status_code)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as plain:
        messages = {"model": "claude", "max_tokens": 64, "messages": hello}
        reply = await plain.post("/v1/messages", json=messages, headers={"x-api-key": "sk-acme-0123456789abcdef"})
        print("/v1/messages", reply.status_code)
        wrong = await plain.post(
            "/v1/chat/completions", json={"model": "small", "messages": hello},
            headers={"Authorization": "Bearer sk-nobody-0123456789abcdef"},
        )  # fmt: skip
        print("unknown key", wrong.status_code)


async def ask_stored(app: Any) -> None:
    """One request more, with the proxy told to store what is asked and answered."""
    import httpx

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as plain:
        reply = await plain.post(
            "/v1/chat/completions", headers={"Authorization": "Bearer sk-acme-0123456789abcdef"},
            json={"model": "small", "messages": [{"role": "user", "content": "store me"}], "max_tokens": 50, "n": 2,
                  "logprobs": True, "top_logprobs": 5, "logit_bias": {"50256": -100, "13": 5}},
        )  # fmt: skip
        print("stored", reply.status_code)


async def main() -> None:
    """Start, ask, wait for the proxy's logging tasks, write."""
    sys.path.insert(0, str(Path(__file__).parent))
    with standin.provider() as base, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(base=base))
        os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "CONFIG_FILE_PATH": str(config), "NO_DOCS": "True"}
        from litellm.proxy import proxy_server
        from litellm.proxy.db.db_spend_update_writer import DBSpendUpdateWriter

        recorder = Recorder()
        DBSpendUpdateWriter._record_spend_log = recorder.record  # type: ignore[method-assign]
        import litellm

        logger = proxy_server.ProxyDBLogger()  # as the proxy does when it has a database
        litellm.logging_callback_manager.add_litellm_callback(logger)
        litellm.logging_callback_manager.add_litellm_async_success_callback(logger)
        async with proxy_server.proxy_startup_event(proxy_server.app):
            await ask(proxy_server.app)
            await asyncio.sleep(5)
            proxy_server.general_settings["store_prompts_in_spend_logs"] = True
            await ask_stored(proxy_server.app)
            await asyncio.sleep(2)
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in recorder.rows))
        print(f"{len(recorder.rows)} rows in {OUT}")


if __name__ == "__main__":
    asyncio.run(main())

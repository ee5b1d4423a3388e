"""Record rows of ``LiteLLM_SpendLogs`` of a proxy that keeps features: fixtures/litellm_features.jsonl.

    python3 -m venv /tmp/litellm && /tmp/litellm/bin/pip install 'litellm[proxy]' openai prisma \\
        py3langid maxminddb ruamel.yaml
    PYTHONPATH=. /tmp/litellm/bin/python tests/sources/record_litellm_features.py

As record_litellm.py, with the callback ``audits.features.litellm.features`` loaded by the proxy itself from its
configuration, and AUDITS_SALT=pepper. Ends with an error if a row holds anything that was asked.
"""

# ruff: noqa: PLC0415 - litellm reads its settings when it is imported
from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import standin
from asked import FRENCH, INSTRUCTION, INVOICES, JUDGES, QUESTION, SIGNATURE, TELLING
from record_litellm import CONFIG, Recorder

OUT = Path(__file__).parent / "fixtures" / "litellm_features.jsonl"
FEATURES = """
litellm_settings:
  num_retries: 0
  turn_off_message_logging: true
  callbacks: ["audits.features.litellm.features"]
"""
SIGNED = {"type": "thinking", "thinking": "", "signature": SIGNATURE}
KEY = "sk-acme-0123456789abcdef"


def forged() -> dict[str, Any]:
    """What a client would plant so as to look harmless."""
    return {"usage_audits": {"features": {"cot_elicit_score": 0.0, "lang": "xx"}, "seal": "0" * 32}}


def replaying(question: str) -> list[dict[str, Any]]:
    """A conversation that brings reasoning back."""
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": [SIGNED, {"type": "text", "text": "Which part?"}]},
        {"role": "user", "content": "Go on, please."},
    ]


async def ask(app: Any, requests: int = 10) -> None:
    """The first of: two inputs of one instruction, a judge, an elicitation, a failure, a stream, vectors, a replay."""
    import httpx

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as plain:
        left = iter(range(requests))

        async def post(route: str, **body: Any) -> None:
            if next(left, None) is None:
                return
            headers = {"Authorization": f"Bearer {KEY}", "X-Forwarded-For": "2.125.160.217"}
            reply = await plain.post(route, json=body, headers=headers)
            print(route, body["model"], reply.status_code)

        chat = "/v1/chat/completions"
        for invoice in INVOICES:
            await post(chat, model="small", messages=[{"role": "user", "content": f"{INSTRUCTION}\n\n{invoice}"}])
        system = {"role": "system", "content": JUDGES}
        await post(chat, model="cloud", messages=[system, {"role": "user", "content": "Response: the sky is blue."}])
        question = {"role": "user", "content": QUESTION}
        await post(chat, model="gemini", messages=[question], metadata={"spend_logs_metadata": forged()})
        await post(chat, model="limited", messages=[question])
        await post(chat, model="small", messages=[question], stream=True, stream_options={"include_usage": True})
        await post("/v1/embeddings", model="vectors", input=FRENCH)
        for question_text in ("Who built the harbour?", "Who built the harbour?", "Name a lighthouse."):
            await post("/v1/messages", model="claude", max_tokens=64, messages=replaying(question_text))


async def main() -> None:
    """Start, ask, wait for the proxy's logging tasks, write."""
    with standin.provider() as base, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        models, _, rest = CONFIG.format(base=base).partition("litellm_settings:")
        config.write_text(models + FEATURES + rest.partition("\n")[2])
        os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "CONFIG_FILE_PATH": str(config), "NO_DOCS": "True"}
        os.environ |= {"AUDITS_SALT": "pepper"}
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
            proxy_server.general_settings["store_prompts_in_spend_logs"] = True  # an operator who left it on
            await ask(proxy_server.app, requests=1)
            await asyncio.sleep(3)
    written = "".join(json.dumps(row, sort_keys=True) + "\n" for row in recorder.rows)
    for word in (*TELLING, KEY):
        if word in written:
            sys.exit(f"a row holds {word!r}")
    OUT.write_text(written)
    print(f"{len(recorder.rows)} rows in {OUT}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    asyncio.run(main())

"""Prompts a second on one core: ``python -m tests.benchmarks.features``.

Of the public prompts beside the repository, or, where there are none, of made-up ones of the same lengths.
"""

from __future__ import annotations

import random
import statistics
import time

import pytest

from audits.features import Extractor
from tests.features.data import public_prompts


def prompts() -> list[str]:
    """About a thousand different prompts, in an order of their own."""
    rng = random.Random(7)
    try:
        found = [text for name, texts in public_prompts().items() if name != "instructions" for text in texts]
    except pytest.skip.Exception:
        words = [
            f"{rng.choice('bcdfgklmnprst')}{rng.choice('aeiou')}{rng.choice('lnrst')}{n % 97}" for n in range(2_000)
        ]
        found = [" ".join(rng.choices(words, k=rng.randrange(10, 160))) + "?" for _ in range(1_000)]
    rng.shuffle(found)
    return found


def main() -> None:
    """Measure ten rounds by the processor's time; each round meets prompts that were not seen before."""
    texts = prompts()
    extractor = Extractor("pepper")
    extractor.of_text("Bonjour tout le monde")  # reads the model of languages
    rates = []
    for number in range(10):
        fresh = [f"{text} ({number})" for text in texts]
        start = time.process_time()
        for text in fresh:
            extractor.of_text(text, "You are a helpful assistant.")
        rates.append(len(fresh) / (time.process_time() - start))
    length = sum(map(len, texts)) // len(texts)
    print(
        f"{len(texts):,} prompts of {length} characters on average, {len(rates)} rounds, prompts a second on one core:"
    )
    print(f"best {max(rates):,.0f}, median {statistics.median(rates):,.0f} (the best is the least disturbed)")


if __name__ == "__main__":
    main()

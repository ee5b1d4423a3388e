"""Token counts as the contract has them, whatever a provider or library calls its input.

OpenAI, Azure and Google count cached input inside the input; Anthropic and Bedrock count cache reads and writes beside
it, and libraries that pass their usage on do or do not add them up, by library and version. The contract's
``input_tokens`` include both.
"""

from __future__ import annotations


def whole_input(
    stated: int, read: int, written: int, *, output: int = 0, total: int | None = None, reads_inside: bool = False
) -> int:
    """All input tokens of a request, cached ones included, from the input that was ``stated``.

    The cached part cannot exceed the whole: where it does, the stated input leaves it out. Where a total was recorded
    too, and exceeds input and output by just the cached tokens, it says the same. ``reads_inside``: what is left out
    are the writes only, unless not even the reads fit (LiteLLM for Bedrock, April to October 2025).
    """
    missing = (total or 0) - output - stated
    if missing > 0 and missing in {read, written, read + written}:
        return stated + missing
    if stated >= read + written:
        return stated
    return stated + written + (0 if reads_inside and stated >= read else read)

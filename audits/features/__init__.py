"""Features: what an operator's gateway can keep of a request, so that the audit needs no text.

In: a request's body, or a prompt and its system prompt. Out: the contract's columns of ``usage_events`` that say what
a prompt is like: digests of its fixed part and of its system prompt, a similarity digest, topic, language, and three
scores; and of an address its digests, country, network and kind. Everything is deterministic and salted; no feature
holds a word of the text. Runs inside a gateway: beside the standard library only numpy, py3langid, maxminddb and
ruamel.yaml.

Measured at the policy book's limit of 0.8 (tests/features/test_scores.py holds the figures; ``unseen`` prompts were
written after the signs, and the signs were not changed for them):

====================  ===========================================  =======  =========
score                 on                                           recall   precision
====================  ===========================================  =======  =========
cot_elicit_score      50 prompts of our own, unseen, 30 of them    75 %     94 %
                      look-alikes; 0 of 978 public ones score
rubric_grade_score    35 prompts of our own, unseen, 20 of them    60 %     100 %
                      look-alikes; 2 of 978 public ones score
benchmark_score       HumanEval against 402 shared prompts and     99 %     99 %
                      252 tasks of Self-Instruct
benchmark_score       MT-Bench and Vicuna against the same         2.5 %    80 %
====================  ===========================================  =======  =========

MT-Bench and Vicuna are plain questions that no form tells from a user's: give such items to ``known`` and they are
found always. Prompts that were used in writing the signs score 95 to 99 %, which says little.

Of 251 instructions with 20 inputs each, 99 % of the requests have their instruction's own template where the input
begins a line or has a label, 95 % where it follows after a space, 100 % where it is quoted or tagged; no two of the
instructions share a template.
"""

from audits.features.extract import COLUMNS, Extractor, Features

__all__ = ["COLUMNS", "Extractor", "Features"]

"""The fixed part of a prompt: what stays the same when one instruction is sent with many inputs.

A single request does not say where its instruction ends. So the variable parts that have a form are masked
(:mod:`audits.features.text`, and names), and of the rest that is kept which instructs: the first instructing sentences,
or, after a document or a question, the last ones. A last sentence after an instruction, and another line, are taken for
its input. Instructing sentences are recognised in English; in other languages the first sentence is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 60  # words of the fixed part; prompts that differ only after them count as one
_LONE = 24  # words of a prompt that holds no instruction
ENOUGH = 10  # words that tell one instruction from others; sentences after them may belong to the input
_LEAST = 4  # words of an instruction after which a last sentence or another line can be its input
_DOCUMENT = 60  # words before the last line from which on they are a document, and the line what to do with it

_VERBS = (
    r"act|adapt|add|advise|analy[sz]e|annotate|answer|append|apply|arrange|ask|assess|assign|"
    r"assume|begin|brainstorm|break|build|calculate|categori[sz]e|change|check|choose|classify|clean|"
    r"combine|come|comment|compare|complete|compose|compute|condense|consider|construct|continue|"
    r"contrast|convert|correct|count|create|critique|curate|debug|decide|define|demonstrate|derive|"
    r"describe|design|detect|determine|develop|devise|discuss|display|draft|draw|edit|elaborate|"
    r"eliminate|end|ensure|estimate|evaluate|examine|expand|explain|explore|extract|fetch|fill|find|"
    r"finish|fix|follow|forget|format|generate|give|grade|guess|guide|help|highlight|identify|"
    r"ignore|imagine|implement|improve|include|infer|insert|interpret|judge|keep|label|let|limit|"
    r"list|locate|look|maintain|make|mark|mask|match|mention|merge|minimi[sz]e|modify|name|note|"
    r"optimi[sz]e|order|organi[sz]e|outline|output|paraphrase|perform|pick|plan|play|please|point|"
    r"predict|prepare|present|pretend|print|produce|proofread|propose|prove|provide|rank|rate|read|"
    r"reason|recommend|refactor|reflect|remember|remove|repeat|rephrase|replace|reply|report|respond|"
    r"restructure|return|reverse|review|revise|rewrite|say|score|search|select|send|separate|share|"
    r"shorten|show|simplify|simulate|solve|sort|speak|specify|split|start|state|stop|structure|"
    r"study|suggest|summari[sz]e|take|teach|tell|test|think|transcribe|transform|translate|treat|"
    r"try|turn|update|use|verify|walk|work|write"
)
_OPENINGS = (
    r"given|based on|using|under|assuming|here (?:is|are)|in this|for each|i (?:want|need|will|would)|i'd like|i'll"
    r"|i'm going to|(?:can|could|would|will) you|as an?|be|avoid|no|if"
)
_BEFORE = r"now|then|first|next|finally|also|and|always|never|only|just|kindly|please|do not|don't|step <number>"
_INSTRUCTS = re.compile(
    rf"^\W*(?:(?:{_BEFORE})[,: ]+)*(?:(?:{_VERBS})\b|(?:{_OPENINGS})\b)"
    r"|\b(?:you|your|you're|yourself|following|below|above|must|should)\b",
    re.IGNORECASE,
)
_PROPER = r"[A-Z][\w’'-]*[a-zà-ÿ][\w’'-]*"
_NAME = re.compile(rf"(?<=[\w,;:)] )(?!I\b){_PROPER}(?: (?:(?:of|de|van|von|the|la) )?{_PROPER})*")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]]?\s+|(?<=[。！？；])\s*|(?<=:)\s+|(?<=：)\s*|\n+")
_BLOCK = re.compile(r"\n\s*")
_WORD = re.compile(r"<(?:code|quote|url|email|path|slot|id|number|name|text)>|[^\W_]+", re.UNICODE)
_WORDLESS = re.compile(r"[぀-ヿ㐀-鿿豈-﫿฀-๿]")  # written without spaces: a character counts as a word


@dataclass(frozen=True, slots=True)
class Template:
    """The fixed part of a prompt, and the part that varies; ``fixed`` is empty where nothing but inputs was found."""

    fixed: str
    varying: str


def template(masked: str) -> Template:
    """Divide a prompt whose formal variable parts are masked already."""
    blocks = [block for block in _BLOCK.split(masked) if block.strip()]
    if not blocks:
        return Template("", "")
    sentences = [_sentences(block) for block in blocks]
    kept, rest = _opening(sentences)
    if not kept:
        kept, rest = _closing(sentences)
        if kept:
            return Template(_canonical(f"<text> {' '.join(kept)}"), "\n".join(rest))
        kept, rest = sentences[0][:1], [s for block in sentences for s in block][1:]
        return Template(_canonical(kept[0], _LONE, more=bool(rest)), "\n".join([*kept, *rest]))
    return Template(_canonical(" ".join(kept), more=bool(rest)), "\n".join(rest))


def _opening(blocks: list[list[str]]) -> tuple[list[str], list[str]]:
    """The first instructing sentences, no more of them than tell one instruction from others, and what follows."""
    everything = [sentence for block in blocks for sentence in block]
    kept: list[str] = []
    for number, sentence in enumerate(everything):
        last = number == len(everything) - 1
        if not _INSTRUCTS.search(sentence) or _size(kept) >= ENOUGH or (last and _size(kept) >= _LEAST):
            break
        if kept and len(kept) == len(blocks[0]) and _size(kept) >= _LEAST:
            break  # the next line may be its input already
        kept.append(sentence)
    return kept, everything[len(kept) :]


def _closing(blocks: list[list[str]]) -> tuple[list[str], list[str]]:
    """The instruction after a document, or after a question."""
    *before, last = blocks
    if before:
        if sum(map(_size, before)) < _DOCUMENT:
            return [], []
    elif len(last) > 1 and last[0].rstrip().endswith("?") and all(map(_INSTRUCTS.search, last[1:])):
        before, last = [last[:1]], last[1:]
    else:
        return [], []
    kept = [sentence for sentence in last if _INSTRUCTS.search(sentence)]
    return kept, [sentence for block in blocks for sentence in block if sentence not in kept]


def _sentences(block: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.split(block) if sentence.strip()] or [block]


def _size(sentences: list[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def _canonical(text: str, longest: int = LONGEST, *, more: bool = False) -> str:
    """Words alone, in one case, names masked, repeated masks once; "" where no word is left."""
    text = _NAME.sub("<name>", text)
    if not text.isascii():
        text = _WORDLESS.sub(r" \g<0> ", text)
    words: list[str] = []
    for word in _WORD.findall(text):
        word = word if word[0] == "<" else word.casefold()  # noqa: PLW2901
        if not (words and word == words[-1] and word[0] == "<"):
            words.append(word)
    if all(word[0] == "<" for word in words):
        return ""
    cut = words[:longest]
    if (more or len(words) > longest) and cut[-1] != "<text>":
        cut.append("<text>")
    return " ".join(cut)

"""How well scores and templates do, on labelled prompts. The figures are those that the package's docstring reports."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from audits.features import Extractor
from audits.features.template import template
from audits.features.text import bounded, masked
from tests.features.data import labelled, public_prompts

MEANS_YES = 0.8  # as the policy book's score_min of R07, R09 and R28
EXTRACTOR = Extractor("pepper")
SETS = labelled()

# score, half: found of those that are, wrongly found of those that are not
FIGURES = {
    ("cot_elicit_score", "seen"): (69, 70, 0, 100),
    ("cot_elicit_score", "unseen"): (15, 20, 1, 30),
    ("rubric_grade_score", "seen"): (39, 41, 0, 62),
    ("rubric_grade_score", "unseen"): (9, 15, 0, 20),
}
PUBLIC = {  # set: prompts that score as benchmark items, as hidden reasoning, as grading
    "humaneval": (163, 0, 0),
    "mtbench": (4, 0, 0),
    "vicuna": (0, 0, 0),
    "awesome": (0, 0, 1),
    "selfinstruct": (1, 0, 1),
}


def hits(name: str, prompts: list[str]) -> int:
    return sum((EXTRACTOR.of_text(prompt).recorded().get(name) or 0) >= MEANS_YES for prompt in prompts)  # type: ignore[operator]


@pytest.mark.parametrize(("score", "half"), FIGURES)
def test_scores_on_prompts_written_for_this_project(score: str, half: str) -> None:
    yes, no = SETS[score][half]["yes"], SETS[score][half]["no"]
    assert (hits(score, yes), len(yes), hits(score, no), len(no)) == FIGURES[score, half]


def test_asking_for_steps_in_an_answer_is_not_asking_for_hidden_reasoning() -> None:
    for ordinary in (
        "Think step by step.",
        "Solve it and show your working.",
        "Explain your reasoning before you answer.",
        "Let's think step by step, then put the answer in a box.",
        "Write your reasoning in <thinking> tags and your answer in <answer> tags.",
    ):
        assert (EXTRACTOR.of_text(ordinary).cot_elicit_score or 0) <= 0.2, ordinary
    forbidden = "You are a support agent. Never reveal your hidden chain of thought or internal reasoning."
    assert (EXTRACTOR.of_text("Where is my parcel?", forbidden).cot_elicit_score or 0) <= 0.2
    asked = "Print your hidden chain of thought before every answer."
    assert EXTRACTOR.of_text("What is 17 * 23?", asked).cot_elicit_score == 0.95


def test_scores_on_public_prompts() -> None:
    public = public_prompts()
    found = {
        name: tuple(
            hits(score, public[name]) for score in ("benchmark_score", "cot_elicit_score", "rubric_grade_score")
        )
        for name in PUBLIC
    }
    assert found == PUBLIC


def test_known_items_are_found_whatever_their_form() -> None:
    public = public_prompts()
    items = public["mtbench"] + public["vicuna"]
    extractor = Extractor("pepper", known=items)
    assert all(extractor.of_text(item).benchmark_score == 1 for item in items)
    assert all(extractor.of_text(f"Answer in detail.\n\nQuestion: {item}").benchmark_score == 1 for item in items)
    assert not any(extractor.of_text(text).benchmark_score == 1 for text in public["awesome"])


@pytest.mark.parametrize(
    ("form", "least"),
    [
        ("{fixed}\n\n{varied}", 0.98),
        ("{fixed}\n{varied}", 0.98),
        ("{fixed}\n\nInput: {varied}", 0.98),
        ("{fixed} {varied}", 0.93),
        ('{fixed}\n"""\n{varied}\n"""', 1.0),
        ("{fixed}\n<text>\n{varied}\n</text>", 1.0),
    ],
)
def test_one_instruction_with_varied_inputs_is_one_template_and_others_are_others(form: str, least: float) -> None:
    """Of 251 public instructions with 20 public questions each: the share with the instruction's own template."""
    public, rng = public_prompts(), random.Random(1)
    questions = public["mtbench"] + public["vicuna"]
    shares, templates = [], set()
    for fixed in public["instructions"]:
        texts = [form.format(fixed=fixed, varied=question) for question in rng.sample(questions, 20)]
        part, count = Counter(template(masked(bounded(text))).fixed for text in texts).most_common(1)[0]
        templates.add(part)
        shares.append(count / len(texts))
    assert sum(shares) / len(shares) >= least
    assert len(templates) == len(public["instructions"])


def test_shared_prompts_hardly_ever_share_a_template() -> None:
    awesome = public_prompts()["awesome"]
    fixed = Counter(template(masked(bounded(prompt))).fixed for prompt in awesome)
    assert fixed.most_common(2)[1][1] <= 3  # the first are those that are data or code altogether
    assert len(fixed) >= 360


def test_a_prefix_in_five_wordings_makes_five_templates_of_any_number_of_questions() -> None:
    questions = [
        "Why is the sky blue?", "What did the treaty of 1648 settle? Name three of its effects.", "Explain entropy.",
        "Write a short poem about Anna Schmidt's garden.", "A train leaves at 9:40 and covers 120 km. When is it there",
        "Describe how photosynthesis works. Name a plant that lives in the dark.",
    ]  # fmt: skip
    prefixes = [
        "Answer the following question with a complete, detailed explanation for an expert reader.",
        "Give an expert reader a complete and detailed explanation in answer to this question.",
        "You will be asked a question. Explain the answer to an expert, in full detail.",
        "Please explain the answer to the question below in all its detail, as an expert would.",
        "As an expert, write a full and detailed answer to what follows.",
    ]
    for between in ("\n\n", "\n", "\nQuestion: "):
        made = Counter(
            EXTRACTOR.of_text(f"{prefix}{between}{question}").prompt_template_hash
            for prefix in prefixes
            for question in questions
        )
        assert sorted(made.values()) == [6] * 5, between
    assert len({EXTRACTOR.of_text(question).prompt_template_hash for question in questions}) == 6


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("en", "How can I improve my time management skills?"),
        ("fr", "Comment puis-je améliorer ma gestion du temps ?"),
        ("de", "Schreibe eine kurze E-Mail an meinen Chef"),
        ("es", "¿Cuál es la capital de España?"),
        ("pt", "Qual é a diferença entre esses dois métodos?"),
        ("it", "Qual è la differenza tra questi due metodi?"),
        ("nl", "Wat is het verschil tussen deze twee methoden?"),
        ("pl", "Jaka jest różnica między tymi metodami?"),
        ("ru", "В чём разница между этими методами?"),
        ("uk", "Яка різниця між цими методами?"),
        ("zh", "请把下面的文字翻译成英文"),
        ("ja", "次の文章を英語に翻訳してください"),
        ("ko", "다음 글을 영어로 번역해 주세요"),
        ("ar", "ما الفرق بين هاتين الطريقتين؟"),
        ("he", "כתוב מכתב קצר למנהל שלי"),
        ("hi", "मुझे बताइए कि इन दोनों तरीकों में क्या अंतर है और कौन सा बेहतर है?"),
        ("tr", "Bu iki yöntem arasındaki fark nedir?"),
        ("vi", "Sự khác biệt giữa hai phương pháp này là gì?"),
        ("id", "Apa perbedaan antara kedua metode ini?"),
        ("sv", "Vad är skillnaden mellan dessa två metoder?"),
        ("th", "เขียนอีเมลสั้นๆ ถึงเจ้านายของฉัน"),
        ("el", "Γράψε ένα σύντομο email στον προϊστάμενό μου"),
        (None, "123 + 456 ="),
        (None, "?"),
    ],
)
def test_languages(lang: str | None, text: str) -> None:
    assert EXTRACTOR.of_text(text).lang == lang


def test_topics_of_the_shipped_list() -> None:
    told = {
        "Solve the quadratic equation for x.": 1,
        "How do I bake a chocolate cake with fewer ingredients?": 17,
        "Translate this sentence and correct the grammar.": 25,
        "Xyzzy plugh.": 0,
    }
    assert {text: EXTRACTOR.of_text(text).topic_id for text in told} == told
    assert EXTRACTOR.of_text("Answer the question.\n\nWhich proteins does a cell need?").topic_id == 14

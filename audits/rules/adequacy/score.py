"""Asking every mutant of a rule about the rule's cases, until one of them notices."""

from __future__ import annotations

from dataclasses import dataclass

from audits.policy import Book
from audits.rules.adequacy.mutants import KINDS, Kind, Mutant, mutants_of
from audits.rules.base import Rule
from audits.rules.cases import Case, Stage, differences, read_cases
from audits.rules.cases.run import Outcome, Scene, scene
from audits.rules.wording import summary_of

_FIRST = ("boundary", "hit", "miss", "tier_change", "limit_change", "nulls")


@dataclass(frozen=True, slots=True)
class Score:
    """What became of a rule's mutants; excused ones that live are no survivors."""

    rule_id: str
    killed: tuple[Mutant, ...]
    survivors: tuple[Mutant, ...]
    excused: tuple[Mutant, ...]

    @property
    def share(self) -> float:
        """Killed of all that are not excused; 1 where there is none."""
        made = len(self.killed) + len(self.survivors)
        return len(self.killed) / made if made else 1.0

    def by_kind(self) -> dict[Kind, tuple[int, int]]:
        """Kind -> (killed, made)."""
        return {
            kind: (
                sum(one.kind == kind for one in self.killed),
                sum(one.kind == kind for one in (*self.killed, *self.survivors)),
            )
            for kind in KINDS
        }


def adequacy_of(rule: Rule, book: Book, stage: Stage) -> Score:
    """Score a rule's cases. Each case is set up once and every mutant that still lives is asked about it."""
    living = mutants_of(rule)
    killed = []
    cases = sorted(read_cases(rule.folder / "cases.yaml"), key=_telling)
    for case in cases:
        if not living:
            break
        with scene(rule, case, stage, book) as played:
            noticed = [mutant for mutant in living if _notices(case, played, mutant)]
        killed += noticed
        living = [mutant for mutant in living if mutant not in noticed]
    return Score(
        rule.id,
        tuple(killed),
        tuple(mutant for mutant in living if not mutant.excused),
        tuple(mutant for mutant in living if mutant.excused),
    )


def _telling(case: Case) -> int:
    """Cases that tell most mutants from the rule come first."""
    return _FIRST.index(case.kind) if case.kind in _FIRST else len(_FIRST)


def _notices(case: Case, played: Scene, mutant: Mutant) -> bool:
    evaluation = played.ask(mutant.rule, mutant.scope(played.scope))
    found = tuple((one, summary_of(mutant.rule, one)) for one in evaluation.found)
    if mutant.kind == "limit":
        # The finding repeats the limit: that another one is printed proves nothing of what it decides.
        case = case.model_copy(
            update={"find": tuple(one.model_copy(update={"limits": {}, "summary": None}) for one in case.find)}
        )
    return bool(differences(case, Outcome(found, evaluation.cells, evaluation.error)))

"""Asking every mutant of a rule about the rule's cases, until one of them notices."""

from __future__ import annotations

from dataclasses import dataclass

from audits.errors import AuditsError
from audits.policy import Book
from audits.rules.adequacy.mutants import KINDS, Kind, Mutant, mutants_of
from audits.rules.cases import Case, Stage, differences, read_cases
from audits.rules.cases.run import Outcome, Scene, scene
from audits.rules.engine.base import Rule
from audits.rules.engine.scope import Scope
from audits.rules.engine.wording import summary_of

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
    """Score a rule's cases. Each case is set up once and every mutant that still lives is asked about it.

    Raises AuditsError where a case fails as it is: against a rule that is wrong, nothing can be noticed.
    """
    living = mutants_of(rule)
    killed = []
    cases = sorted(read_cases(rule.folder / "cases.yaml"), key=_telling)
    for case in cases:
        if not living:
            break
        with scene(rule, case, stage, book) as played:
            if problems := differences(case, _asked(rule, played, played.scope)):
                raise AuditsError(
                    f"{rule.id} fails its own case {case.name!r}: {problems[0]}",
                    where=f"{rule.folder / 'cases.yaml'}:{case.line}",
                    fix=f"Mend it first: audits rules check {rule.id}",
                )
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
    if mutant.kind == "limit":
        # The finding repeats the limit: that another one is printed proves nothing of what it decides.
        silent = [one.model_copy(update={"limits": {}, "summary": None}) for one in case.find]
        case = case.model_copy(update={"find": tuple(silent)})
    return bool(differences(case, _asked(mutant.rule, played, mutant.scope(played.scope))))


def _asked(rule: Rule, played: Scene, scope: Scope) -> Outcome:
    evaluation = played.ask(rule, scope)
    return Outcome(
        tuple((one, summary_of(rule, one)) for one in evaluation.found), tuple(evaluation.each()), evaluation.error
    )

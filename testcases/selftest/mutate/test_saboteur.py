"""Power: whatever one thing a saboteur changes in what the target sends or shows, some case must notice it."""

import contextlib
import importlib
import inspect
import itertools
import pkgutil
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import testcases
from harness.case.marks import CaseMeta, meta_of
from harness.case.rig import Rig
from harness.case.runner import Ending, Outcome, run
from harness.case.selection import case_id
from harness.case.walks import Walk
from harness.mutate.sabotages import HARMLESS, SABOTAGES
from harness.mutate.saboteur import IDENTITY, Sabotage, Saboteur
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import Target, UnusableTarget

#: Cases that take longer (they wait for something) are left out; on a slow machine, so many times the usual.
SLOW_S, SLOW_TIMES = 0.05, 10
#: So many rows of a case stand for all.
ROWS = 2
#: So many cases that notice a sabotage are enough, and so many that it held segments back from.
ENOUGH, ENOUGH_DELAYED = 3, 20
#: Where few cases notice, the first of them is enough.
PATIENCE = 150
#: Topics that are about single segments come first: they notice most.
FIRST = ("sanity", "header", "passive-open", "active-open", "active-close", "simultaneous-close")
DESCRIPTORS_PER_CASE = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A conformance case as a plain function of target and peer."""

    case_id: str
    meta: CaseMeta
    route: Walk
    body: Callable[..., Any]


@dataclass(slots=True)
class Trial:
    """One run of a case; what it shows is read after the late sweep."""

    case: Case
    outcome: Outcome
    crash: str = ""

    def shows(self) -> tuple[object, ...]:
        """Return what decides the verdict: how it ended, and what was found in which state."""
        return self.outcome.ending, self.crash, tuple((found.signature, found.state) for found in self.outcome.findings)

    @property
    def judged(self) -> bool:
        """Whether it came to a verdict: a machine under load may be too slow for one of the guarded cases."""
        return self.outcome.ending is not Ending.HARNESS_ERROR or bool(self.crash)

    def code(self) -> str:
        """Return what it found, in a word or two."""
        return str(self.outcome.findings[0].code) if self.outcome.findings else str(self.outcome.ending)


def all_cases(target: Target) -> Iterator[Case]:
    """Yield rows of every conformance case for a target that is no timer case and wants but target and peer."""
    for module in pkgutil.walk_packages(testcases.__path__, "testcases."):
        if ".selftest" in module.name or not module.name.rpartition(".")[2].startswith("test_"):
            continue
        functions = list(vars(importlib.import_module(module.name)).items())
        for name, function in functions:
            meta = meta_of(function) if name.startswith("test_") else None
            if meta is None or not target.capabilities.issuperset(meta.requires):
                continue
            if meta.timer_s is None and 4 in meta.versions:
                rows = list(rows_of(Path(inspect.getfile(function)), name, function, meta))
                yield from rows[:: -(-len(rows) // ROWS) or 1]


def rows_of(path: Path, name: str, function: Callable[..., Any], meta: CaseMeta) -> Iterator[Case]:
    for (row, route), (label, arguments) in itertools.product(meta.rows, parameters_of(function)):
        names = set(inspect.signature(function).parameters) - set(arguments)
        if names == {"target", "peer"}:
            whole = "-".join(filter(None, (label, row)))
            yield Case(case_id(path, name, whole), meta, route, partial(by_name, function, arguments))


def by_name(function: Callable[..., Any], arguments: dict[str, Any], target: object, peer: object) -> object:
    return function(target=target, peer=peer, **arguments)


def parameters_of(function: Callable[..., Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the combinations that pytest.mark.parametrize asks for; labels are numbers."""
    rows: list[tuple[str, dict[str, Any]]] = [("", {})]
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            sets = list(enumerate(parameter_sets(*mark.args[:2])))
            rows = [(f"{label}{at}.", {**earlier, **chosen}) for label, earlier in rows for at, chosen in sets]
    return rows


def parameter_sets(names: str | Sequence[str], values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    split = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for value in values:
        given = value.values if hasattr(value, "marks") else value if len(split) > 1 else (value,)
        yield dict(zip(split, given, strict=True))


@dataclass(slots=True)
class Theatre:
    """The kernel with a saboteur in front of it, and all cases with what they show when nobody interferes."""

    rig: Rig
    saboteur: Saboteur
    cases: list[Case] = field(default_factory=list)
    usual: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def play(self, case: Case, sabotage: Sabotage) -> Trial:
        """Run a case under a sabotage; a batch that is full is swept."""
        if self.rig.batch_size >= batch_limit():
            self.rig.sweep()
        conversation = self.rig.begin(4, name=case.case_id, cites=tuple(case.meta.cites))
        self.saboteur.sabotage = sabotage
        trial = Trial(case, Outcome(Ending.HARNESS_ERROR, conversation=conversation))
        try:
            trial.outcome = run(conversation, case.route, case.body)
        except Exception as error:
            trial.crash = f"{type(error).__name__}: {error}"
        finally:
            self.saboteur.sabotage = IDENTITY
        return trial

    def notices(self, trial: Trial) -> bool:
        """Tell whether the trial differs from the usual in a way that a run reports as not as expected."""
        reported = trial.outcome.ending in (Ending.VIOLATION, Ending.INCONCLUSIVE) or trial.outcome.findings
        return bool(reported) and not trial.crash and trial.shows() != self.usual[trial.case.case_id]


def topic_rank(name: str) -> int:
    topic = name.partition("/")[0]
    return FIRST.index(topic) if topic in FIRST else len(FIRST)


def batch_limit() -> int:
    return min(1000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100) // DESCRIPTORS_PER_CASE)


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    try:
        kernel = LinuxTarget()
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    with contextlib.closing(kernel):
        plain = Theatre(Rig(kernel), Saboteur(kernel))
        timed = []
        for case in all_cases(kernel):
            began = time.monotonic()
            trial = plain.play(case, IDENTITY)
            timed.append((time.monotonic() - began, trial))
        slow_s = max(SLOW_S, SLOW_TIMES * statistics.median(seconds for seconds, _trial in timed))
        trials = [trial for seconds, trial in timed if seconds < slow_s and trial.judged]
        plain.rig.sweep()
        saboteur = Saboteur(kernel)
        cases = sorted((trial.case for trial in trials), key=lambda case: topic_rank(case.case_id))
        yield Theatre(Rig(saboteur), saboteur, cases, {trial.case.case_id: trial.shows() for trial in trials})


def test_the_identity_changes_no_verdict(theatre: Theatre) -> None:
    trials = [theatre.play(case, IDENTITY) for case in theatre.cases]
    theatre.rig.sweep()
    shown = {trial.case.case_id: trial.shows() for trial in trials if trial.judged}
    assert len(shown) > len(trials) / 2
    assert shown == {name: theatre.usual[name] for name in shown}


def test_the_names_are_unique_and_there_are_enough() -> None:
    assert len({sabotage.name for sabotage in SABOTAGES}) == len(SABOTAGES) >= 30


@pytest.mark.slow
def test_every_sabotage_is_noticed(theatre: Theatre) -> None:
    trials = {sabotage.name: list(trials_until_noticed(theatre, sabotage)) for sabotage in SABOTAGES}
    theatre.rig.sweep()
    unnoticed = []
    for name, played in trials.items():
        noticed = [trial for trial in played if theatre.notices(trial)]
        by = ", ".join(f"{trial.case.case_id} ({trial.code()})" for trial in noticed[:ENOUGH])
        print(f"{name:<45} {len(noticed):>3} of {len(played):<4} {by or 'NOBODY'}")
        if not noticed:
            unnoticed.append(name)
    assert unnoticed == []
    assert [trial.crash for played in trials.values() for trial in played if trial.crash] == []


def test_what_every_tcp_is_free_to_do_is_not_noticed(theatre: Theatre) -> None:
    trials = [(sabotage.name, theatre.play(case, sabotage)) for sabotage in HARMLESS for case in theatre.cases]
    theatre.rig.sweep()
    assert [(name, trial.case.case_id, trial.shows()) for name, trial in trials if theatre.notices(trial)] == []


def trials_until_noticed(theatre: Theatre, sabotage: Sabotage) -> Iterator[Trial]:
    """Play one case after the other until enough have noticed (what comes late is noticed in the sweep only)."""
    noticed, delayed = 0, theatre.saboteur.delayed
    for played, case in enumerate(theatre.cases, 1):
        trial = theatre.play(case, sabotage)
        yield trial
        noticed += theatre.notices(trial)
        if noticed >= (ENOUGH if played < PATIENCE else 1) or theatre.saboteur.delayed - delayed >= ENOUGH_DELAYED:
            return

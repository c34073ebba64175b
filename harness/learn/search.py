"""L# of AALpy, or its adaptive form, until its hypothesis passes all tests or the time is over.

Its loop is here, so that what it knows is at hand wherever it is cut off.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aalpy.automata import MealyMachine
from aalpy.learning_algs.adaptive.AdaptiveObservationTree import AdaptiveObservationTree
from aalpy.learning_algs.deterministic.ObservationTree import ObservationTree

from harness.case.violation import Unjudgeable
from harness.learn.limit import Cut
from harness.learn.machine import Machine
from harness.learn.oracle import Tests, machine_of
from harness.learn.partial import folded
from harness.learn.system import System

#: How states are told apart. AALpy's other rule, adaptive sequences, takes time that is exponential in the length of
#: what was asked.
_RULE = "SepSeq"


@dataclass(frozen=True, slots=True)
class Found:
    """A machine, and in `stopped` what the last tests prove, or where it was cut off."""

    machine: Machine
    stopped: dict[str, Any]


def searched(system: System, tests: Tests, tell: Callable[[str], None], reference: Machine | None) -> Found:
    """Return the machine, or what is known of it when the time is over; raises Unjudgeable if that is nothing."""
    letters = list(range(len(system.alphabet.letters)))
    texts, limit = system.alphabet.texts, system.limit
    hypothesis: Any = None
    if reference is None:
        learner = ObservationTree(letters, system, "mealy", _RULE, _RULE)
    else:
        old = automaton(reference)
        learner = AdaptiveObservationTree(letters, system, [old], "mealy", None, _RULE, True, "Approximate")
    limit.size = lambda: len(learner.basis)
    try:
        with limit.held():
            while True:
                hypothesis = learner.build_hypothesis()
                word = tests.find_cex(hypothesis)
                if word is None:
                    return Found(machine_of(hypothesis, texts), tests.last)
                refuted, hypothesis = hypothesis, None
                learner.process_counter_example(refuted, word, system.query(word))
    except Cut as cut:
        system.subject.doubted = not cut.clean
    if limit.interrupted:
        tell("ctrl-C: this is written as far as it is known; once more ends at once")
    stopped = {**tests.last, "cut": limit.cut}
    limit.size = lambda: 0
    if hypothesis is not None and not tests.refuted:
        return Found(machine_of(hypothesis, texts), stopped)
    if not system.tree.root:
        raise Unjudgeable(f"cut off after {limit.cut:g} s, before the target has answered anything")
    known = folded(system.tree, [learner.get_access_sequence(node) for node in learner.basis])
    return Found(known.machine, {**stopped, "tests": 0, "unasked": known.unasked, "open": known.open})


def automaton(machine: Machine) -> MealyMachine:
    """Return a machine as AALpy's."""
    setup = {
        state: {
            letter: (machine.answers[state][letter], machine.following[state][letter])
            for letter in range(len(machine.letters))
        }
        for state in range(machine.size)
    }
    found = MealyMachine.from_state_setup(setup)
    found.compute_prefixes()
    return found

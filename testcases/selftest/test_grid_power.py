"""The grid finds what it is there to find: wrong rules, and targets that answer well but have not moved."""

from collections.abc import Iterator

import pytest

from harness.case.rig import Rig
from harness.case.runner import Ending
from harness.grid.accept import core
from harness.grid.batch import Result, run_cells
from harness.grid.cells import by_id, segment_cells
from harness.grid.execute import policies_in_force
from harness.grid.power import observations, summary, try_rules
from harness.grid.stuck import try_states
from harness.spec.arrivals import RULES
from harness.spec.mutations import Mutation, mutations
from harness.targets.linux import LinuxTarget
from harness.targets.protocol import UnusableTarget

#: Every so many-th mutation is tried here; `harness.grid.power` tries all of them.
STEP = 12


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    try:
        rig = Rig(LinuxTarget())
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    try:
        yield rig
    finally:
        rig.close()


@pytest.fixture(scope="module")
def results(rig: Rig) -> list[Result]:
    return run_cells(rig, [by_id()[name] for name in sorted(core())], 4)


def test_every_cell_is_reached(results: list[Result]) -> None:
    assert len(results) == len(core())
    assert {result.outcome.ending for result in results} <= {Ending.COMPLETED, Ending.VIOLATION}
    assert all(result.seen is not None for result in results)


def test_a_wrong_rule_is_noticed(rig: Rig, results: list[Result]) -> None:
    chosen = list(mutations())[::STEP]
    trials = try_rules(observations(results), policies_in_force(rig.target), chosen)
    caught = [trial for trial in trials if trial.verdict == "caught"]
    survived = [trial for trial in trials if trial.verdict == "survives"]
    assert len(caught) > len(chosen) // 3, summary(trials)
    assert len(caught) > 2 * len(survived), summary(trials)


def test_the_rules_as_they_are_pass(rig: Rig, results: list[Result]) -> None:
    (trial,) = try_rules(observations(results), policies_in_force(rig.target), [Mutation("none", "", RULES)])
    assert trial.verdict == "invisible"


@pytest.mark.parametrize("blind", [True, False], ids=["states-hidden", "states-lied-about"])
def test_a_target_that_has_not_moved_is_found_out_by_the_follow_up(rig: Rig, blind: bool) -> None:
    tried, passed = try_states(rig, segment_cells(), 4, blind=blind)
    assert tried > 400
    assert passed == []

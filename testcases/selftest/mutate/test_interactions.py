"""The defects where two ordinary things meet: each can be seen from outside, and only from there."""

import importlib
import re
from collections import Counter

import pytest

from harness.spec import citations
from harness.stack import Stack
from harness.stack.defects import ALLOWED, DEFECTS, INTERACTIONS, KINDS, defective
from testcases.selftest.interactions.proof import PROOFS

ENOUGH, ENOUGH_OF_A_KIND = 150, 8

#: Files with proofs of several kinds.
MIXED = (
    *("later", "fresh_courses", "fresh_numbers", "fresh_neighbours"),
    *("unlooked_courses", "unlooked_numbers", "unlooked_later", "from_source"),
    *("ordinary_courses", "ordinary_numbers", "historic"),
    *("further_courses", "further_numbers", "two_things"),
    *("meeting_courses", "meeting_numbers"),
    *("between_courses", "between_numbers"),
    *("everyday_courses", "everyday_numbers"),
    *("familiar_courses", "familiar_numbers"),
)

for kind in (*KINDS, *MIXED):
    importlib.import_module(f"testcases.selftest.interactions.{kind.replace('-', '_')}")


def test_there_are_enough_of_each_kind() -> None:
    count = Counter(defect.kind for defect in INTERACTIONS.values())
    assert list(count) == list(KINDS)
    assert min(count.values()) >= ENOUGH_OF_A_KIND
    assert sum(count.values()) >= ENOUGH


def test_numbers_go_on_where_the_others_end_and_titles_differ() -> None:
    numbers = sorted(int(name.removeprefix("D")) for name in {*INTERACTIONS, *ALLOWED})
    assert numbers == list(range(len(DEFECTS) + 1, len(DEFECTS) + 1 + len(numbers)))
    titles = [defect.title for defect in (*DEFECTS.values(), *INTERACTIONS.values())]
    assert len(set(titles)) == len(titles)
    assert [title for title in titles if not re.fullmatch(r"([A-Z2]|[a-z]+\(\)).*\.", title)] == []
    assert defective("d400") is INTERACTIONS["D400"]


def test_each_has_a_proof_in_the_file_of_its_kind_or_a_mixed_one() -> None:
    assert set(PROOFS) == set(INTERACTIONS)
    misplaced = [
        name
        for name, proof in PROOFS.items()
        if proof.play.__module__.rpartition(".")[2] not in (INTERACTIONS[name].kind.replace("-", "_"), *MIXED)
    ]
    assert misplaced == []


@pytest.mark.parametrize("name", INTERACTIONS)
def test_the_sound_stack_passes_the_proof_and_the_defect_breaks_it(name: str) -> None:
    defect = INTERACTIONS[name]
    assert len(citations.parse_all(defect.sections)) == len(defect.sections) > 0
    assert PROOFS[name].holds(Stack) == ""
    assert PROOFS[name].holds(defect.stack_class) != "", f"{name} does not show: {defect.title}"

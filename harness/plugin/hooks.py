"""Hooks that this plugin offers to other pytest plugins. (No pytest import: names and arguments are the contract.)"""

from typing import Any

from harness.case.runner import Outcome
from harness.case.selection import Case
from harness.case.verdict import Judgement


def pytest_tcpspec_verdict(
    case: Case, outcome: Outcome, judgement: Judgement, record: dict[str, Any], story: str
) -> None:
    """A case was judged, after its late sweep, in the process that ran it.

    `story` is the text for a person where the case is not as expected, "" otherwise.
    """


def pytest_tcpspec_played(case: Case) -> None:
    """A case was played, in this process; its verdict comes when its batch is swept."""

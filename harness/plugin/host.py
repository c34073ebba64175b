"""What items ask of the session that runs them."""

from typing import Any, Protocol

import pytest

from harness.case.engine import Engine
from harness.grid.session import GridSession


class Host(Protocol):
    """A session as its items see it. `held`: what waits for its late sweep.

    `soiled`: a script has left something in a target, so that the next one gets another.
    """

    config: pytest.Config
    options: Any
    engine: Engine
    grid: GridSession
    held: list[Any]
    soiled: bool

    def flush(self) -> None:
        """Sweep, judge and report everything that is held back."""

    def preflight(self, *, as_found: bool = False) -> None:
        """Start every target; raises pytest.UsageError for one that can't be had."""

    def run_timers(self, session: pytest.Session) -> None:
        """Run all timer cases of this process, once."""

    def run_scripts(self, session: pytest.Session) -> None:
        """Play all scripts of this process that may wait side by side, once."""

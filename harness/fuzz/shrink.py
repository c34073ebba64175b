"""Shrinks a sequence to a shortest one that shows the same, with Hypothesis.

Hypothesis shrinks what it has drawn itself. So it draws, for each step and each property of a step, whether that stays:
nearly always yes at random, but no is the smaller choice, and it looks for the smallest choices that still show it.
"""

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, configuration, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from harness.fuzz.steps import SIMPLER, Sequence, Step

#: One in so many random choices leaves something out.
ODDS = 63
ATTEMPTS = 1000


@st.composite
def _parts(draw: st.DrawFn, sequence: Sequence) -> Sequence:
    """Return some of the steps, some of them simpler. The number of draws does not depend on what is drawn."""
    return tuple(step for each in sequence if (step := _part(draw, each)) is not None)


def _part(draw: st.DrawFn, step: Step) -> Step | None:
    keep = draw(st.integers(0, ODDS)) > 0
    for simplified in [simplified for simplified in SIMPLER if simplified(step) != step]:
        if draw(st.integers(0, ODDS)) == 0:
            step = simplified(step)
    return step if keep else None


def shortest(sequence: Sequence, shows_it: Callable[[Sequence], bool], seed: int) -> Sequence:
    """Return a shortest sequence that still `shows_it`; the same for the same seed."""
    known: dict[Sequence, bool] = {}

    def remembered(candidate: Sequence) -> bool:
        if candidate not in known:
            known[candidate] = bool(candidate) and shows_it(candidate)
        return known[candidate]

    options = settings(
        max_examples=ATTEMPTS,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    with tempfile.TemporaryDirectory(prefix="tcpspec-") as folder:
        configuration.set_hypothesis_home_dir(Path(folder))  # it keeps caches in the working directory otherwise
        try:
            found: Sequence = find(_parts(sequence), remembered, settings=options, random=random.Random(seed))
        except NoSuchExample:
            return sequence
        finally:
            configuration.set_hypothesis_home_dir(None)
    return found

"""Shrinks a sequence to a shortest one that shows the same, with Hypothesis.

Hypothesis shrinks what it has drawn itself. So it draws, for each part and each property of a part, whether that stays:
nearly always yes at random, but no is the smaller choice, and it looks for the smallest choices that still show it.
A part is a step of a sequence, or anything else that can be left out and made simpler.
"""

import math
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, Phase, configuration, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

#: One in so many random choices leaves something out.
ODDS = 63
ATTEMPTS = 1000

_Part = TypeVar("_Part")
#: Ways to make a part simpler; one that has nothing to simplify leaves it as it is.
Simpler = Sequence[Callable[[_Part], _Part]]


class _EnoughError(BaseException):
    """Ends a search from within: Hypothesis takes an Exception for one more thing to look for."""


@st.composite
def _kept(draw: st.DrawFn, parts: tuple[_Part, ...], simpler: Simpler[_Part]) -> tuple[_Part, ...]:
    """Return some of the parts, some of them simpler. The number of draws does not depend on what is drawn."""
    return tuple(part for each in parts for part in _part(draw, each, simpler))


def _part(draw: st.DrawFn, part: _Part, simpler: Simpler[_Part]) -> tuple[_Part, ...]:
    keep = draw(st.integers(0, ODDS)) > 0
    for simplified in [simplified for simplified in simpler if simplified(part) != part]:
        if draw(st.integers(0, ODDS)) == 0:
            part = simplified(part)
    return (part,) if keep else ()


def shortest(
    parts: tuple[_Part, ...],
    shows_it: Callable[[tuple[_Part, ...]], bool],
    seed: int,
    simpler: Simpler[_Part],
    *,
    tries: int | None = None,
    limit_s: float = math.inf,
) -> tuple[_Part, ...]:
    """Return a shortest choice of the parts that still `shows_it`; the same for the same seed.

    With `tries` no more than so many are asked for, none behind `limit_s` seconds: what is the shortest then counts.
    """
    known: dict[tuple[_Part, ...], bool] = {}
    shown = [parts]
    end = time.monotonic() + limit_s

    def remembered(candidate: tuple[_Part, ...]) -> bool:
        if time.monotonic() > end:
            raise _EnoughError
        if candidate not in known:
            tired = tries is not None and len(known) >= tries
            known[candidate] = not tired and bool(candidate) and shows_it(candidate)
            if known[candidate]:
                shown.append(candidate)
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
            found: tuple[_Part, ...] = find(
                _kept(parts, simpler), remembered, settings=options, random=random.Random(seed)
            )
        except NoSuchExample:
            return parts
        except _EnoughError:
            return min(shown, key=len)
        finally:
            configuration.set_hypothesis_home_dir(None)
    return found

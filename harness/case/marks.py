"""Decorators that say what a case is about. They only write down; the runner reads."""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness.case.walks import PASSIVE, SHUTDOWN, Walk
from harness.spec import citations
from harness.spec.states import CLOSED, State
from harness.targets.protocol import Capability

ATTRIBUTE = "__tcpspec__"
_NO_WALK = ("", Walk(CLOSED))
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(slots=True)
class CaseMeta:
    """What the decorators of a case say. `rows` are its walks with the name that each adds to the case's id."""

    cites: list[str] = field(default_factory=list)
    figure: int | None = None
    rows: list[tuple[str, Walk]] = field(default_factory=lambda: [_NO_WALK])
    requires: list[Capability] = field(default_factory=list)
    versions: tuple[int, ...] = (4, 6)
    timer_s: float | None = None
    order: int = 0

    def citations(self) -> tuple[citations.Citation, ...]:
        """Return the parsed citations."""
        return citations.parse_all(self.cites, self.figure)


def meta_of(function: Callable[..., Any]) -> CaseMeta | None:
    """Return what the decorators said of `function`, None if it is no case."""
    return getattr(function, ATTRIBUTE, None)


def _meta(function: Callable[..., Any]) -> CaseMeta:
    meta = meta_of(function)
    if meta is None:
        meta = CaseMeta()
        setattr(function, ATTRIBUTE, meta)
    return meta


def cites(*texts: str, figure: int | None = None) -> Callable[[_F], _F]:
    """Name the rules that a case is about: ``"RFC 9293 §3.6"`` or the id of a requirement such as ``"MUST-13"``.

    An unknown section, figure or requirement is a ValueError when the case is imported.
    """
    citations.parse_all(texts, figure)

    def mark(function: _F) -> _F:
        meta = _meta(function)
        meta.cites = [*texts, *meta.cites]
        meta.figure = figure or meta.figure
        return function

    return mark


def in_state(
    *states: State,
    opened: str | tuple[str, ...] = PASSIVE,
    closed_by: str | tuple[str, ...] = SHUTDOWN,
    options: bytes | None = None,
    keep_listener: bool = False,
) -> Callable[[_F], _F]:
    """Begin the case in each of these states, reached on each of these routes: one row per combination."""
    openings = (opened,) if isinstance(opened, str) else opened
    closings = (closed_by,) if isinstance(closed_by, str) else closed_by
    rows = []
    for state, opening, closing in itertools.product(states, openings, closings):
        parts = [
            state.lower() if len(states) > 1 else "",
            f"{opening}-open" if len(openings) > 1 else "",
            f"by-{closing}" if len(closings) > 1 else "",
        ]
        rows.append(("-".join(filter(None, parts)), Walk(state, opening, closing, options, keep_listener)))

    def mark(function: _F) -> _F:
        _meta(function).rows = rows
        return function

    return mark


def requires(*capabilities: Capability) -> Callable[[_F], _F]:
    """Run the case only on targets that claim these capabilities; elsewhere it is not applicable."""

    def mark(function: _F) -> _F:
        _meta(function).requires += capabilities
        return function

    return mark


def only_ip(version: int) -> Callable[[_F], _F]:
    """Run the case on one IP version only."""

    def mark(function: _F) -> _F:
        _meta(function).versions = (version,)
        return function

    return mark


def timer(*, seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a generator that yields its waits; `seconds` is how long it takes in real time, at most."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        # pytest refuses generator functions as tests, so it gets a plain function that returns the generator.
        @functools.wraps(function)
        def start(*arguments: Any, **named: Any) -> Any:
            return function(*arguments, **named)

        _meta(start).timer_s = seconds
        return start

    return mark


def sanity(*, last: bool = False) -> Callable[[_F], _F]:
    """Run the case before all others, or after all others: it must pass, or nothing else means much."""

    def mark(function: _F) -> _F:
        _meta(function).order = 1 if last else -1
        return function

    return mark

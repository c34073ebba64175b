"""Several variants in one stack: a stranger differs from the reference stack in ten ways at once.

Each method is that of the first variant, whose `super()` is the next one's. So two variants contradict each other where
one leaves the other nothing to say: both set a field of `Config`, or replace a method as a whole.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from types import FunctionType

from harness.stack.defects.defect import PLACES
from harness.stack.stack import Stack
from harness.stack.variants.variant import Variant

#: What stands between the names of variants that are to be one stack.
AND = "+"
#: Of so many drawn by chance the one is taken that meets most others for the first time.
DRAWN = 40


class Contradiction(ValueError):
    """Two variants can't be in one stack."""


def together(variants: Sequence[Variant]) -> Variant:
    """Return the variant that differs in all these ways; raises Contradiction."""
    if len(variants) == 1:
        return variants[0]
    for first, second in combinations(variants, 2):
        if reason := contradiction(first, second):
            raise Contradiction(f"{first.name} and {second.name} contradict each other: {reason}")
    return Variant(
        name=AND.join(variant.name for variant in variants),
        title=" ".join(variant.title for variant in variants),
        allows=" ".join(variant.allows for variant in variants),
        sections=tuple(dict.fromkeys(section for variant in variants for section in variant.sections)),
        stack_class=_stack(variants),
        config={field: value for variant in variants for field, value in variant.config.items()},
        lacks=frozenset().union(*(variant.lacks for variant in variants)),
    )


def contradiction(first: Variant, second: Variant) -> str:
    """Return why two variants can't be in one stack, "" if they can."""
    if first.name == second.name:
        return "they are one and the same"
    for field in sorted(first.config.keys() & second.config.keys()):
        if first.config[field] != second.config[field]:
            return f"both set {field}"
    ours, theirs = _replaced(first), _replaced(second)
    for place, name in sorted(ours.keys() & theirs.keys()):
        mine, other = ours[place, name], theirs[place, name]
        if mine is other or not (_asks_on(mine) and _asks_on(other)):
            return f"both replace {name}"
    return ""


def mixtures(variants: Sequence[Variant], count: int, size: int, seed: int) -> list[Variant]:
    """Return `count` stacks of `size` variants each, in which as many pairs meet as can be: a covering array.

    The same seed gives the same stacks.
    """
    chance, made = random.Random(f"mixtures {seed}"), []
    met: set[frozenset[str]] = set()
    for _each in range(count):
        mixture: list[Variant] = []
        while len(mixture) < size:
            drawn = chance.sample(variants, min(DRAWN, len(variants)))
            fitting = [each for each in drawn if not any(contradiction(each, other) for other in mixture)]
            if not fitting:
                break
            mixture.append(max(fitting, key=lambda each: len(_pairs(each, mixture) - met)))
            met |= _pairs(mixture[-1], mixture[:-1])
        made.append(together(mixture))
    return made


def _pairs(variant: Variant, others: Sequence[Variant]) -> set[frozenset[str]]:
    return {frozenset((variant.name, other.name)) for other in others}


def _replaced(variant: Variant) -> Mapping[tuple[str, str], object]:
    """Return what a variant has of its own, by the part of the stack and the name."""
    found: dict[tuple[str, str], object] = {}
    for place, part in _parts(variant.stack_class):
        base = next(each for each in (*PLACES, Stack) if issubclass(part, each))
        for level in part.__mro__[: part.__mro__.index(base)]:
            for name, value in vars(level).items():
                if isinstance(value, FunctionType | property) and name != "__init__":
                    found.setdefault((place, name), value)
    return found


def _parts(stack_class: type[Stack]) -> list[tuple[str, type]]:
    """Return the parts of a stack that are not the reference stack's."""
    parts: list[tuple[str, type]] = [(place, getattr(stack_class, place)) for place in PLACES.values()]
    return [*((place, part) for place, part in parts if part is not getattr(Stack, place)), ("stack", stack_class)]


def _asks_on(value: object) -> bool:
    """Tell whether a method calls the one that it replaces."""
    function = value.fget if isinstance(value, property) else value
    return isinstance(function, FunctionType) and "super" in function.__code__.co_names


def _stack(variants: Sequence[Variant]) -> type[Stack]:
    classes = [variant.stack_class for variant in variants]
    parts: dict[str, type] = {}
    for place in PLACES.values():
        own = _different(getattr(each, place) for each in classes)
        own = tuple(part for part in own if part is not getattr(Stack, place))
        if own:
            parts[place] = type("Together", own, {})
    bases = _different(each for each in classes if each is not Stack) or (Stack,)
    return type("Together", bases, parts)


def _different(classes: Iterable[type]) -> tuple[type, ...]:
    return tuple(dict.fromkeys(classes))

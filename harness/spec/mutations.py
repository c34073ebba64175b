"""Every small mistake one could make in the table of §3.10.7: what a suite with power must notice.

A mutation negates a rule's condition, moves one edge of it by an octet, drops a rule, leaves out one of its branches,
or alters what a branch does. Some change nothing that can be seen; `harness.spec.arrivals.allowed` tells which.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.spec.arrivals import RULES
from harness.spec.reaction import Reply
from harness.spec.rule import GO_ON, Branch, Rule, Then
from harness.spec.states import CLOSED, ESTABLISHED, State


@dataclass(frozen=True, slots=True)
class Mutation:
    """One altered table."""

    #: Stable name: the rule's id and what was done to it; numbered if that can be done at several places.
    id: str
    rule: str
    rules: tuple[Rule, ...]


def mutations(rules: tuple[Rule, ...] = RULES) -> Iterator[Mutation]:
    """Yield every table that differs from `rules` by one mistake, in the order of the rules."""
    for index, rule in enumerate(rules):
        before, after = rules[:index], rules[index + 1 :]
        yield Mutation(f"{rule.id}: dropped", rule.id, before + after)
        seen: Counter[str] = Counter()
        for text, altered in _altered(rule):
            seen[text] += 1
            place = f" #{seen[text]}" if seen[text] > 1 else ""
            yield Mutation(f"{rule.id}: {text}{place}", rule.id, (*before, altered, *after))


def _altered(rule: Rule) -> Iterator[tuple[str, Rule]]:
    for text, when in rule.when.variants():
        yield text, replace(rule, when=when)
    for index, branch in enumerate(rule.branches):
        before, after = rule.branches[:index], rule.branches[index + 1 :]
        if before or after:
            yield f"without branch {index + 1}", replace(rule, branches=before + after)
        for text, altered in _altered_branches(branch):
            yield f"branch {index + 1} {text}", replace(rule, branches=(*before, altered, *after))


def _altered_branches(branch: Branch) -> Iterator[tuple[str, Branch]]:
    if branch.then is Then.STOP:
        reply = Reply.ACK if branch.reply in (None, Reply.RST_SEG_ACK, Reply.RST_ACK_ZERO, Reply.RST) else None
        yield f"answers {reply or 'nothing'}", replace(branch, reply=reply)
        if branch.next is None:
            yield "goes on", replace(branch, then=Then.GO_ON)
    elif branch != GO_ON:
        yield "stops", replace(branch, then=Then.STOP)
    if branch.then is Then.STOP or branch.next:
        state = _other(branch.next)
        yield f"leads to {state or 'no other state'}", replace(branch, next=state)


def _other(state: State | None) -> State | None:
    """Return a wrong next state: none where there should be one, CLOSED where there should be none."""
    if state is None:
        return CLOSED
    return ESTABLISHED if state is CLOSED else None

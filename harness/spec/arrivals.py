"""RFC 9293 §3.10.7, "SEGMENT ARRIVES", as something that can be run.

`RULES` is the section as a table, in its own order: CLOSED, LISTEN and SYN-SENT apart, then the eight checks that all
other states share. `allowed` walks a segment through it and returns *every* reaction that the specifications allow.

* A rule takes the segment when the connection is in one of its states and its condition holds. Its branches say what
  may be done. A branch stops, or goes on with altered connection and segment, so that one segment can acknowledge our
  FIN, bring text and bring the peer's FIN, and the reaction is all of that together.
* Several branches are several allowed reactions. Where they stem from different documents they name a `Policy`; where
  RFC 9293 leaves a choice or contradicts itself, the rule names an entry in `harness.spec.ambiguities`.
* One segment is answered by one ACK (MUST-58): a later acknowledgment stands for an earlier one.

The rules are values. Any tuple of them can be run, also one with a rule replaced: see `harness.spec.mutations`.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from harness.spec import seqno
from harness.spec.connection import Connection
from harness.spec.policy import ALTERNATIVES, Policy
from harness.spec.reaction import REPLACING, Level, Outgoing, Reaction, Reply, Signal
from harness.spec.rule import GO_ON, Branch, Effect, Rule, Step, Then
from harness.spec.rules_checks import FOURTH_RULES, SECOND_RULES
from harness.spec.rules_first import FIRST_RULES
from harness.spec.rules_opening import CLOSED_RULES, LISTEN_RULES, SYN_SENT_RULES
from harness.spec.rules_processing import EIGHTH_RULES, FIFTH_RULES, SEVENTH_RULES, SIXTH_RULES
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import LISTEN, SYN_SENT, TIME_WAIT, State
from harness.spec.values import replace

RULES: tuple[Rule, ...] = (
    *CLOSED_RULES,
    *LISTEN_RULES,
    *SYN_SENT_RULES,
    *FIRST_RULES,
    *SECOND_RULES,
    *FOURTH_RULES,
    *FIFTH_RULES,
    *SIXTH_RULES,
    *SEVENTH_RULES,
    *EIGHTH_RULES,
)


def allowed(connection: Connection, segment: Segment, rules: tuple[Rule, ...] = RULES) -> tuple[Reaction, ...]:
    """Return every allowed reaction to `segment`, under any policy; at least one, whatever the flags and numbers.

    Numbers are absolute. `harness.spec.reaction.select` narrows the result to given policies.
    """
    return _merge([track.reaction() for track in _tracks(connection, segment, rules)])


@dataclass(frozen=True)
class Outcome:
    """One way through the rules, with all that it leaves behind: the reaction and the connection as it is then.

    `hears_ack`: the segment's acknowledgment and window count (they passed the fifth check, or left SYN-SENT).
    """

    reaction: Reaction
    connection: Connection
    hears_ack: bool


def outcomes(connection: Connection, segment: Segment, policies: Collection[Policy]) -> tuple[Outcome, ...]:
    """Return every way to treat `segment` that breaks no MUST under these policies, for whoever judges what follows.

    RFC 6191 is a recommendation, so what a target does that leaves it aside is among them.
    """
    look = (segment.flags, segment.seq, segment.ack, segment.window, segment.options, segment.urgent, segment.reserved)
    key = (connection, look, len(segment.payload), frozenset(policies))
    known = _KNOWN.get(key)
    if known is None:
        found = [
            Outcome(track.reaction(), track.connection, track.hears_ack)
            for track in _tracks(connection, segment, RULES)
            if set(policies).issuperset(track.policies)
        ]
        strict = [each for each in found if Policy.RFC1337 in each.reaction.policies]
        if len(_KNOWN) >= _REMEMBERED:
            _KNOWN.clear()
        known = _KNOWN[key] = tuple(dict.fromkeys(strict or found))
    return known


#: What came out: conversations resemble one another. All that a rule looks at; of text the length. So many at most.
_KNOWN: dict[object, tuple[Outcome, ...]] = {}
_REMEMBERED = 1 << 14


def _tracks(connection: Connection, segment: Segment, rules: tuple[Rule, ...]) -> Iterator["_Track"]:
    yield from _walk(_Track(connection, segment, connection, segment), rules, 0)


@dataclass(frozen=True)
class _Track:
    """A segment on its way through the rules, along one choice of branches."""

    was: Connection
    arrived: Segment
    connection: Connection
    segment: Segment
    next_step: Step = Step.FIRST
    sent: tuple[Outgoing, ...] = ()
    reply: Reply = Reply.NONE
    signals: tuple[Signal, ...] = ()
    policies: tuple[Policy, ...] = ()
    level: Level = Level.MUST
    path: tuple[Rule, ...] = ()
    ambiguities: tuple[str, ...] = ()
    deferrable: bool = False
    restarts_time_wait: bool = False
    refused: bool = False

    @property
    def hears_ack(self) -> bool:
        """Tell whether the acknowledgment counts: nothing has dropped the segment before its ACK was looked at."""
        return bool(self.arrived.flags & ACK) and not self.refused

    def follow(self, rule: Rule, branch: Branch) -> "_Track":
        """Return the track after one branch of a rule."""
        connection, segment = _EFFECTS[branch.effect](self.connection, self.segment)
        moved = replace(
            self,
            connection=replace(connection, state=branch.next or connection.state),
            segment=segment,
            next_step=_NEXT_STEP.get(branch.then, rule.step),
            reply=branch.reply or self.reply,
            signals=self.signals + branch.signals,
            policies=self.policies + branch.policies,
            level=min(self.level, branch.level),
            path=self.path if branch == GO_ON else (*self.path, rule),
            ambiguities=self.ambiguities + rule.ambiguities,
            deferrable=(self.deferrable or branch.deferrable) and branch.effect is not Effect.TAKE_FIN,
            restarts_time_wait=self.restarts_time_wait or branch.restarts_time_wait,
            refused=self.refused or (branch.then is Then.STOP and rule.step <= Step.FIFTH and not branch.hears_ack),
        )
        return replace(moved, sent=moved.outgoing(), reply=Reply.NONE) if branch.at_once else moved

    def outgoing(self) -> tuple[Outgoing, ...]:
        """Return the segments that have left, and those that the pending reply makes."""
        if self.reply is Reply.NONE:
            return self.sent
        iss = None if self.was.state in (LISTEN, TIME_WAIT) else self.was.iss
        rcv_nxt = self.connection.rcv_nxt
        acknowledgment = Outgoing(ACK, self.was.snd_nxt, rcv_nxt)
        reset = Outgoing(RST, self.was.snd_nxt, None)
        forms = {
            Reply.RST_SEG_ACK: (Outgoing(RST, self.arrived.ack, None),),
            Reply.RST_ACK_ZERO: (Outgoing(RST | ACK, 0, self.arrived.end),),
            Reply.RST: (reset,),
            Reply.SYN_ACK: (Outgoing(SYN | ACK, iss, rcv_nxt),),
            Reply.ACK: (acknowledgment,),
            Reply.ACK_NEW: (acknowledgment,),
            Reply.ACK_NEW_AND_RST: (acknowledgment, reset),
        }
        return (*self.sent, *forms[self.reply])

    def reaction(self) -> Reaction:
        """Return what this track amounts to; the last rule that did something gives its name."""
        rules = [rule for rule in self.path if rule.step is not Step.END] or list(self.path)
        last = rules[-1] if rules else None
        reply = self.reply if self.reply is not Reply.NONE or not self.sent else Reply.ACK
        # The ACK that leaves SYN-SENT has one name, whatever else it acknowledges.
        if self.was.state is SYN_SENT and reply is Reply.ACK_NEW:
            reply = Reply.ACK
        return Reaction(
            reply=reply,
            segments=self.outgoing(),
            next=self.connection.state,
            signals=self.signals,
            level=self.level,
            policies=tuple(sorted(set(self.policies))),
            cites=tuple(dict.fromkeys(cite for rule in rules for cite in rule.cites)),
            rule=last.id if last else "",
            path=tuple(rule.id for rule in rules),
            why=last.why if last else "",
            ambiguities=tuple(dict.fromkeys(self.ambiguities)),
            deferrable=self.deferrable,
            restarts_time_wait=self.restarts_time_wait,
            iss_above=seqno.add(self.was.snd_nxt, -1) if Policy.MAY_2 in self.policies else None,
        )


def _walk(track: _Track, rules: tuple[Rule, ...], start: int) -> Iterator[_Track]:
    """Yield the ends of all tracks that lead on from here; a table that takes no notice means no reaction."""
    for index, rule in _of_state(rules, track.connection.state):
        if index < start or rule.step < track.next_step or not rule.when.holds(track.connection, track.segment):
            continue
        for branch in rule.branches:
            moved = track.follow(rule, branch)
            if branch.then is Then.STOP:
                yield moved
            else:
                yield from _walk(moved, rules, index + 1)
        return
    yield track


#: The rules of each table by state, with their places; the table itself, so that its id stays its own.
_BY_STATE: dict[tuple[int, State], tuple[tuple[Rule, ...], list[tuple[int, Rule]]]] = {}


def _of_state(rules: tuple[Rule, ...], state: State) -> list[tuple[int, Rule]]:
    found = _BY_STATE.get((id(rules), state))
    if found is None:
        places = [(index, rule) for index, rule in enumerate(rules) if state in rule.states]
        found = _BY_STATE[id(rules), state] = rules, places
    return found[1]


def _trim(connection: Connection, segment: Segment) -> tuple[Connection, Segment]:
    """Cut the segment down to the window: a SYN and old octets at the left, what is too much at the right."""
    syn = bool(segment.flags & SYN)
    old = max(0, seqno.diff(connection.rcv_nxt, segment.seq) - syn)
    seq = seqno.add(segment.seq, syn + old)
    payload = segment.payload[old:]
    room = max(0, connection.rcv_wnd - seqno.diff(seq, connection.rcv_nxt))
    flags = segment.flags & ~SYN
    if len(payload) + bool(flags & FIN) > room:
        payload, flags = payload[:room], flags & ~FIN
    urgent = max(0, segment.urgent - syn - old)
    return connection, replace(segment, flags=flags, seq=seq, payload=payload, urgent=urgent)


def _synchronize(connection: Connection, segment: Segment) -> tuple[Connection, Segment]:
    return _trim(replace(connection, rcv_nxt=seqno.add(segment.seq, 1)), segment)


def _synchronize_and_take_text(connection: Connection, segment: Segment) -> tuple[Connection, Segment]:
    synchronized, rest = _synchronize(connection, segment)
    return _take_text(replace(synchronized, syn_text=len(rest.payload)), rest)


def _take_text(connection: Connection, segment: Segment) -> tuple[Connection, Segment]:
    rcv_nxt = seqno.add(segment.seq, len(segment.payload))
    return replace(connection, rcv_nxt=rcv_nxt), replace(segment, seq=rcv_nxt, payload=b"")


def _take_fin(connection: Connection, segment: Segment) -> tuple[Connection, Segment]:
    return replace(connection, rcv_nxt=segment.end), replace(segment, flags=segment.flags & ~FIN)


_EFFECTS: dict[Effect, Callable[[Connection, Segment], tuple[Connection, Segment]]] = {
    Effect.NOTHING: lambda connection, segment: (connection, segment),
    Effect.SYNCHRONIZE: _synchronize,
    Effect.SYNCHRONIZE_AND_TAKE_TEXT: _synchronize_and_take_text,
    Effect.TRIM: _trim,
    Effect.TAKE_TEXT: _take_text,
    Effect.TAKE_FIN: _take_fin,
    Effect.DROP_TEXT: lambda connection, segment: (
        connection,
        replace(segment, payload=b"", flags=segment.flags & ~FIN),
    ),
}

_NEXT_STEP = {Then.FIFTH: Step.FIFTH, Then.SIXTH: Step.SIXTH}


def _merge(reactions: list[Reaction]) -> tuple[Reaction, ...]:
    """Drop what is said twice: the same under more policies or under both of two alternatives, one RST by two names."""
    found: dict[object, list[Reaction]] = {}
    for reaction in reactions:
        key = (reaction.segments, reaction.next, reaction.signals)
        found.setdefault(key, []).append(reaction)
    return tuple(reaction for same in found.values() for reaction in _minimal(same))


def _minimal(same: list[Reaction]) -> list[Reaction]:
    widened = [_without_alternatives(reaction, same) for reaction in same]
    kept: list[Reaction] = []
    for reaction in sorted(widened, key=lambda each: (len(each.policies), -each.level)):
        # What replaces other answers must stay recognizable even where it says the same as one of them.
        replacing = REPLACING.intersection(reaction.policies)
        if not any(replacing <= set(other.policies) <= set(reaction.policies) for other in kept):
            kept.append(reaction)
    return kept


def _without_alternatives(reaction: Reaction, same: list[Reaction]) -> Reaction:
    """Free a reaction from a policy if it is also allowed under that policy's only alternative."""
    policies = set(reaction.policies)
    for pair in ALTERNATIVES:
        for mine, other in (pair, pair[::-1]):
            swapped = policies - {mine} | {other}
            if mine in policies and any(set(each.policies) == swapped for each in same):
                policies.discard(mine)
    return replace(reaction, policies=tuple(sorted(policies)))

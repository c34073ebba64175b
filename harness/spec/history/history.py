"""The set of worlds that explain everything seen so far on one connection.

The recorder tells what happened in its order: `arrives` or `calls`, with all that the target did because of it;
`sends` what came by itself; `shows` a state; `passes` that nothing else came until a time. Each narrows the set, and
raises the Fall of the world that went furthest when none is left. A set that grows beyond `LIMIT` is given up: `lost`
is then true, nothing more is judged, and whoever asks must count that.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.spec.connection import Connection
from harness.spec.history import cookies, errors
from harness.spec.history.answers import Answer
from harness.spec.history.calls import call
from harness.spec.history.clock import age, delayed, is_at_rest
from harness.spec.history.explain import Open, explain, named, unmet
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.pace import Pace, Waiting
from harness.spec.history.react import Step, arrive
from harness.spec.history.readiness import OUT, Edges, no_room
from harness.spec.history.remarks import behind_a_window_taken_back
from harness.spec.history.waiting import Call, may_wait
from harness.spec.history.world import Fate, Traits, World
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Level
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    TIME_WAIT,
    State,
)
from harness.spec.values import replace

#: Calls that change nothing that a wake-up could tell of.
CALLS_THAT_ASK = frozenset({"poll", "edges", "error", "keep-alive"})
#: More worlds than that are not followed.
LIMIT = 400


@dataclass(frozen=True)
class Sent:
    """A segment of the target: relative numbers, its number on the wire, and when it was captured.

    `tells`: it has no text, and says that there is urgent text; no sentence says when that may be, or may not.
    """

    segment: Segment
    raw_seq: int
    time: int
    tells: bool = False


@dataclass(slots=True)
class Spending:
    """When a target has last sent what may count against a limit of its answers (RFC 5961 §7), in nanoseconds."""

    last: float = -math.inf


class History:
    """One connection, from outside. `own_salt` and `peer_salt` tell the two streams from others.

    `spending` is shared by all connections whose answers one limit holds back, `pace` by all of a conversation.
    """

    def __init__(
        self,
        *,
        policies: Collection[Policy] = DEFAULT,
        traits: Traits | None = None,
        own_salt: int = 0,
        peer_salt: int = 0,
        now: int = 0,
        spending: Spending | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.policies = frozenset(policies)
        self.traits = traits or Traits()
        self._waiting = Waiting(pace or Pace(self.traits))
        self.worlds: list[World] = [World(Connection(CLOSED), fate=Fate.ORDERLY, told=True, accepted=True)]
        self.now = now
        self.lost = False
        #: What breaks a recommendation and leaves the worlds as they are.
        self.remarks: list[Fall] = []
        #: What an edge-triggered look has to tell; None until there is a socket that is asked.
        self.edges: Edges | None = None
        #: A call of recv() waits, so that what arrives is read at once.
        self.reader_waits = False
        #: Text was read that RECEIVE has not given yet, to find out whose connection it is.
        self.read_ahead = False
        #: A call has shown that SEND takes no more, and not all of it was acknowledged since.
        self._full = False
        self._own_salt, self._peer_salt = own_salt, peer_salt
        self._spending = spending or Spending()

    # --- what happened -----------------------------------------------------------------------------------------------

    def arrives(
        self, segment: Segment, now: int, sent: Sequence[Sent], state: State | None, *, crowded: bool = False
    ) -> None:
        """A segment of the peer has arrived; the target has sent this because of it, and is in this state.

        `crowded`: more connections wait than the listener has promised to queue, so that it may drop a request, or the
        acknowledgment that would establish one, as if it had been lost, or answer it by a cookie; or nobody listens for
        the time being, and a request is answered as in CLOSED.
        """

        def steps(world: World) -> Iterable[Step]:
            if world.by_cookie:
                found = list(cookies.arrives(world, segment, now, self.policies))
            else:
                found = arrive(world, segment, now, self.policies)
            if self.reader_waits:
                found = [replace(step, spare=True) for step in found]
            request = (world.over or world.state is TIME_WAIT) and segment.flags & SYN
            early = request or (world.state is SYN_RECEIVED and not world.accepted)
            if not (crowded and early):
                return found
            unheard = arrive(world.with_connection(listener_open=False), segment, now, self.policies) if request else ()
            baked = cookies.instead(found) if request else ()
            return [*found, *baked, Step(world), *(replace(step, world=world) for step in unheard)]

        longest = self._waiting.longest(now, self.worlds)
        self._settle(steps, now, sent, state)
        self._waiting.pace.answered_in(longest)

    def calls(
        self, name: str, octets: int, answer: Answer, now: int, sent: Sequence[Sent], state: State | None
    ) -> None:
        """The application has made a call and got this answer."""

        def steps(world: World) -> Iterable[Step]:
            return call(world, name, octets, answer, now, self._peer_salt)

        unread = name in ("close", "begin-close") and not self.read_ahead and self.every(_has_unread_text)
        self._settle(steps, now, sent, state, asking=name in CALLS_THAT_ASK)
        if unread and not any(each.segment.flags & RST for each in sent):
            cites = ("RFC 9293 §3.6.1", "SHLD-3")
            fall = Fall(
                Broken.SILENT, "a reset: text is lost that nobody has read", "", cites, "close-unread", must=False
            )
            self.remarks.append(fall)
        self._full = (self._full or no_room(name, octets, answer)) and not (answer.ready or 0) & OUT
        if name == "edges" and self.edges is not None and not self.lost:
            self.edges.looked(answer.ready or 0, self.worlds)

    def hears_error(self, seq: int, now: int, sent: Sequence[Sent], state: State | None, *, hard: bool) -> None:
        """An ICMP error has come that quotes the target's number `seq`; `hard` ones say that nobody is there."""
        self._settle(lambda world: errors.hears(world, seq, hard=hard), now, sent, state)

    def waits(self, waiting: Call, now: int) -> None:
        """A call goes on waiting; raises Fall if it must have returned in all worlds."""
        if self.lost:
            return
        found = [world for world in self.worlds if may_wait(world, waiting, now)]
        if not found:
            due, cites = f"{waiting.name}() to return", ("RFC 9293 §3.9.1.8",)
            raise Fall(Broken.WRONG_ANSWER, due, "it waits", cites, f"waiting/{waiting.name}")
        self.worlds = found

    def passes(self, now: int, sent: Sequence[Sent], state: State | None, *, spare: bool = False) -> None:
        """Time has passed, and this has come by itself; `spare`: somebody may have read, so that the window grew."""
        if not sent and not spare and self.edges is None and self._rests(now, state):
            self.now = max(self.now, now)
            self._note(self._waiting.overdue(now, self.worlds))
            return
        # What comes by itself at the very end may be followed by more: who repeats for the last time may end with it.
        self._settle(lambda world: (Step(world, spare=spare),), now, sent, state, by_itself=not spare)

    def listens(self, listening: bool) -> None:
        """A listener for the connection's local end has come or gone. What had not been accepted goes with it."""
        found: list[World] = []
        for world in self.worlds:
            changed = world.with_connection(listener_open=listening)
            if world.before is not None:
                changed = replace(changed, before=world.before.with_connection(listener_open=listening))
            if listening or world.accepted or world.state is CLOSED or world.by_cookie:
                found.append(changed)
            else:
                # RFC 9293 §3.10.4 has no queue: with the listener its connections may be reset, or live on.
                left = replace(changed, forsaken=True)
                found += [left, changed.ended(Fate.DROPPED), changed.rests(Fate.DROPPED, self.now)]
                if changed.before is not None:  # MAY-2 (2), with a reset for the new one or without
                    found += [changed.before, replace(changed.before, fate=Fate.DROPPED)]
        self.worlds = list(dict.fromkeys(found))

    def accepted(self) -> None:
        """The application has got this connection from its listener."""
        self.worlds = [replace(world, accepted=True) for world in self.worlds]

    def tells(self) -> None:
        """The application has heard how the connection ended."""
        self.worlds = list(dict.fromkeys(replace(world, told=True) for world in self.worlds))

    # --- what may be -------------------------------------------------------------------------------------------------

    @property
    def states(self) -> frozenset[State]:
        """The states that are possible."""
        return frozenset(world.state for world in self.worlds)

    def may_show(self, state: State | None) -> bool:
        """Tell whether a snapshot that shows a state is no surprise."""
        shown = {state, CLOSED} if state is LISTEN else {state}
        return state is None or self.lost or self.some(lambda world: world.by_cookie or world.state in shown)

    def every(self, holds: Callable[[World], bool]) -> bool:
        """Tell whether something holds in all worlds."""
        return all(map(holds, self.worlds))

    def some(self, holds: Callable[[World], bool]) -> bool:
        """Tell whether something holds in one world at least."""
        return any(map(holds, self.worlds))

    # --- narrowing ---------------------------------------------------------------------------------------------------

    def _settle(
        self,
        steps: Callable[[World], Iterable[Step]],
        now: int,
        sent: Sequence[Sent],
        state: State | None,
        *,
        asking: bool = False,
        by_itself: bool = False,
    ) -> None:
        if self.lost:
            return
        self.now = max(self.now, now)
        self._note(self._waiting.overdue(min([now, *(each.time for each in sent)]), self.worlds))
        own = len(sent) if by_itself else sum(each.time < now for each in sent)
        found, falls = self._narrowed(steps, now, sent, own, state)
        # In real time a timer may end between the look at the clock and the event: what it sends stands in front then.
        while not found and own < len(sent) and sent[own].time > now:
            own += 1
            found, _falls = self._narrowed(steps, now, sent, own, state)
        if not found:
            raise max(falls, key=lambda each: (each[0], each[1].must))[1]
        self._spending.last = max([self._spending.last, *(each.time for each in sent if each.segment.is_bare_ack)])
        former, self.worlds = self.worlds, list(found)
        self._waiting.stands(now, [each.time for each in sent], self.worlds)
        self._note(behind_a_window_taken_back(former, self.worlds, [each.segment for each in sent]))
        self._full = self._full and not self.some(lambda world: world.closing)  # who SENDs then is refused, in any case
        if self.edges is not None and not asking:
            self.edges.changed(former, self.worlds, OUT if self._full else 0)
        self._full = self._full and self.some(lambda world: world.outstanding)
        if len(found) > LIMIT:
            self.lost = True

    def _note(self, remark: Fall | None) -> None:
        """Keep what breaks a recommendation, once."""
        if remark is not None and remark not in self.remarks:
            self.remarks.append(remark)

    def _narrowed(
        self, steps: Callable[[World], Iterable[Step]], now: int, sent: Sequence[Sent], own: int, state: State | None
    ) -> tuple[dict[World, None], list[tuple[int, Fall]]]:
        """Return the worlds that are left, and how the others fell; `own` segments came before the event."""
        found: dict[World, None] = {}
        falls: list[tuple[int, Fall]] = []
        for world in self._aged(sent[:own], now, falls):
            try:
                following = list(steps(world))
            except Fall as fall:
                falls.append((own, fall))
                continue
            for step in following:
                try:
                    for ended in self._explained(step, sent[own:], now):
                        found[self._in_state(ended, state)] = None
                except _Fallen as fallen:
                    falls.append((own + fallen.explained, fallen.fall))
                except Fall as fall:
                    # That the connection was gone before is not what a target is told that shows another state.
                    falls.append((own - 1 if world.over else len(sent) + 1, fall))
        return found, falls

    def _rests(self, now: int, state: State | None) -> bool:
        """Tell whether nothing can have happened by now, in any world: what most connections do at most steps."""
        return not self.lost and all(
            state in (None, world.state) and is_at_rest(world, now, self.traits) for world in self.worlds
        )

    def _aged(self, sent: Sequence[Sent], now: int, falls: list[tuple[int, Fall]]) -> Iterator[World]:
        """Yield the worlds at `now`, through what the target has sent by itself until then."""
        worlds = list(self.worlds)
        for index, each in enumerate((*sent, None)):
            time = each.time if each is not None else now
            following: dict[World, None] = {}
            for world in worlds:
                for aged in self._grown(world, time, index, falls):
                    try:
                        following[self._said(aged, each)] = None
                    except Fall as fall:
                        falls.append((index, fall))
            worlds = list(following)
        yield from worlds

    def _grown(self, world: World, time: int, index: int, falls: list[tuple[int, Fall]]) -> list[World]:
        try:
            return list(age(world, time, self.traits))
        except Fall as fall:
            falls.append((index, fall))
            return []

    def _said(self, world: World, sent: Sent | None) -> World:
        """Return the world behind a segment that came by itself; raises Fall."""
        if sent is None:
            return world
        return self._with(Open(world), sent).world

    def _with(self, at: Open, sent: Sent) -> Open:
        """Return what is left when the target has sent a segment; raises Fall."""
        try:
            return explain(at, sent.segment, sent.raw_seq, sent.time, self._own_salt)
        except Fall as fall:
            if sent.tells and fall.code is Broken.EXTRA and not at.owed:
                return at
            raise

    def _explained(self, step: Step, sent: Sequence[Sent], now: int) -> Iterator[World]:
        reaction = step.reaction
        at = Open(
            step.world,
            step.owed,
            step.deferrable,
            step.low_ack,
            reaction.cites if reaction else (),
            reaction.rule if reaction else "",
            step.spare,
            step.reset,
        )
        for index, each in enumerate(sent):
            try:
                at = self._with(at, each)
            except Fall as fall:
                raise _Fallen(index, fall) from None
        missing = unmet(at)
        if missing is not None:
            held_back = missing.flags == ACK and not step.deferrable and self._holds_back(now)
            if held_back or step.level is not Level.MUST:
                yield at.world
                return
            cites = reaction.cites if reaction else ("RFC 9293 §3.10",)
            # A reset in the place of what is missing in front of it explains nothing.
            resets = sum(bool(due.flags & RST) for due in step.owed) - sum(bool(due.flags & RST) for due in at.owed)
            raise _Fallen(len(sent) - resets, Fall(Broken.SILENT, named(at.owed), "", cites, at.rule))
        yield delayed(at.world, now, self.traits) if at.owed else at.world

    def _holds_back(self, now: int) -> bool:
        """Tell whether an acknowledgment may be missing because another one was sent not long ago."""
        limit_s = self.traits.throttle_s
        return limit_s > 0 and now - self._spending.last <= limit_s * 1e9

    def _in_state(self, world: World, state: State | None) -> World:
        """Return the world if a snapshot agrees with it; raises Fall."""
        if state is None or (state in cookies.SEEN if world.by_cookie else state is world.state):
            return world
        if world.state is CLOSED and state is LISTEN:
            return world
        fall = Fall(Broken.WRONG_STATE, f"state {world.state}", str(state), ("RFC 9293 §3.3.2",), "state")
        if world.state is CLOSE_WAIT and state is LAST_ACK and world.closing:
            # The name only: what arrives is judged as in CLOSE-WAIT until the FIN has left (§3.10.4).
            cites = ("RFC 9293 §3.10.4",)
            fall = Fall(fall.code, fall.due, fall.seen, cites, "last-ack-before-the-fin", must=False)
            self._note(fall)
            return world
        raise fall


def _has_unread_text(world: World) -> bool:
    return world.available > 0 and world.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT)


class _Fallen(Exception):
    """A world that fell over the target's segments, and how many it had explained before."""

    def __init__(self, explained: int, fall: Fall) -> None:
        super().__init__(str(fall))
        self.explained = explained
        self.fall = fall

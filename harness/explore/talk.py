"""Plays a plan on a rig and lets the judge follow: every call, segment and stretch of time, on every connection.

A talk is a generator that yields its waits, as timer cases are, so that many can wait side by side in real time; in
virtual time `play` lets the time pass at once. A Fall of a history becomes a finding of the conversation.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from harness.case.conversation import Conversation
from harness.case.rig import Rig
from harness.case.timers import Wait, Waits
from harness.case.violation import Code
from harness.explore import icmp_errors, option_checks
from harness.explore.application import Application, waits_ended
from harness.explore.beginning import begin
from harness.explore.link import Link, replace_numbers, sent_by
from harness.explore.pieces import Pieces
from harness.explore.plan import Move, Plan, Special, unrolled
from harness.explore.promises import Promise
from harness.explore.refusals import Refusals
from harness.explore.remains import Remains, left, unread
from harness.explore.waiting import PREFIX, WaitingCalls
from harness.fuzz.steps import USUAL_WINDOW, Call, Position, Probe
from harness.spec.history.answers import Answer
from harness.spec.history.fall import Fall
from harness.spec.history.history import Sent, Spending
from harness.spec.history.pace import Pace
from harness.spec.history.readiness import CITES
from harness.spec.history.world import Traits
from harness.spec.policy import Policy
from harness.spec.segment import ACK, RST, SYN, URG, Segment
from harness.spec.states import CLOSED, LISTEN, SYN_RECEIVED, TIME_WAIT
from harness.spec.values import replace
from harness.trace.events import Kind
from harness.wire import codec

#: How long `await` waits for the target to speak, in seconds: longer than the RTOs that stacks come to by doubling.
AWAIT_S = 600.0
#: So many segments, so large, fill a window.
FILLING, FULL_SIZED = 200, 1400
#: A clock that stands still so often in a row has stopped.
STILL = 1000
#: So many connections are looked at even if they have come to their end.
AT_ONCE = 6
#: What the ladder says of a call without a socket, and where a conversation is compared with its twin from.
NOT_POSSIBLE = "= not possible here"
MARKED = "from here on as in the twin"


class Talk:
    """One conversation in play."""

    def __init__(
        self,
        rig: Rig,
        version: int,
        plan: Plan,
        *,
        name: str,
        policies: frozenset[Policy],
        traits: Traits,
        salt: int = 0,
    ) -> None:
        self.rig = rig
        self.version = version
        self.plan = plan
        self.policies = policies
        self.traits = traits
        self.conversation: Conversation = rig.begin(version, name=name)
        #: What a limit for the whole host holds back may have been spent before.
        self.spending = Spending(self._now()) if traits.throttles_host else None
        self.pace = Pace(traits)
        #: Connections by number, without those that have come to their end so long ago that nobody looks at them any
        #: more, and all.
        self.links: dict[int, Link] = {}
        self.all_links: dict[int, Link] = {}
        self._by_index: dict[int, Link] = {}
        #: The plan has been played: what is still looked at stays so.
        self.ending = False
        self.refusals = Refusals(self.conversation)
        self.application = Application(rig.target, self.links, self.all_links, self.refusals.refuse)
        self.application.inline = any(isinstance(move.step, Probe) and move.step.flags & URG for move in plan)
        self.waiting = WaitingCalls(self.application, self.refusals.fallen, self._told)
        self._promise: Promise | None = None
        self.pieces = Pieces()
        #: Sockets of former connections of which something was left to read when another took their place.
        self.remains: list[Remains] = []
        #: How many segments the target has sent in each move, by link: what `loss` can lose.
        self.replies: list[tuple[int, int]] = []
        #: How many events belong to the plan; the rest is the epilogue's.
        self.planned = 0
        self.ended_ns = 0
        #: The states that the target showed at the plan's end, by connection.
        self.states: tuple[str, ...] = ()
        #: Nothing was under way at the mark, so that what follows can be compared.
        self.settled = True
        #: The connection was in TIME-WAIT at the mark, which a request may open again or not (MAY-2).
        self.rested = False
        #: Settings of the target that hold until the talk is over.
        self.chosen = ExitStack()
        self.salt = salt

    # --- the plan ----------------------------------------------------------------------------------------------------

    def run(self) -> Waits:
        """Play all moves."""
        for at, move in unrolled(self.plan):
            self.conversation.step_name = f"move {at + 1}"
            link = self.link(move.link, move.like)
            before = len(link.connection.received)
            yield from self.make(link, move)
            self.replies.append((at, len(link.connection.received) - before))
            self.planned, self.ended_ns = len(self.conversation.events), self._now()
        shown = [link.state for link in self.links.values()]
        self.states = tuple(map(str, shown)) if None not in shown else ()

    def make(self, link: Link, move: Move) -> Waits:
        """Make one move."""
        step = move.step
        if isinstance(step, Probe) and link.holds:
            link.hold(link.view.segment(step))
        elif isinstance(step, Probe):
            self.inject(link, link.view.segment(step))
        elif isinstance(step, Call):
            self.call(link, step.name, step.octets or 0)
        else:
            yield from self._special(link, step)

    def _special(self, link: Link, step: Special) -> Waits:
        if step.name == "lose":
            link.losing = step.amount
        elif step.name == "wait":
            yield from self.let_pass(step.amount / 1000)
        elif step.name == "clock":
            yield from self.let_pass((step.amount - self._now() // 1_000_000) % (1 << 32) / 1000)
        elif step.name == "await":
            yield from self.let_pass(AWAIT_S, link)
        elif step.name == "fill":
            self.fill(link)
        elif step.name == "again":
            if link.last_probe is not None:
                self.inject(link, link.last_probe)
        elif step.name == "hold":
            link.holds = True
        elif step.name == "late":
            if link.held is not None:
                self.inject(link, link.late())
        elif step.name == "fresh":
            link.renew()
        elif step.name == "garbage":
            if link.view.synchronized:
                self.inject(link, link.view.garbage())
        elif step.name == "piece":
            packet = self.pieces.next(link, self._now())
            self.conversation.note(Kind.NOTE, "a fragment that stays alone", link.connection, packet)
            self._settle(link, None, [packet], lambda sent: link.history.passes(self._now(), sent, link.state))
        elif step.name == "mark":
            self.conversation.note(Kind.NOTE, MARKED, link.connection)
            self.settled = link.history.every(lambda world: world.opening or world.over or not world.outstanding)
            self.rested = TIME_WAIT in link.history.states
        elif step.position is not None:
            self._error(link, step.name, step.position)
        else:
            yield from self.recover(link)

    def link(self, number: int, like: Sequence[str] = ()) -> Link:
        """Return a connection by its number; it begins with the first word about it."""
        link = self.all_links.get(number)
        if link is None:
            self._retire()
            link = self.links[number] = self.all_links[number] = begin(self, number, like)
            self._by_index[link.connection.index] = link
        elif not self.ending and all(
            other.connection.tuple4 != link.connection.tuple4 for other in self.links.values()
        ):
            self.links[number] = link  # nobody looked at it any more, and there is more about it
            self.conversation.observed.append(link.connection)
        return link

    def _retire(self) -> None:
        """Look no more at the connection that began some time ago, if there is nothing left to come of it."""
        if len(self.all_links) <= AT_ONCE or self.ending:
            return
        link = next(itertools.islice(reversed(self.all_links.values()), AT_ONCE - 1, None))
        ended = link.app is None and link.history.every(
            lambda world: world.over or (world.state is TIME_WAIT and world.ack_by is None)
        )
        if ended and not link.history.some(lambda world: world.queued) and link.number in self.links:
            del self.links[link.number]
            self.conversation.observed.remove(link.connection)

    # --- what the peer does ------------------------------------------------------------------------------------------

    def inject(self, link: Link, segment: Segment) -> None:
        """Send a segment of the peer, and judge all that comes of it."""
        link.last_probe, self._promise = replace(segment), None
        link.connection.begin_step()
        link.view.sent(segment)
        link.permits_blocks |= option_checks.permits_blocks(segment)
        packet = codec.encode(link.connection.path, link.connection.to_wire(replace(segment)))
        event = self.conversation.note(Kind.SENT, "", link.connection, packet)
        event.segment = segment
        packets = self.pieces.shaped(packet, link.form, self._now())
        event.annotations += [f"({link.form})"] if link.form else []
        end, arrived = self.application.end_of(link), replace_numbers(segment)
        crowded, now, ended = self.application.is_crowded(end), self._now(), waits_ended(link)
        rest = unread(link, segment)
        if segment.flags & SYN and link.app is not None and link.history.every(lambda world: world.over):
            self.call(link, "close")  # whoever opens anew has done with the connection before
        self._settle(
            link, now, packets, lambda sent: link.history.arrives(arrived, now, sent, link.state, crowded=crowded)
        )
        if segment.flags & ACK and not segment.flags & (SYN | RST) and not link.history.lost:
            link.view.acknowledged(min((world.connection.snd_una for world in link.history.worlds), default=0))
        if ended and not waits_ended(link):
            self.application.ghosts[end] += 1
        if segment.flags & SYN and link.app is not None and link.history.every(lambda world: not world.accepted):
            self.remains += left(link, rest)  # of a connection in TIME-WAIT that has been reopened
            link.app = None
        if segment.flags & SYN and link.app is None and link.history.every(lambda world: not world.accepted):
            link.accepted = False
            self.application.inherit(link, self._now())

    def _error(self, link: Link, name: str, position: Position) -> None:
        """Send an ICMP error that quotes this number of the target."""
        made, now = icmp_errors.packet(link, name, position), self._now()
        if made is None:
            return
        seq, packet = made
        self._promise = None
        self.conversation.note(Kind.NOTE, f"{icmp_errors.PREFIX}{name}, about SEQ={seq}", link.connection, packet)
        hard = name == "hard"
        self._settle(link, now, [packet], lambda sent: link.history.hears_error(seq, now, sent, link.state, hard=hard))

    # --- what the application does -----------------------------------------------------------------------------------

    def call(self, link: Link, name: str, octets: int = 0) -> Answer:
        """Make a call at the target and judge its answer."""
        event = self.conversation.note(Kind.CALL, f"{name}({octets or ''})", link.connection)
        now = self._now()
        promise, self._promise = self._promise, None
        ended = name.endswith("connect") and waits_ended(link)
        link.history.read_ahead = bool(link.early)
        judged, answer = self._perform(link, name, octets, now)
        if answer is None:
            event.annotations.append(NOT_POSSIBLE)
            return Answer("EBADF")
        if str(answer) != "ok":
            event.annotations.append(f"= {answer}")
        if promise is not None and (broken := promise.broken(link, name, answer)) is not None:
            self.refusals.refuse(link, Code.WRONG_ANSWER, *broken, CITES)
        if judged in ("", "listen", "unlisten", "accept", "poll-listener"):
            read = judged in ("", "accept")  # of what may be an ended connection's socket
            self._settle(link, now, (), lambda sent: link.history.passes(now, sent, link.state, spare=read), spare=read)
        else:
            self._settle(link, now, (), lambda sent: link.history.calls(judged, octets, answer, now, sent, link.state))
        if ended and not waits_ended(link):
            self.application.ghosts[self.application.end_of(link)] += 1
        if answer.ready is not None and name != "edges":
            self._promise = Promise(link, name, answer.ready)
        return answer

    def _perform(self, link: Link, name: str, octets: int, now: int) -> tuple[str, Answer | None]:
        """Make a call; return the judge's name for it, "" where a history has nothing to say about it."""
        if self.waiting.forbid(link, name):
            return name, None
        if not name.startswith(PREFIX):
            return name, self.application.call(link, name, octets)
        begun = self.waiting.begin(link, name, octets, now)
        return begun if begun is not None else (name, None)

    def _told(self, link: Link, words: str, answer: str) -> None:
        event = self.conversation.note(Kind.CALL, words, link.connection)
        event.annotations += [f"= {answer}"] if answer else []

    # --- time --------------------------------------------------------------------------------------------------------

    def let_pass(self, seconds: float, until_heard: Link | None = None) -> Waits:
        """Let time pass; with `until_heard` only until the target sends something on that connection."""
        self.conversation.note(Kind.WAIT, f"up to {seconds:g} s pass" if until_heard else f"{seconds:g} s pass")
        deadline, still = self._now() + int(seconds * 1e9), 0
        while (now := self._now()) < deadline and still < STILL:
            heard = len(until_heard.connection.received) if until_heard else 0
            yield Wait(deadline, until_heard.connection if until_heard else None)
            self._pass()
            if until_heard and len(until_heard.connection.received) > heard:
                return
            still = still + 1 if self._now() == now else 0

    def _pass(self) -> None:
        self._promise = None
        link = self.links[min(self.links)]
        self._settle(link, None, (), lambda sent: link.history.passes(self._now(), sent, link.state))

    def fill(self, link: Link) -> None:
        """Send text as a peer does, no more than fits the window, until that is shut."""
        view = link.view
        for _each in range(FILLING):
            room = view.edge - view.sent_end
            if room <= 0 or view.peer_fin is not None or not view.synchronized:
                return
            self.inject(link, view.segment(Probe(ACK, Position("p"), Position("r"), min(room, FULL_SIZED))))

    def recover(self, link: Link, rounds: int = 12) -> Waits:
        """Do as a TCP does whose segments were lost, until nothing is missing at the peer; losses go on until then."""
        for _round in range(rounds):
            missing_there = link.view.rcv_nxt < link.view.sent_end if link.view.synchronized else link.view.sent_end
            if missing_there and link.last_probe is not None and link.last_probe.length:
                self.inject(link, link.last_probe)
            if not self.missing_here(link):
                break
            got = link.view.got
            yield from self.let_pass(AWAIT_S, link)
            if link.view.synchronized and link.view.got > got and self.missing_here(link):
                self.inject(link, self._acknowledging(link))
        link.losing = 0

    def _acknowledging(self, link: Link) -> Segment:
        """Return an acknowledgment of what has come in order; the window is what it was."""
        window = link.last_probe.window if link.last_probe is not None else USUAL_WINDOW
        made = link.view.segment(Probe(ACK, Position("p"), Position("r")))
        return replace(made, window=window)

    def missing_here(self, link: Link) -> bool:
        """Tell whether the target has sent something on this connection that the peer has not got."""
        return link.history.every(lambda world: not world.over and world.connection.snd_nxt > max(link.view.got, 0))

    # --- judging -----------------------------------------------------------------------------------------------------

    def _settle(
        self,
        about: Link,
        now: int | None,
        packets: Iterable[bytes],
        judge: Callable[[list[Sent]], None],
        *,
        spare: bool = False,
    ) -> None:
        told = len(self.conversation.events)
        try:
            self.conversation.step(packets)
        finally:
            seen = {link: link.take() for link in self.links.values()}
            if len(self.links) < len(self.all_links):
                seen |= {link: link.take() for link in self._late(told)}
        for link, received in seen.items():
            time = self._now() if now is None else now
            try:
                if link is about:
                    judge(sent_by(link, received))
                elif received or now is None or link.history.now < time or not link.history.may_show(link.state):
                    link.history.passes(
                        time if not received else self._now(), sent_by(link, received), link.state, spare=spare
                    )
            except Fall as fall:
                self.refusals.fallen(link, fall, received)
            self.refusals.check(link, received)
            self.refusals.remark(link)
            link.see(received)
            self._look(link)
        self.waiting.look(self._now())

    def _late(self, told: int) -> list[Link]:
        """Return connections that have spoken since so many events though nobody looks at them any more."""
        spoke = {event.connection for event in self.conversation.events[told:] if event.kind is Kind.RECEIVED}
        return [link for index in spoke if (link := self._by_index.get(index)) and link.number not in self.links]

    def _look(self, link: Link) -> None:
        states = link.history.states
        state = link.state or (next(iter(states)) if len(states) == 1 else None)
        if state in (LISTEN, CLOSED) and link.history.some(lambda world: world.by_cookie):
            state = SYN_RECEIVED  # of a connection that begins by a cookie nothing is to be seen, but its SYN,ACK came
        link.looks(state)
        if not link.history.some(lambda world: world.queued):
            link.established_at = 0
        elif not link.established_at:
            link.established_at = len(self.conversation.events)

    def _now(self) -> int:
        return self.rig.target.clock.now_ns()

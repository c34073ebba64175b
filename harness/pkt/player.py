"""Plays a script on a target: each event at its time, each line held against what comes.

A player is a generator of waits, as a timer case is, so that where time is real many scripts wait side by side.
Whatever the target sends must be a line of the script: what comes before, between and behind them is a difference too.
"""

from harness.case.conversation import Conversation
from harness.case.timers import Wait, Waits
from harness.case.violation import Code
from harness.pkt import shell
from harness.pkt.assertions import Assertion, BadAssertion, UnknownField
from harness.pkt.calling import Calling
from harness.pkt.calls import Application
from harness.pkt.descriptors import MTU, Doubt, Stage
from harness.pkt.differences import Differences
from harness.pkt.injection import Peer
from harness.pkt.lines import Lines
from harness.pkt.schedule import NS, Schedule
from harness.pkt.settings import LARGEST_OF_A_ROUTE, Settings
from harness.pkt.support import PATH_MTU, Unsupported
from harness.pkt.tree import Call, Event, Icmp, Script, Shell, TcpSegment, Udp
from harness.pkt.tree import Code as Snippet
from harness.spec.states import State
from harness.trace.events import Kind

#: The setting that a socket can have for itself.
CONGESTION = "net.ipv4.tcp_congestion_control"
#: The field that a kernel counts for calls that wait in it, which those of scripts do not.
_WAITING = "tcpi_sndbuf_limited"


class Player:
    """One run of a script. `stage.left_out` counts what was not asserted."""

    def __init__(self, script: Script, stage: Stage, schedule: Schedule, settings: Settings) -> None:
        self.script = script
        self.stage = stage
        self.schedule = schedule
        self.settings = settings
        self.application = Application(stage)
        self.peer = Peer(stage)
        self._differences = Differences(script.name, stage, script.events[0])
        self.lines = Lines(stage, schedule, self.peer, self._differences)
        self.calling = Calling(stage, schedule, self.application, self.lines, self._differences)
        self.lines.meanwhile = self.calling.try_again
        self.lines.pause = self.calling.pause
        #: When the peer or the application began what they do.
        self._acts_ns = 0
        #: Whether nothing is judged any more, so that a long sleep is for somebody who looks.
        self._looked_at = False

    @property
    def conversation(self) -> Conversation:
        """Its events and findings."""
        return self.stage.conversation

    @property
    def event(self) -> Event:
        """The event that is under way, or that has failed."""
        return self._differences.event

    def play(self) -> Waits:
        """Play the script to its end; raises Violation and Unsupported."""
        __tracebackhide__ = True
        if shell.asks_for_counters(self.script):
            self.settings.count()
        if self.stage.mtu != MTU:
            self._set_mtu(self.stage.mtu)
        if self.script.opens_fast:
            self.settings.forget_hosts(self.event.place)
        last = max(
            (at for at, event in enumerate(self.script.events) if not isinstance(event.action, Shell)), default=0
        )
        last_judged = shell.last_judged(self.script)
        for at, event in enumerate(self.script.events):
            self.settings.over, self._looked_at = at > last, at > last_judged
            yield from self._reach(event)
            self._begin(event)
            yield from self._perform(event)
            if not isinstance(event.action, TcpSegment) or event.action.inbound:
                self.schedule.took_ns = self.stage.now_ns() - self._acts_ns
        yield from self.calling.finish()
        self.conversation.step_name = f"{self.script.name}: behind its last line"
        yield from self.lines.tail()
        self.conversation.finished = True
        self.conversation.told = len(self.conversation.events)

    # --- time ---------------------------------------------------------------------------------------------------------

    def _reach(self, event: Event) -> Waits:
        """Let time pass until an event is due, unless it is a line: that comes by itself."""
        if isinstance(event.action, TcpSegment) and not event.action.inbound:
            return
        due = self.schedule.due_ns(event.time)
        pending = self.calling.pending
        over = pending is not None and pending.stop_ns is not None and self.calling.latest_ns(pending) < due
        if isinstance(event.action, Call) or over:
            yield from self.calling.finish()
            due = self.schedule.due_ns(event.time)
        yield from self._wait_until(due)
        self._acts_ns = now = self.stage.now_ns()
        self.schedule.latest_ns = max(self.schedule.latest_ns, now - due)
        self.schedule.happened(due, now)

    def _wait_until(self, until_ns: int) -> Waits:
        while (now := self.stage.now_ns()) < until_ns:
            yield Wait(self.calling.pause(now, until_ns), None)
            self._look()

    def _look(self) -> None:
        """Take what has come, and try the call that blocks once more."""
        __tracebackhide__ = True
        self.lines.take()
        self.calling.try_again()

    def _begin(self, event: Event) -> None:
        self._differences.event = event
        self.conversation.step_name = f"{self.script.name}:{event.place.line}"

    # --- events -------------------------------------------------------------------------------------------------------

    def _perform(self, event: Event) -> Waits:
        __tracebackhide__ = True
        action = event.action
        if isinstance(action, TcpSegment) and action.sock is not None:
            self._turn_to(action.sock)
        match action:
            case TcpSegment(inbound=True):
                connection = self.peer.send(action, event.place)
                self.lines.injected(action, connection)
                self.stage.current = connection
                self._look()
            case TcpSegment():
                yield from self.lines.expect(event, action)
            case Icmp(inbound=True):
                if action.mtu is not None and not self.stage.traits.learns_path_mtu:
                    self.stage.go_without(PATH_MTU, event.place)
                self.peer.send_icmp(action, event.place)
                self._look()
            case Icmp() | Udp():
                raise Unsupported("packets that are not TCP's", event.place)
            case Call():
                yield from self.calling.make(event, action)
            case Shell(text):
                yield from self._shell(text)
            case Snippet(text):
                self._assert(text)

    def _turn_to(self, number: int) -> None:
        """Have a line without ports be about the connection of a descriptor."""
        descriptor = self.application.table.get(number, self.event.place)
        if descriptor is not None and descriptor.connection is not None:
            self.stage.current = descriptor.connection

    # --- commands and assertions --------------------------------------------------------------------------------------

    def _shell(self, text: str) -> Waits:
        __tracebackhide__ = True
        if self.settings.execute is not None:
            self._run_command(text)
            return
        for meaning in self.settings.meanings(text, self._differences.event.place):
            if self._looked_at and meaning.sleep_s > shell.HOLD_S:
                continue
            if meaning.sleep_s:
                yield from self._wait_until(self.stage.now_ns() + int(meaning.sleep_s * NS))
                self.schedule.happened(self.schedule.previous_ns, self.stage.now_ns())
            elif meaning.state is not None:
                self._judge_states(*meaning.state)
            elif meaning.mtu is not None:
                self._set_mtu(meaning.mtu)
            elif meaning.counts:
                self.settings.count()
            elif meaning.counter is not None:
                self._judge_counter(*meaning.counter)
            elif meaning.drops:
                self.lines.called()
            elif meaning.forgets and self.script.opens_fast:
                self.settings.forget_hosts(self.event.place)
            self._doubt_settings()

    def _doubt_settings(self) -> None:
        """Note the settings that could not be made: how fast text is sent may come of them, or everything."""
        for found, of_all in ((self.settings.unmade, False), (self.settings.lacking, True)):
            for setting in found:
                if setting.name == CONGESTION and self.stage.controls_congestion_by(setting.value):
                    continue
                construct = f"sysctl {setting.name}={setting.value}"
                self.stage.doubts.append(Doubt(construct, self.event.place, of_all=of_all))
            found.clear()

    def _run_command(self, text: str) -> None:
        """Run a command in the target's namespace; one that fails ends the script, as packetdrill has it."""
        __tracebackhide__ = True
        assert self.settings.execute is not None
        shown = " ".join(text.split())
        code, output = self.settings.execute(text)
        self.conversation.note(Kind.NOTE, f"`{shown}` = {code}")
        self.conversation.step()
        self.lines.take()
        if code:
            seen = f"it ends with {code}: {output.strip()}".rstrip(": ")
            self._differences.fail(Code.WRONG_ANSWER, f"`{shown}` ends with 0", seen, self._differences.event)

    def _set_mtu(self, mtu: int) -> None:
        """Set the MTU to the peer; text that does not fit the wire itself is lost on its way."""
        self.stage.mtu = mtu
        self.settings.set_mtu(self.stage.version, mtu, self.event.place)
        if mtu > MTU:
            self.stage.doubts.append(Doubt(f"an MTU of {mtu}", self.event.place, of_all=mtu > LARGEST_OF_A_ROUTE))

    def _judge_counter(self, name: str, due: int | None, anew: bool) -> None:
        __tracebackhide__ = True
        self.conversation.step()
        self.lines.take()
        seen = self.settings.grown(name, self.event.place)
        if anew:
            self.settings.count()
        if not seen or due not in (None, seen):  # `nstat` does not print what has not grown
            told = "at least 1" if due is None else str(due)
            self._differences.fail(Code.WRONG_ANSWER, f"{told} {name}", f"{seen}", self.event)

    def _judge_states(self, state: State, count: int | None) -> None:
        __tracebackhide__ = True
        self.conversation.step()
        self.lines.take()
        snapshots = [self.conversation.rig.snapshot(each.tuple4) for each in self.conversation.connections]
        if any(snapshot is None for snapshot in snapshots):
            self.stage.left_out["state"] += 1
            return
        own = [each for each in snapshots if each is not None]
        if state is State.LISTEN:
            seen = self._listening()
        elif state is State.CLOSED:  # the place of a connection that has ended may be the listener's again
            held, over = self.application.table.has_socket_of, (State.CLOSED, State.LISTEN)
            each_with = zip(self.conversation.connections, own, strict=True)
            seen = sum(1 for each, snapshot in each_with if held(each) and snapshot.state in over)
        else:
            seen = sum(1 for snapshot in own if snapshot.state is state)
        due = "at least 1" if count is None else str(count)
        if (seen < 1) if count is None else (seen != count):
            now = ", ".join(str(State.LISTEN if each.listening else each.state) for each in own)
            self._differences.fail(Code.WRONG_STATE, f"{due} in {state}", f"{seen}: {now}", self._differences.event)

    def _listening(self) -> int:
        """Return on how many of the script's ports the target listens: asked of pairs of ports that nobody uses."""
        rig = self.conversation.rig
        unused = 1 + max(each.tuple4.peer_port for each in self.conversation.connections)
        by_port = {each.tuple4.port: each.tuple4 for each in self.conversation.connections}
        snapshots = (rig.snapshot(each._replace(peer_port=unused)) for each in by_port.values())
        return sum(1 for each in snapshots if each is not None and each.listening)

    def _assert(self, text: str) -> None:
        __tracebackhide__ = True
        place = self._differences.event.place
        try:
            assertion = Assertion(text)
            table = self.application.table
            about = table.about(self.stage.current)
            fields = self.application.options.info(about, place) if assertion.names() else {}
            for due, seen in assertion.failures(fields):
                if _WAITING in due and self.stage.has_waited:
                    raise Unsupported(f"{_WAITING} behind a write() that blocks", place)
                self._differences.fail(Code.WRONG_ANSWER, due, seen or "it is not so", self._differences.event)
        except UnknownField as error:
            raise Unsupported(f"{error} of TCP_INFO", place) from None
        except BadAssertion as error:
            raise Unsupported(f"this assertion: {error}", place) from None

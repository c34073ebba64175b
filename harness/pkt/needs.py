"""What a script needs and a target has not, as far as that can be told without playing it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from harness.case.conversation import Conversation
from harness.pkt import icmp, shell
from harness.pkt.assertions import Assertion, BadAssertion
from harness.pkt.calls import Application
from harness.pkt.descriptors import Stage
from harness.pkt.fast_open import KEYS
from harness.pkt.run import Version, demand, dialect_of, symbols_of
from harness.pkt.schedule import NS
from harness.pkt.segments_options import ANY
from harness.pkt.support import PATH_MTU, Traits, Unsupported, beyond, in_words
from harness.pkt.tcp_info import KNOWN_EVERYWHERE
from harness.pkt.tree import Call, Clock, Code, Event, Icmp, Place, Script, Shell, TcpOption, TcpSegment, Udp
from harness.targets.protocol import Capability

#: Where time is real no script takes longer, in seconds.
LONGEST_S = 3600


@dataclass(frozen=True, slots=True)
class Need:
    """A construct that can't be played, and the place of the first one."""

    construct: str
    place: Place
    lacking: bool = False

    def __str__(self) -> str:
        return in_words(self.construct, self.place, lacking=self.lacking)


def unmet(script: Script, version: Version, traits: Traits, *, executes: bool = False) -> Iterator[Need]:
    """Yield what can't be played on a target with these traits, in order; `executes`: commands are run there."""
    script = script.on(traits.implementation)
    try:
        demand(script, version, traits)
    except Unsupported as reason:
        yield Need(reason.construct, reason.place, reason.lacking)
    if (too_long := _too_long(script, traits)) is not None:
        yield too_long
    application, events = _dry(script, version, traits), script.events
    for event in events:
        if executes and isinstance(event.action, Shell):
            continue
        try:
            _check(application, event, version, traits)
        except Unsupported as reason:
            yield Need(reason.construct, reason.place, reason.lacking)


def _too_long(script: Script, traits: Traits) -> Need | None:
    """Return where a script has taken longer than anybody waits, None where time is simulated, or it never does."""
    if traits.claims(Capability.VIRTUAL_TIME):
        return None
    now = 0
    last_judged = shell.last_judged(script)
    for at, event in enumerate(script.events):
        begun = now if event.time.clock is Clock.RELATIVE else 0
        until = begun + max(event.time.start_ns, event.time.end_ns)
        if isinstance(event.action, Call) and event.action.stop_ns is not None:
            until = max(until, begun + event.action.stop_ns)
        if isinstance(event.action, Shell):
            sleeps = (meaning.sleep_s for meaning in shell.meanings(event.action.text))
            until += int(sum(each for each in sleeps if each <= shell.HOLD_S or at <= last_judged) * NS)
        if until > LONGEST_S * NS:
            return Need(f"{until / NS:.0f} s where time is real", event.place)
        now = max(now, until if not event.time.is_range else begun + event.time.start_ns)
    return None


def without(script: Script, version: Version, traits: Traits) -> Iterator[str]:
    """Yield the settings and options that a script makes and the target has not: it is played without them."""
    script = script.on(traits.implementation)
    application = _dry(script, version, traits)
    last = max((at for at, event in enumerate(script.events) if not isinstance(event.action, Shell)), default=0)
    for at, event in enumerate(script.events):
        match event.action:
            case Call(function="setsockopt") as call if lacking := application.options.lacks(call, event.place):
                yield lacking
            case Icmp(mtu=int()) if not traits.learns_path_mtu:
                yield PATH_MTU
            case Shell(text) if at <= last:
                settings = (setting for meaning in shell.meanings(text) for setting in meaning.settings)
                yield from (found for setting in settings if (found := shell.outcome(setting, traits).unsupported))


def _check(application: Application, event: Event, version: Version, traits: Traits) -> None:
    action, place = event.action, event.place
    match action:
        case TcpSegment(around=around) if around:
            raise Unsupported(beyond(around), place, lacking=bool({"udp", "psp"} & set(around)))
        case TcpSegment(inbound=True, options=options) if any(_is_open(option) for option in options or ()):
            raise Unsupported("an option that the peer writes and that is left open, or takes a key", place)
        case Udp():
            raise Unsupported("packets that are not TCP's", place)
        case Icmp(inbound=False):
            raise Unsupported("packets that are not TCP's", place)
        case Icmp():
            if icmp.numbers(action, version.ip) is None or action.around:
                raise Unsupported(f"icmp {action.type} {action.code}".rstrip() + f" on IPv{version.ip}", place)
        case Code(text):
            _check_assertion(text, traits, place)
        case Shell(text):
            _check_shell(text, traits, place)
        case Call():
            application.attempt(action, place)


def _is_open(option: TcpOption) -> bool:
    if option.symbol in KEYS:
        return False
    return ANY in option.numbers or (option.name == "md5" and option.octets is None)


def _check_assertion(text: str, traits: Traits, place: Place) -> None:
    try:
        names = Assertion(text).names()
    except BadAssertion as error:
        raise Unsupported(f"this assertion: {error}", place) from None
    if not traits.is_linux and (strange := sorted(names - KNOWN_EVERYWHERE)):
        raise Unsupported(f"{strange[0]} of TCP_INFO", place, lacking=True)


def _check_shell(text: str, traits: Traits, place: Place) -> None:
    for meaning in shell.meanings(text):
        if meaning.unsupported:
            raise Unsupported(f"the command `{meaning.command[:60]}`", place)
        if meaning.mtu is not None and not traits.is_linux:
            raise Unsupported("another MTU of the wire", place, lacking=True)
        if meaning.counter is not None and not traits.is_linux:
            raise Unsupported(f"the counter {meaning.counter[0][:40]}", place, lacking=True)


def _dry(script: Script, version: Version, traits: Traits) -> Application:
    """Return an application whose calls are prepared and never made: what can't be played says so by then."""
    nowhere = cast("Conversation", None)
    stage = Stage(
        nowhere, traits, version.ip, version.mapped, dialect_of(script), symbols_of(script, version), strict=False
    )
    return Application(stage)

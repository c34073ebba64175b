"""What a target offers to a script, and the word for what it does not: `Unsupported` names construct and line."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.pkt.tree import Place
from harness.spec import options
from harness.targets.protocol import Capability, Target

#: A timer of a target that does not say how coarse it is, in seconds.
TICK_S = 0.06
#: The fact of an adapter that says how coarse its timers are, in milliseconds.
_INTERVAL = "tcp-timer-interval"
#: The fact of an adapter that names the optional calls that it has.
_CALLS = "calls"

#: What a router says of the way, and some targets do not take up (RFC 1191, RFC 8201).
PATH_MTU = "the MTU of a path"
#: A script whose lines are all for a system that is not the target's.
FOR_OTHERS = "a script for other systems alone"
#: Implementations that pay no attention to what a router says about the MTU of a path.
_NO_PATH_MTU = ("reference", "lwip", "smoltcp")

_BY_OPTION = {
    options.KIND_WINDOW_SCALE: Capability.WINDOW_SCALE,
    options.KIND_SACK_PERMITTED: Capability.SACK,
    options.KIND_SACK: Capability.SACK,
    options.KIND_TIMESTAMPS: Capability.TIMESTAMPS,
}


class Unsupported(Exception):
    """A construct that can't be played on this target: the script is not applicable there.

    `lacking`: it is understood, and the target has no such thing: a setting, a socket option, a field of TCP_INFO.
    """

    def __init__(self, construct: str, place: Place, *, lacking: bool = False) -> None:
        super().__init__(in_words(construct, place, lacking=lacking))
        self.construct = construct
        self.place = place
        self.lacking = lacking


def in_words(construct: str, place: Place, *, lacking: bool) -> str:
    """Return why a script is not applicable, with its line."""
    who = ", which the target has not" if lacking and construct != FOR_OTHERS else ""
    return f"{construct}{who} (line {place.line})"


def beyond(around: Sequence[str]) -> str:
    """Return what a segment is carried in, or has, that is not played: ``a segment in udp``."""
    carriers = [word for word in around if " " not in word]
    rest = [word for word in around if " " in word]
    said = ([f"in {', '.join(carriers)}"] if carriers else []) + ([f"with {', '.join(rest)}"] if rest else [])
    return f"a segment {' and '.join(said)}"


@dataclass(frozen=True, slots=True)
class Traits:
    """What of a target decides whether a script can be played on it."""

    implementation: str
    capabilities: frozenset[Capability]
    #: Settings that can be changed, by name; a kernel has those of its sysctls, of which none is listed.
    settings: frozenset[str] = frozenset()
    tick_s: float = TICK_S
    #: Of an adapter's optional calls those that it has.
    calls: frozenset[str] = frozenset()
    values: dict[str, str] = field(default_factory=dict)

    @property
    def is_linux(self) -> bool:
        """Whether it is a Linux kernel: sockets with all options, settings by sysctl."""
        return self.implementation == "Linux"

    @property
    def has_sockets(self) -> bool:
        """Whether its sockets take flags, options and poll()."""
        return self.is_linux or self.implementation == "reference"

    @property
    def shuts_receiving(self) -> bool:
        """Whether shutdown() has all of its three ways."""
        return self.has_sockets or "shutdown" in self.calls

    @property
    def learns_path_mtu(self) -> bool:
        """Whether it may take up what a router says about the MTU of a path (RFC 1191, RFC 8201)."""
        return self.implementation.lower() not in _NO_PATH_MTU

    @property
    def lacking(self) -> frozenset[int]:
        """The kinds of options that the target does not claim to have."""
        return frozenset(kind for kind, capability in _BY_OPTION.items() if capability not in self.capabilities)

    def claims(self, capability: Capability) -> bool:
        """Tell whether the target claims this."""
        return capability in self.capabilities


def traits_of(target: Target) -> Traits:
    """Return what a script needs to know of a target."""
    facts = target.facts
    adjustable = Capability.SETTINGS in target.capabilities
    text = facts.details.get(_INTERVAL, "").removesuffix("ms")
    tick_s = max(TICK_S, 2 * float(text) / 1000) if text.isdecimal() else TICK_S
    return Traits(
        facts.implementation,
        target.capabilities,
        frozenset(facts.sysctls) if adjustable else frozenset(),
        tick_s,
        frozenset(facts.details.get(_CALLS, "").split(",")),
        dict(facts.sysctls),
    )

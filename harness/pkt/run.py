"""A script on one target and IP version: what is played, by which profile, and how it ended."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.case.conversation import Conversation
from harness.case.timers import Waits
from harness.pkt import control, grammar, scanner
from harness.pkt.descriptors import MTU, Stage
from harness.pkt.player import Player
from harness.pkt.profile import DEFAULT, LENIENT, PACKETDRILL, Dialect, Profile
from harness.pkt.schedule import TOLERANCE_S, Schedule
from harness.pkt.settings import Settings
from harness.pkt.support import FOR_OTHERS, Traits, Unsupported, traits_of
from harness.pkt.tree import Code, Place, Script, Shell
from harness.targets.protocol import Capability, NotOffered

#: What a script may be written for, by the value of its option.
VERSIONS: Mapping[str, tuple[int, bool]] = {
    "ipv4": (4, False),
    "ipv6": (6, False),
    "ipv4-mapped-ipv6": (4, True),
    "ipv4_mapped_ipv6": (4, True),
    "ipv4-mapped": (4, True),
}
#: Words of the dialect of FreeBSD.
_BSD = ("net.inet.", "TCPS_", "sockstat", "tcpdrop", "kern.ipc", "SO_NOSIGPIPE", "kldload", "SO_DEBUG")
#: The state CLOSED as FreeBSD numbers it: Linux has no state 0.
_BSD_STATE = re.compile(r"tcpi_state\s*==\s*0\b")
#: Options that are not played, and those of them that speak of what no target here has: TCP within UDP.
_UNPLAYED = ("udp_encapsulation", "psp_udp_port", "init_scripts", "tcp_md5_secret")
_ELSEWHERE = ("udp_encapsulation", "psp_udp_port")
#: The addresses of peer and target that packetdrill gives to scripts that say none.
ADDRESSES = {4: ("192.0.2.1", "192.168.0.1"), 6: ("fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1")}
#: Who does something so much later than it is due may see what a timer does: one of 4 ms is the shortest.
LATE_NS = 3_000_000
#: Who is later than this may see it whenever the script is played: an acknowledgment is delayed by 40 ms.
VERY_LATE_NS = 20_000_000
#: What is counted, without what is said of it: the segment of ``segment of an earlier connection``.
_NOUN = re.compile(r"^(option(?= \w+ that )|.+?(?= (?:at|behind|of) |$))")
_SINGULAR_Y = re.compile(r"(?<![aeiou])y$")
#: Commands of scripts are about packetdrill's device: so the pod's has that name too.
_SECOND_NAME = "ip link property add dev t0 altname tun0"


@dataclass(frozen=True, slots=True)
class Version:
    """On which IP version a script runs, and whether the application's sockets are IPv6's with mapped addresses."""

    ip: int
    mapped: bool = False

    def __str__(self) -> str:
        return f"ipv{self.ip}" + ("-mapped" if self.mapped else "")


def load(path: Path) -> Script:
    """Read a script; raises BadScript, which names the file with its way from here."""
    try:
        return grammar.parse(path.name, scanner.load(path))
    except scanner.BadScript as error:
        here = Path.cwd()
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        raise scanner.BadScript(str(shown), error.place, error.message) from None


def versions(script: Script, chosen: Iterable[int] | None = None) -> tuple[Version, ...]:
    """Return the versions that a script asks for: its own, or else IPv4, or what was `chosen`.

    Raises BadScript for one that there is not.
    """
    asked = script.options.get("ip_version")
    if asked is None:
        return tuple(Version(ip) for ip in chosen) if chosen else (Version(4),)
    if asked not in VERSIONS:
        known = ", ".join(list(VERSIONS)[:3])
        raise scanner.BadScript(
            script.name, script.places["ip_version"], f"--ip_version={asked[:24]}: expected one of {known}"
        )
    ip, mapped = VERSIONS[asked]
    return (Version(ip, mapped),) if not chosen or ip in chosen else ()


def dialect_of(script: Script, chosen: str | None = None) -> Dialect:
    """Return whose symbols a script uses: what was chosen, or what its words tell."""
    if chosen:
        return Dialect(chosen)
    texts = [event.text if not isinstance(event.action, Shell | Code) else event.action.text for event in script.events]
    tells = any(word in text for text in texts for word in _BSD) or any(map(_BSD_STATE.search, texts))
    return Dialect.BSD if tells else Dialect.LINUX


def symbols_of(script: Script, version: Version) -> Mapping[str, str]:
    """Return the symbols that a script defines, and those that its runner does."""
    return {**control.SYMBOLS[6 if version.mapped else version.ip], **script.symbols}


@dataclass(eq=False)
class Outcome:
    """A script on its way on a rig."""

    script: Script
    version: Version
    conversation: Conversation
    stage: Stage
    settings: Settings
    player: Player | None = None

    def waits(self) -> Waits:
        """Play; raises Violation, and Unsupported where that turns out on the way."""
        __tracebackhide__ = True
        player = self.player = Player(self.script, self.stage, self._schedule(), self.settings)
        try:
            yield from player.play()
        except NotOffered as reason:
            raise Unsupported(str(reason), player.event.place) from None
        finally:
            # What comes of these connections later is nobody's business: other scripts go on beside them.
            self.conversation.deaf_after_ns = self.conversation.rig.target.clock.now_ns()
            self.settings.undo()
            self._keep_sockets(player)

    @property
    def was_late(self) -> bool:
        """Whether the peer did something much later than the script says: a timer may have spoken meanwhile."""
        return self.player is not None and self.player.schedule.latest_ns > LATE_NS

    @property
    def was_very_late(self) -> bool:
        """Whether that was so late that it may have done the same before."""
        return self.player is not None and self.player.schedule.latest_ns > VERY_LATE_NS

    def notes(self) -> str:
        """Return what was not asserted or set: ``3 windows, 1 window scale not asserted; played without sysctl …``."""
        counts = [f"{count} {plural(name, count)}" for name, count in sorted(self.stage.left_out.items())]
        said = [f"{', '.join(counts)} not asserted"] if counts else []
        without = [doubt.construct for doubt in self.stage.doubts if doubt.of_all]
        said += [f"played without {', '.join(dict.fromkeys(without))}"] if without else []
        return "; ".join(said)

    def _schedule(self) -> Schedule:
        options = self.script.options
        rig = self.conversation.rig
        return Schedule(
            rig.target.clock.now_ns(),
            self.stage.traits.tick_s,
            self.stage.strict,
            _number(options, "tolerance_usecs", TOLERANCE_S * 1e6) / 1e6,
            _number(options, "tolerance_percent", 0.0),
            rig.time_scale,
        )

    def _keep_sockets(self, player: Player) -> None:
        """Leave the sockets to the conversation, whose sweep closes them: a close() now would go on the wire."""
        for descriptor in player.application.table.all():
            if descriptor.sock is None:
                continue
            own = descriptor.connection or self.conversation.main
            if descriptor.listening:
                own.listener = descriptor.sock
            else:
                own.app = descriptor.sock


def _number(options: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(options.get(name, default))
    except ValueError:
        return default


def plural(name: str, count: int) -> str:
    """Return the name of what was counted, as it is said of so many: ``segments behind the last line``."""
    return name if count == 1 else _NOUN.sub(lambda noun: _SINGULAR_Y.sub("ie", noun[1]) + "s", name, count=1)


def begin(
    conversation: Conversation,
    script: Script,
    version: Version,
    profile: Profile = DEFAULT,
    *,
    made_before: bool = False,
    folder: Path = Path("/"),
) -> Outcome:
    """Return a script that is ready to be played; `made_before`: its first settings are made already.

    Its commands, should they be run, run in `folder`.
    """
    target = conversation.rig.target
    conversation.counts_ecn = True  # the lines of the script say whether it should
    traits = traits_of(target)
    script = script.on(traits.implementation)
    pod = profile.pod_for(target)
    execute = (lambda text: pod.shell(text, folder)) if pod is not None else None
    if execute is not None:
        execute(_SECOND_NAME)
    stage = Stage(
        conversation,
        traits,
        version.ip,
        version.mapped,
        dialect_of(script, profile.dialect),
        symbols_of(script, version),
        profile.match != LENIENT,
        cut=profile.match == PACKETDRILL,
        silent_end=profile.match != PACKETDRILL,
        written_for=_written_for(script, version),
        mtu=script.mtu or MTU,
        mss=int(_number(script.options, "mss", 0.0)) or None,
    )
    return Outcome(script, version, conversation, stage, Settings(target, traits, made_before, execute))


def _written_for(script: Script, version: Version) -> tuple[str, str] | None:
    """Return the addresses of peer and target that a script says, or those that packetdrill gives it."""
    usual = ADDRESSES[version.ip]
    said = (script.options.get("remote_ip", usual[0]), script.options.get("local_ip", usual[1]))
    try:
        return (str(ipaddress.ip_address(said[0])), str(ipaddress.ip_address(said[1])))
    except ValueError:
        return None


def _place(script: Script, option: str) -> Place:
    """Return where an option stands; the head of the script where it is nobody's."""
    return script.places.get(option, Place(1, 1))


def demand(script: Script, version: Version, traits: Traits) -> None:
    """Refuse what the head of a script asks for and can't be had; raises Unsupported."""
    head = Place(1, 1)
    if not script.events:
        raise Unsupported(FOR_OTHERS, head, lacking=True)
    if version.ip == 6 and not traits.claims(Capability.IPV6):
        raise Unsupported("IPv6", _place(script, "ip_version"))
    if version.mapped and not traits.is_linux:
        raise Unsupported("sockets of IPv6 with mapped addresses", _place(script, "ip_version"))
    if script.opens_fast and not traits.is_linux:
        raise Unsupported("Fast Open by the client", head, lacking=True)
    if script.mtu not in (None, MTU) and not traits.is_linux:
        raise Unsupported("another MTU of the wire", _place(script, "mtu"), lacking=True)
    for option in _UNPLAYED:
        if said := script.options.get(option):
            lacking = option in _ELSEWHERE
            raise Unsupported(f"--{option}={said[:24]}", _place(script, option), lacking=lacking)


def play_alone(outcome: Outcome) -> None:
    """Play a script in its target's time, nothing else being under way; raises what it raises."""
    __tracebackhide__ = True
    rig = outcome.conversation.rig
    clock = rig.target.clock
    for wait in outcome.waits():
        while (left := wait.until_ns - clock.now_ns()) > 0:
            before = clock.now_ns()
            clock.wait(left / 1e9)
            rig.collect(outcome.conversation)
            if any(connection.inbox for connection in outcome.conversation.connections) or clock.now_ns() == before:
                break

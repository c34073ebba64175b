"""What stands behind ``tap:``, ``tun:``, ``qemu:`` and ``net:``: a command line or an interface, and then options."""

import difflib
import ipaddress
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.targets.addresses import ADDRESSES
from harness.targets.protocol import Addresses, NotOffered, UnusableTarget
from harness.targets.wired import numbering, placing
from harness.targets.wired.numbering import Network
from harness.targets.wired.servers import SERVERS, Server

LAYERS = {"tap": 2, "tun": 3, "qemu": 2}
OPTIONS = ("app", "dhcp", "gateway", "gateway6", "ip", "ip6", "mac", "peer", "peer6", "prefix", "prefix6", "start")
NETWORK_OPTIONS = ("app", "target", "target6", "peer", "peer6", "rate")
_KEYS = {4: ("ip", "peer"), 6: ("ip6", "peer6")}
_NETWORK_KEYS = {4: ("target", "peer"), 6: ("target6", "peer6")}
#: The application that is told what to call: one of the stack's author, or `harness.agent.lines`.
LINES, AGENT = "lines", "agent"
#: Packets per second into a real network.
RATE = 1000.0
#: From the start of a program to its first answer, in seconds, and how long that may be made.
START_S, LONGEST_START_S = 10.0, 3600.0
#: Of an emulator, which boots a machine.
BOOT_S = 120.0
#: Of a serial line.
BAUD = 115_200


class OwnAddresses(tuple[str, ...]):
    """The one address of a program or its peer, as the first of those that cases ask for; a second can't be had."""

    what = "the program has one address"

    def __getitem__(self, index: object) -> str:  # type: ignore[override]
        if index not in (0, -1):
            raise NotOffered(self.what)
        return super().__getitem__(0)

    def __iter__(self) -> Iterator[str]:
        raise NotOffered(self.what)


class NamedAddress(OwnAddresses):
    """The one address that the user has named."""

    what = "one address was named"


@dataclass(frozen=True, slots=True)
class Lines:
    """Where an application reads its commands: at `host` and `port`, at the `path` of a Unix socket or serial line.

    With none of them it is on the program's standard input and output. `agent`: it is the one that comes with us.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    baud: int = BAUD
    agent: bool = False

    @property
    def within(self) -> bool:
        """Whether they are the program's standard input and output."""
        return not self.host and not self.path

    def __str__(self) -> str:
        return self.path or (f"{self.host}:{self.port}" if self.host else "standard input and output")


@dataclass(frozen=True, slots=True)
class WireOptions:
    """A program behind a device: `layer` 2 for TAP, 3 for TUN; the server in it that stands for the application.

    Behind an interface there is none to start: `command` is its name. `rate`: packets per second. With `lines` the
    application is told what to call, and `server` stands for nothing. With `dhcp` the stack may ask for its address.
    """

    layer: int
    command: list[str]
    server: Server
    addresses: Mapping[int, Addresses]
    rate: float = RATE
    lines: "Lines | None" = None
    dhcp: bool = False
    start_s: float = START_S
    #: Where there is a pair of sockets in place of a device, of which kind it is.
    pair: str = ""
    #: By IP version; none on a cable, whose board was configured by others.
    networks: Mapping[int, Network] = field(default_factory=dict)
    mac: str = ""

    def environment(self) -> dict[str, str]:
        """Return the addresses as variables for the program."""
        found = {}
        for version, end in ((4, ""), (6, "6")):
            found[f"TCPSPEC_IP{end}"] = self.addresses[version].target[0]
            found[f"TCPSPEC_PEER{end}"] = self.addresses[version].peer[0]
            found[f"TCPSPEC_PREFIX{end}"] = str(self.networks[version].prefix)
            found[f"TCPSPEC_GATEWAY{end}"] = self.networks[version].gateway
        if self.mac:
            found["TCPSPEC_MAC"] = self.mac
        return found

    def __str__(self) -> str:
        """What the stack is to have, for who configures it."""
        parts = []
        for version, addresses in self.addresses.items():
            network = self.networks.get(version)
            own = addresses.target[0]
            parts.append(f"{own}/{network}" if network is not None else f"{own}, peer {addresses.peer[0]}")
        return "; ".join(parts)


def split(text: str, known: Collection[str] = OPTIONS) -> tuple[str, dict[str, str]]:
    """Return the command line and the options at its end: ``./stack -o a,b,app=echo:7`` ends in one option."""
    command, options = text, dict[str, str]()
    while True:
        rest, comma, last = command.rpartition(",")
        key, equals, value = last.partition("=")
        if not comma or not equals or key.strip() not in known:
            return command.strip(), options
        options.setdefault(key.strip(), value.strip())
        command = rest


def misspelt(command: Sequence[str]) -> str:
    """Return what stands at the end of a command like an option, and is close to one; "" where nothing does."""
    _command, comma, last = command[-1].rpartition(",")
    key, equals, _value = last.partition("=")
    near = difflib.get_close_matches(key.strip(), OPTIONS, n=1) if comma and equals else []
    return f"{key.strip()}= is no option, and a part of the command: is {near[0]}= meant?" if near else ""


def read(kind: str, command: str, options: Mapping[str, str]) -> WireOptions:
    """Read the parts of a target's text; raises UnusableTarget."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UnusableTarget(f"{kind}: the command can't be read: {error}") from None
    if not words:
        raise UnusableTarget(f"{kind}: needs a command", f"--target '{kind}:./my-stack {{if}},app=echo:7'")
    pair = placing.wire_of(words) if kind == "qemu" else ""
    app, dhcp = options.get("app", "echo"), options.get("dhcp", "no")
    lines = _lines(app)
    if pair and placing.has_channel(words) and (lines is None or not lines.within):
        raise UnusableTarget("qemu: {serial}, {port} and {lines} are where the lines go", "app=agent, or app=lines")
    if dhcp not in ("yes", "no"):
        raise UnusableTarget(f"dhcp={dhcp} is neither yes nor no")
    start = options.get("start", str(BOOT_S if pair else START_S))
    if not start.replace(".", "", 1).isdecimal() or not 1 <= float(start) <= LONGEST_START_S:
        raise UnusableTarget(f"start={start} is not a number of seconds from 1 to {LONGEST_START_S:g}")
    addresses = _addresses(options)
    return WireOptions(
        LAYERS[kind],
        words,
        _server(app),
        addresses,
        lines=lines,
        dhcp=dhcp == "yes",
        start_s=float(start),
        pair=pair,
        networks={version: numbering.network(version, addresses[version], options) for version in addresses},
        mac=numbering.mac(options, layer=LAYERS[kind]),
    )


def read_network(device: str, options: Mapping[str, str]) -> WireOptions:
    """Read the parts of ``net:``; raises UnusableTarget."""
    name, *rest = device.split(",")
    form = "--target 'net:eth1,peer=192.0.2.1,target=192.0.2.2' --i-own-this-network"
    unknown = [key for key in (each.partition("=")[0].strip() for each in rest) if key not in NETWORK_OPTIONS]
    if rest:
        known = ", ".join(NETWORK_OPTIONS)
        raise UnusableTarget(f"net: unknown option {(unknown or rest)[0]!r}", f"options: {known}")
    if not name or not {"target", "peer"} <= options.keys() or ("target6" in options) != ("peer6" in options):
        raise UnusableTarget("net: needs an interface, and target= with peer= (for IPv6 target6= with peer6=)", form)
    rate = options.get("rate", str(RATE))
    if not rate.replace(".", "", 1).isdecimal() or not 1 <= float(rate) <= 1_000_000:
        raise UnusableTarget(f"rate={rate} is not a number of packets per second")
    addresses = {}
    for version, (target_key, peer_key) in _NETWORK_KEYS.items():
        if target_key in options:
            target = numbering.address(target_key, options[target_key], version)
            peer = numbering.address(peer_key, options[peer_key], version)
            if peer == target:
                raise UnusableTarget(f"{target_key} and {peer_key} are both {target}")
            addresses[version] = Addresses(NamedAddress((target,)), NamedAddress((peer,)))
    app = options.get("app", "echo")
    lines = _lines(app)
    if lines is not None and lines.within:
        hint = "app=lines:192.0.2.2:9000, app=lines:/dev/ttyUSB0"
        raise UnusableTarget("net: a board has no standard input: app=lines needs a place", hint)
    return WireOptions(2, [name], _server(app), addresses, float(rate), lines)


def _server(text: str) -> Server:
    name, _colon, port = text.partition(":")
    if name in (LINES, AGENT):
        return SERVERS["discard"]
    if name not in SERVERS:
        known = f"servers: {', '.join(SERVERS)}; or an application that is told what to call: {LINES}"
        raise UnusableTarget(f"app={text}: there is no server {name!r}", known)
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise UnusableTarget(f"app={text}: {port!r} is not a port")
    return SERVERS[name].at(int(port) if port else SERVERS[name].port)


def _lines(text: str) -> Lines | None:
    """Read ``lines``, ``lines:HOST:PORT``, ``lines:PATH`` or ``lines:PATH:BAUD``; None for a server."""
    name, colon, where = text.partition(":")
    if name not in (LINES, AGENT):
        return None
    agent = name == AGENT
    if not colon:
        return Lines(agent=agent)
    place, _colon, number = where.rpartition(":")
    if "/" in where:
        path, baud = (place, int(number)) if place and number.isdecimal() else (where, BAUD)
        return Lines(path=path, baud=baud, agent=agent)
    if not place or not number.isdecimal() or not 0 < int(number) < 65536:
        raise UnusableTarget(f"app={text}: {where!r} is no place for lines", "HOST:PORT, or a path, or none at all")
    return Lines(host=place.strip("[]"), port=int(number), agent=agent)


def _addresses(options: Mapping[str, str]) -> dict[int, Addresses]:
    found = {}
    for version, (own_key, peer_key) in _KEYS.items():
        default = ADDRESSES[version]
        own = numbering.address(own_key, options.get(own_key, default.target[0]), version)
        chosen = options.get(peer_key) or (default.peer[0] if own_key not in options else _neighbour(own))
        peer = numbering.address(peer_key, chosen, version)
        if peer == own:
            raise UnusableTarget(f"{own_key} and {peer_key} are both {own}")
        other = _neighbour(peer) if _neighbour(peer) != own else _neighbour(own)
        found[version] = Addresses(OwnAddresses((own,)), (peer, other))
    return found


def _neighbour(address: str) -> str:
    number = ipaddress.ip_address(address)
    return str(number + (2 if int(number) & 0xFF < 200 else -2))

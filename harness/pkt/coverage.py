"""Which constructs the scripts of a folder use, on which targets they can be played, and what is wanted most."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.pkt import needs, run, shell
from harness.pkt.scanner import BadScript
from harness.pkt.support import Traits
from harness.pkt.tree import Call, Code, Event, Icmp, Name, Script, Shell, TcpSegment, Udp

#: So many constructs are printed, unless all are asked for.
SHOWN = 30
_NAMED_BY = {"setsockopt": 2, "getsockopt": 2, "ioctl": 1, "fcntl": 1, "shutdown": 1}


@dataclass(slots=True)
class Coverage:
    """What was found: scripts by construct, those that can't be read, and by target how many can be played."""

    scripts: int = 0
    events: int = 0
    constructs: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    played: Counter[str] = field(default_factory=Counter)
    #: By target: how many are played without a setting or a socket option that it has not, and which.
    without: dict[str, Counter[str]] = field(default_factory=dict)
    #: By target: how many ask for what it has not (Fast Open, a field of TCP_INFO), so that they are not about it.
    lacking: Counter[str] = field(default_factory=Counter)
    #: By target: what is missing, by how many scripts want it first.
    wanted: dict[str, Counter[str]] = field(default_factory=dict)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the scripts of files and folders, in order."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.rglob("*.pkt")) if path.is_dir() else [path]
    return found


def measure(paths: Iterable[Path], targets: Mapping[str, Traits]) -> Coverage:
    """Read scripts and hold them against what targets offer."""
    coverage = Coverage(wanted={name: Counter() for name in targets}, without={name: Counter() for name in targets})
    for path in files_of(paths):
        coverage.scripts += 1
        try:
            script = run.load(path)
            versions = run.versions(script)
        except BadScript as error:
            coverage.broken.append(str(error))
            continue
        coverage.events += len(script.events)
        coverage.constructs.update(set(constructs(script)))
        for name, traits in targets.items():
            need = next(needs.unmet(script, versions[0], traits), None)
            if need is None:
                coverage.played[name] += 1
                if (missing := next(needs.without(script, versions[0], traits), None)) is not None:
                    coverage.without[name][missing] += 1
            else:
                coverage.lacking[name] += need.lacking
                coverage.wanted[name][need.construct] += 1
    return coverage


def constructs(script: Script) -> Iterator[str]:
    """Yield the names of the constructs that a script uses."""
    for option in script.options:
        yield f"--{option}"
    for event in script.events:
        yield from _of_event(event)


def _of_event(event: Event) -> Iterator[str]:
    yield f"times: {'range' if event.time.is_range else event.time.clock}"
    action = event.action
    match action:
        case TcpSegment():
            yield from _of_segment(action)
        case Icmp():
            yield "ICMP"
        case Udp():
            yield "UDP"
        case Code():
            yield "assertion"
        case Shell():
            for meaning in shell.meanings(action.text):
                yield f"command: {'sysctl' if meaning.settings else meaning.command.split()[0][:40]}"
        case Call():
            yield f"{action.function}()" + (" that blocks" if action.stop_ns is not None else "")
            at = _NAMED_BY.get(action.function)
            named = action.arguments[at] if at is not None and at < len(action.arguments) else None
            if isinstance(named, Name):
                yield named.name
            if action.error:
                yield action.error


def _of_segment(line: TcpSegment) -> Iterator[str]:
    yield "segments in" if line.inbound else "segments out"
    if not line.inbound and line.window is not None:
        yield "windows that are checked"
    if line.options is None:
        yield "<...>"
    for option in line.options or ():
        yield f"option {option.name}"
    for name in ("ecn", "dscp", "tos", "ttl", "flow_label"):
        if getattr(line.ip, name) is not None:
            yield f"[{name}]"
    if line.ports is not None:
        yield "ports"
    yield from line.around


def text(coverage: Coverage, *, every: bool = False) -> str:
    """Return the coverage as a text."""
    read = coverage.scripts - len(coverage.broken)
    lines = [f"{coverage.scripts} scripts, {read} can be read, {coverage.events} events", ""]
    shown = coverage.constructs.most_common(None if every else SHOWN)
    width = max((len(name) for name, _count in shown), default=0)
    lines += [f"  {name:<{width}} {count:>6}" for name, count in shown]
    if len(shown) < len(coverage.constructs):
        lines.append(f"  and {len(coverage.constructs) - len(shown)} more constructs (--all)")
    for name, wanted in coverage.wanted.items():
        lines += ["", _summary(name, coverage)]
        most = wanted.most_common(None if every else 10)
        lines += [f"  {count:>5} × {construct}" for construct, count in most]
        lines += [
            f"  {count:>5} × without {construct}"
            for construct, count in coverage.without[name].most_common(None if every else 10)
        ]
    if coverage.broken:
        lines += ["", "can't be read:", *(f"  {message}" for message in coverage.broken[: None if every else 10])]
    return "\n".join(lines)


def _summary(name: str, coverage: Coverage) -> str:
    played, lacking = coverage.played[name], coverage.lacking[name]
    unsupported = sum(coverage.wanted[name].values()) - lacking
    words = [f"{name}: {played} of {coverage.scripts} can be played"]
    without = sum(coverage.without[name].values())
    words += [f"{without} of them without a setting or an option that it has not"] if without else []
    words += [f"{lacking} ask for what it has not"] if lacking else []
    words += [f"{unsupported} ({100 * unsupported / coverage.scripts:.0f} %) use what is not supported"]
    return ", ".join(words)

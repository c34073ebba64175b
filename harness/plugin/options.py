"""The command line: options of pytest that make a run of cases."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.case import aside
from harness.case.selection import Selection
from harness.case.violation import Level
from harness.expectations import deviations
from harness.expectations.deviations import Deviation
from harness.expectations.entries import BrokenExpectations
from harness.explore import levels
from harness.grid import session as grid
from harness.grid.known import GridRule
from harness.pkt.profile import LENIENT, PROFILES, Dialect, Profile
from harness.plugin import lanes
from harness.spec import citations, requirements
from harness.targets import registry
from harness.targets.protocol import UnusableTarget

#: Anything else under /proc/sys would be the whole machine's. A name without dots is one of net.ipv4.
_NAMESPACED = re.compile(r"net(\.[\w-]+)+|[\w-]+")


def declare(parser: pytest.Parser) -> None:
    """Declare the options of the harness."""
    group = parser.getgroup("tcpspec", "tcpspec: TCP conformance")
    add = group.addoption
    add("--target", action="append", metavar="KIND[:ID][,KEY=VALUE]", help="what to test (repeatable; default: linux)")
    add("--case", action="append", default=[], metavar="ID", help="run the cases of this id or pattern (repeatable)")
    add("--rfc", action="append", default=[], metavar="9293/3.6", help="run the cases that cite this section")
    add("--requirement", action="append", default=[], metavar="MUST-13", help="run the cases that cite this rule")
    add("--ip", action="append", type=int, choices=(4, 6), help="run on this IP version only (default: both)")
    add("--level", choices=("must", "should"), default="must", help="fail on MUST only (default), or on SHOULD too")
    add("--timers", nargs="?", const=90.0, default=0.0, type=float, metavar="SECONDS", help=_TIMERS_HELP)
    add("--grid", choices=grid.LEVELS, default=grid.CORE, help="how much of the grid of states and segments to run")
    add("--explore", nargs="?", const=levels.ALL, default=levels.CORE, choices=levels.LEVELS, help=_EXPLORE_HELP)
    add("--pkt-match", choices=PROFILES, default=LENIENT, help=_PKT_MATCH_HELP)
    add("--pkt-dialect", choices=[*Dialect], help="whose symbols the .pkt scripts use (default: by their words)")
    add("--pkt-shell", action="store_true", help="run the commands of .pkt scripts in the pod's namespace (linux)")
    add("--pkt", metavar="DIR", help="write what is not as expected as .pkt scripts into this folder")
    add("--expectations", action="append", default=[], metavar="FILE", help="known deviations of your target (TOML)")
    add("--drafts", action="store_true", help="take expectations whose reason or source is still '?'")
    add("--no-expectations", action="store_true", help="judge without the known deviations that come with the tool")
    add("--results", metavar="DIR", help="write results.jsonl and captures into this folder")
    add("--failures", choices=("kinds", "all"), default="kinds", help=_FAILURES_HELP)
    add("--pcap", choices=("off", "on", "retain-on-failure"), default="retain-on-failure", help=_PCAP_HELP)
    add("--observer", choices=("sockdiag", "ss"), default="sockdiag", help="who reads the states at each step")
    add("--set", action="append", default=[], metavar="SYSCTL=VALUE", dest="tcpspec_set", help="override a pin")
    add("--i-own-this-network", action="store_true", help="let a target net:INTERFACE send into a real network")
    add("--time-scale", type=float, default=1.0, metavar="FACTOR", help="stretch the upper bounds of timer cases")


_TIMERS_HELP = "also run timer cases that take at most so long (default with the option: 90)"
_EXPLORE_HELP = "generated conversations: core, a fixed small choice (default), all (with the option alone), or off"
_PKT_MATCH_HELP = (
    "what of a .pkt script is asserted: lenient (no windows, no order of options, ...), strict, or packetdrill (strict,"
    " and no silence behind the last line)"
)
_FAILURES_HELP = "print the ladder of the first of each kind, of 20 kinds at most (default), or all ladders"
_PCAP_HELP = "pcapng captures with --results (default: of what is not as expected)"


@dataclass(slots=True)
class Options:
    """The parsed command line."""

    specs: list[registry.TargetSpec]
    settings: registry.Settings
    selection: Selection
    level: Level
    extra: tuple[Deviation, ...]
    expectations: tuple[str, ...]
    grid: str
    explore: str
    grid_rules: tuple[GridRule, ...]
    results: Path | None
    pcap: str
    every_failure: bool = False
    bundled: bool = True
    drafts: bool = False
    pkt: Profile = field(default_factory=Profile)
    pkt_folder: Path | None = None

    @property
    def again(self) -> list[str]:
        """The options that a command must repeat to come to the same verdict."""
        options = [f"--set={name}={value}" for name, value in self.settings.sysctls.items()]
        options += ["--observer=ss"] if self.settings.observer == "ss" else []
        options += ["--level=should"] if self.level is Level.SHOULD else []
        options += ["--grid=full"] if self.grid == "full" else []
        options += [f"--explore={self.explore}"] if self.explore != levels.CORE else []
        options += [f"--set-aside={name}" for name in sorted(self.settings.aside)]
        options += [f"--pkt-match={self.pkt.match}"] if self.pkt.match != LENIENT else []
        options += [f"--pkt-dialect={self.pkt.dialect}"] if self.pkt.dialect else []
        options += ["--pkt-shell"] if self.pkt.shell else []
        options += [] if self.bundled else ["--no-expectations"]
        options += ["--drafts"] if self.drafts else []
        options += ["--i-own-this-network"] if self.settings.owns_network else []
        return options + [f"--expectations={name}" for name in self.expectations]

    @classmethod
    def of(cls, config: pytest.Config) -> "Options":
        """Read the options; raises pytest.UsageError with one clear message."""
        get = config.getoption
        sysctls = {}
        for item in get("tcpspec_set"):
            name, equals, value = item.partition("=")
            if not equals or not name or not value:
                raise pytest.UsageError(f"--set {item}: write SYSCTL=VALUE, such as --set tcp_rfc1337=1")
            if not _NAMESPACED.fullmatch(name):
                raise pytest.UsageError(f"--set {item}: only sysctls of the network namespace (net.…) can be set")
            sysctls[name] = value
        if not 1 <= get("time_scale") < math.inf:
            raise pytest.UsageError("--time-scale must be 1 or more: it only stretches")
        if not get("timers") >= 0:
            raise pytest.UsageError(f"--timers {get('timers'):g}: write seconds, such as --timers 90")
        drafts = get("drafts")
        try:
            specs = [registry.parse(text) for text in dict.fromkeys(get("target") or ["linux"])]
            lane = lanes.of(config)
            lanes.demand(specs, lane)
            return cls(
                specs=specs,
                settings=registry.Settings(
                    sysctls,
                    get("observer"),
                    get("time_scale"),
                    _aside(get("set_aside")),
                    owns_network=get("i_own_this_network"),
                    lane=lane,
                ),
                selection=Selection(
                    tuple(get("case")),
                    tuple(citations.parse_selector(text) for text in get("rfc")),
                    tuple(requirements.by_id(name).id for name in get("requirement")),
                    tuple(dict.fromkeys(get("ip") or (4, 6))),
                    get("timers"),
                ),
                level=Level.SHOULD if get("level") == "should" else Level.MUST,
                extra=tuple(
                    entry for name in get("expectations") for entry in deviations.load(Path(name), drafts=drafts)
                ),
                expectations=tuple(get("expectations")),
                grid=get("grid"),
                explore=get("explore"),
                grid_rules=grid.own_rules(get("expectations"), drafts=drafts),
                results=Path(get("results")).resolve() if get("results") else None,
                pcap=get("pcap"),
                every_failure=get("failures") == "all",
                bundled=not get("no_expectations"),
                drafts=drafts,
                pkt=Profile(get("pkt_match"), get("pkt_dialect"), get("pkt_shell")),
                pkt_folder=Path(get("pkt")).resolve() if get("pkt") else None,
            )
        except (UnusableTarget, BrokenExpectations, citations.BadCitation, requirements.UnknownRequirement) as error:
            raise pytest.UsageError(str(error)) from None


def _aside(names: list[str]) -> frozenset[str]:
    try:
        return frozenset(map(aside.canonical, names))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None

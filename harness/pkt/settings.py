"""The settings of a script on a target: made for as long as it runs, and taken back."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from harness.pkt import shell
from harness.pkt.shell import Meaning, Setting
from harness.pkt.support import Traits, Unsupported
from harness.pkt.tree import Place, Script, Shell
from harness.targets.protocol import Adjustable, Counting, Remembering, Sizable, Target, TargetError

#: What IPv4 and IPv6 ask of a link at least (RFC 791, RFC 8200 §5), and the longest packet of both.
LEAST_MTU, LARGEST_MTU = {4: 68, 6: 1280}, 65535
#: What a kernel makes of a larger one on a route (`ip_metrics_convert` of net/ipv4/metrics.c).
LARGEST_OF_A_ROUTE = 65520
Execute = Callable[[str], tuple[int, str]]


@dataclass
class Settings:
    """Makes settings on a target. Those at the beginning of a script are made before it, for all that share them."""

    target: Target
    traits: Traits
    made_before: bool = False
    #: Runs a command line in the target's namespace: exit code and output. None: no command is run.
    execute: Execute | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    #: Settings as they are now, by name: what a script has set is to be set back by it.
    _values: dict[str, str] = field(init=False)
    #: The counters as they were when they were counted anew.
    _counted: dict[str, int] = field(default_factory=dict)
    over: bool = False
    #: What could not be set, and the script is played all the same: what is optional, and what the target has not.
    unmade: list[Setting] = field(default_factory=list)
    lacking: list[Setting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._values = dict(self.traits.values)

    def meanings(self, text: str, place: Place) -> Iterator[Meaning]:
        """Yield what the commands of a text mean, and make their settings; raises Unsupported."""
        for meaning in shell.meanings(text):
            if meaning.unsupported:
                raise Unsupported(f"the command `{meaning.command[:60]}`", place)
            for setting in meaning.settings:
                found = shell.outcome(setting, replace(self.traits, values=self._values))
                if shell.is_optional(setting) and not self.traits.is_linux:
                    self.unmade.append(setting)
                self._values |= {each.name: each.value for each in found.sets}
                if found.unsupported:
                    if not self.over:  # nothing is judged behind the last line
                        self.lacking.append(setting)
                elif not self.made_before or shell.is_optional(setting):
                    self.make(found.sets)
            yield meaning

    def make(self, settings: tuple[Setting, ...]) -> None:
        """Make settings, to be taken back by `undo`; `unmade` and `lacking` get those that the target refuses."""
        for setting in settings:
            try:
                if not isinstance(self.target, Adjustable):
                    raise TargetError(f"{setting.name}: a target without settings")
                self._stack.enter_context(self.target.setting(setting.name, setting.value))
            except (TargetError, OSError):
                (self.unmade if shell.is_optional(setting) else self.lacking).append(setting)

    def set_mtu(self, version: int, mtu: int, place: Place) -> None:
        """Have so many octets fit through to the peer, until `undo`; raises Unsupported where that can't be."""
        if not isinstance(self.target, Sizable) or not LEAST_MTU[version] <= mtu <= LARGEST_MTU:
            raise Unsupported(f"an MTU of {mtu}", place, lacking=True)
        try:
            self.target.set_mtu(version, mtu)
        except (TargetError, OSError):
            raise Unsupported(f"an MTU of {mtu}", place, lacking=True) from None
        self._stack.callback(self.target.set_mtu, version, None)

    def count(self) -> None:
        """Count anew from here on."""
        self._counted = self._counters()

    def grown(self, name: str, place: Place) -> int:
        """Return by how much a counter has grown; raises Unsupported where there is none of this name."""
        found = self._counters()
        if name not in found:
            raise Unsupported(f"the counter {name[:40]}", place, lacking=True)
        return found[name] - self._counted.get(name, 0)

    def _counters(self) -> dict[str, int]:
        """Return the counters, none where they can't be had: in a container nobody may look at them."""
        try:
            return dict(self.target.counters()) if isinstance(self.target, Counting) else {}
        except (TargetError, OSError):
            return {}

    def forget_hosts(self, place: Place) -> None:
        """Have the target forget the cookies of hosts; raises Unsupported where it may not be told to."""
        try:
            if isinstance(self.target, Remembering):
                self.target.forget_hosts()
                return
        except (TargetError, OSError):
            pass
        raise Unsupported("Fast Open by the client", place, lacking=True)

    def undo(self) -> None:
        """Take all settings back, the last one first."""
        self._stack.close()


def initial(script: Script, traits: Traits, *, executes: bool = False) -> tuple[Setting, ...] | None:
    """Return what a script sets before it begins, None where it sets something later, or leaves something behind.

    Scripts that share these settings may be played side by side.
    """
    script = script.on(traits.implementation)
    found: list[Setting] = []
    begun = False
    if script.leaves_a_path_mtu or script.opens_fast or shell.asks_for_counters(script):
        return None  # it leaves something behind, or what others do beside it would be counted too
    if executes and any(isinstance(event.action, Shell) for event in script.events):
        return None
    if script.mtu is not None:
        return None
    values = dict(traits.values)
    last_line = max((at for at, event in enumerate(script.events) if not isinstance(event.action, Shell)), default=0)
    for at, event in enumerate(script.events):
        if not isinstance(event.action, Shell):
            begun = True
            continue
        for meaning in shell.meanings(event.action.text):
            if meaning.mtu is not None:
                return None
            for setting in meaning.settings:
                outcome = shell.outcome(setting, replace(traits, values=values))
                values |= {each.name: each.value for each in outcome.sets}
                if outcome.sets and begun and at < last_line:
                    return None
                if not begun:
                    found += outcome.sets
    return tuple(found)

"""``--target KIND[:ID][,key=value…]``: from the text to a target."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.targets import build
from harness.targets.adapter import AdapterTarget
from harness.targets.linux import LinuxTarget
from harness.targets.protocol import Target, UnusableTarget
from harness.targets.reference import ReferenceTarget


@dataclass(frozen=True, slots=True)
class Settings:
    """What applies to every target of a run. `sysctls` are the user's overrides, by name."""

    sysctls: Mapping[str, str] = field(default_factory=dict)
    observer: str = "sockdiag"
    time_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A parsed target: kind, what behind the colon names it, options."""

    text: str
    kind: str
    ident: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> TargetSpec:
    """Read a target's text; raises UnusableTarget for an unknown kind or a bad option."""
    if text.startswith("exec:"):  # the rest is one command line, commas and all
        return TargetSpec(text, "exec", text.removeprefix("exec:"))
    head, *rest = text.split(",")
    kind, _colon, ident = head.partition(":")
    if kind not in _OPENERS:
        raise UnusableTarget(f"there is no target {text!r}", f"known targets: {', '.join(sorted(_OPENERS))}")
    options = {}
    for item in rest:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UnusableTarget(f"target {text!r}: {item!r} is not key=value")
        options[key] = value
    spec = TargetSpec(text, kind, ident, options)
    allowed = _OPTIONS[kind]
    for key in options:
        if key not in allowed:
            known = f"options of {kind}: {', '.join(sorted(allowed))}" if allowed else f"{kind} has no options"
            raise UnusableTarget(f"target {text!r}: unknown option {key!r}", known)
    if ident and kind not in _WITH_IDENT:
        raise UnusableTarget(f"target {text!r}: {kind} takes nothing behind a colon")
    return spec


def open_target(spec: TargetSpec, settings: Settings, *, timers: bool = False) -> Target:
    """Start a target; `timers` for one whose settings suit timer cases. Raises UnusableTarget."""
    return _OPENERS[spec.kind](spec, settings, timers)


def _open_linux(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    return LinuxTarget(name=spec.text, timers=timers, sysctls=settings.sysctls, observer=settings.observer)


def _open_exec(spec: TargetSpec, _settings: Settings, timers: bool) -> Target:
    try:
        arguments = shlex.split(spec.ident)
    except ValueError as error:
        raise UnusableTarget(f"{spec.ident!r} is no command line: {error}") from None
    if not arguments:
        raise UnusableTarget("exec: needs the command that starts an adapter", "--target 'exec:./my-stack --verbose'")
    return AdapterTarget(arguments, name=spec.text, timers=timers)


def _open_own_driver(spec: TargetSpec, _settings: Settings, timers: bool) -> Target:
    return AdapterTarget([str(build.build(spec.kind))], name=spec.text, timers=timers)


def _open_reference(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    return ReferenceTarget(name=spec.text, timers=timers, settings=settings.sysctls)


_OPENERS: dict[str, Callable[[TargetSpec, Settings, bool], Target]] = {
    "linux": _open_linux,
    "exec": _open_exec,
    "lwip": _open_own_driver,
    "reference": _open_reference,
    "smoltcp": _open_own_driver,
}
_OPTIONS: dict[str, frozenset[str]] = {kind: frozenset() for kind in _OPENERS}
_WITH_IDENT: frozenset[str] = frozenset()

"""All rigs of one process: a target is started when its first case needs it."""

from harness.case.limits import find_limit
from harness.case.rig import Rig
from harness.expectations import deviations
from harness.expectations.deviations import Declared, Deviation
from harness.targets.protocol import Capability, Target
from harness.targets.registry import Settings, TargetSpec, open_target


class Engine:
    """Starts targets on demand and ends them all.

    `extra` are the user's own expectations, for every target; `bundled`: whether those that come with the tool count.
    """

    def __init__(
        self,
        specs: list[TargetSpec],
        settings: Settings,
        extra: tuple[Deviation, ...] = (),
        *,
        bundled: bool = True,
    ) -> None:
        self.specs = specs
        self._settings = settings
        self._extra = extra
        self._bundled = bundled
        self._rigs: dict[tuple[str, bool, bool, bool], Rig] = {}
        self._declared: dict[str, Declared] = {}

    def rig(self, spec: TargetSpec, *, timers: bool = False, as_found: bool = False, apart: bool = False) -> Rig:
        """Return the rig of a target, starting it on first use; raises UnusableTarget.

        `as_found`: a kernel's timers and limits are its own, as scripts by others assume them. `apart`: for what ages a
        target by hours of its time, which shows in its clocks.
        """
        key = (spec.text, timers, as_found, apart)
        if key not in self._rigs:
            target = open_target(spec, self._settings, timers=timers, as_found=as_found)
            own_time = Capability.VIRTUAL_TIME in target.capabilities
            slow = self._settings.observer == "ss"
            self._rigs[key] = rig = Rig(
                target,
                guarded=not (timers or as_found or slow or own_time),
                patient=(slow or not target.facts.hasty) and not (timers or as_found),
                time_scale=self._settings.time_scale,
                aside=self._settings.aside,
            )
            find_limit(rig)
        return self._rigs[key]

    def running(self) -> list[Rig]:
        """Return the rigs that have been started."""
        return list(self._rigs.values())

    def declared(self, target: Target, case_id: str, ip: int) -> list[Deviation]:
        """Return what the tool declares about a case on this implementation, and what the user does."""
        name = target.facts.implementation
        if name not in self._declared:
            known = deviations.bundled(name) if self._bundled else ()
            self._declared[name] = Declared((*known, *self._extra))
        about = self._declared[name].about(case_id, ip, target.facts.version)
        return [entry for entry in about if entry.suits(target.facts.details)]

    def close(self) -> None:
        """End all targets; one that is asked for again is started anew."""
        rigs, self._rigs = self._rigs, {}
        for rig in rigs.values():
            rig.close()

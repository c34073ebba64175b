"""How scripts are played: what is asserted, and whose symbols they use."""

from dataclasses import dataclass
from enum import StrEnum

from harness.targets.namespace.pod import Pod
from harness.targets.protocol import Target

LENIENT, STRICT = "lenient", "strict"
#: As strict, but for the silence behind the last line: packetdrill holds lines against what comes, not the other way.
PACKETDRILL = "packetdrill"
PROFILES = (LENIENT, STRICT, PACKETDRILL)


class Dialect(StrEnum):
    """Whose symbols and commands a script uses."""

    LINUX = "linux"
    BSD = "bsd"


@dataclass(frozen=True, slots=True)
class Profile:
    """How scripts are played: what is asserted, and whose symbols they use where that is not told by their words."""

    match: str = LENIENT
    dialect: str | None = None
    #: Whether the commands of scripts are run in the target's namespace, where it is a pod of ours.
    shell: bool = False

    def pod_for(self, target: Target) -> Pod | None:
        """Return the pod in which commands are run, None where they are not."""
        pod = getattr(target, "pod", None)
        return pod if self.shell and isinstance(pod, Pod) else None


DEFAULT = Profile()

"""Who may import whom: the table of layers, held against the imports of every file of the harness."""

import sys
from pathlib import Path

import pytest

from harness.manual.imports import Import, imports_of

ROOT = Path(__file__).parents[2] / "harness"

_BELOW_CASE = {"cache", "spec", "trace", "wire", "targets", "agent", "observe", "stack", "expectations"}
_BELOW_MUTATE = _BELOW_CASE | {"case"}

#: Which packages of ours a package may import, itself apart. The surfaces at the end may import everything.
LAYERS: dict[str, set[str]] = {
    "adapter_kit": set(),
    "cache": set(),
    "spec": set(),
    "agent": set(),
    "wire": {"spec", "cache"},
    "trace": {"spec"},
    "observe": {"spec"},
    "stack": {"spec"},
    "expectations": {"cache", "spec"},
    "report": {"spec", "trace"},
    "targets": {"spec", "wire", "agent", "observe", "stack", "cache"},
    "case": {"cache", "spec", "trace", "wire", "targets", "observe", "expectations"},
    "grid": _BELOW_MUTATE,
    "fuzz": _BELOW_MUTATE | {"grid"},
    "explore": _BELOW_MUTATE | {"grid", "fuzz", "report"},
    "pkt": _BELOW_MUTATE,
    "learn": _BELOW_MUTATE | {"grid", "fuzz", "explore", "pkt", "report"},
    "mutate": _BELOW_MUTATE | {"grid", "fuzz", "explore", "learn", "report"},
    "bench": _BELOW_MUTATE,
    "manual": {"targets"},
    "declare": {"spec", "trace", "expectations", "grid", "report"},
}
#: The modules beside the packages: what a user meets.
SURFACES = ("plugin", "verbs", "cli", "__main__")

#: Who may import a third party's package at all; what is not here is free.
RESERVED = {"scapy": ("wire",), "pytest": ("plugin", "verbs"), "_pytest": ("plugin", "verbs")}

#: The vocabulary of spec. The reference stack is built on it, but knows nothing of the rules that it is judged by.
VOCABULARY = {"states", "segment", "options", "seqno"}


def offences(source: str, where: str) -> list[str]:
    """Return what a module at `where` (its path below harness/, such as ``case/rig.py``) must not import."""
    parts = Path(where).with_suffix("").parts
    layer = parts[0]
    if len(parts) == 1 and layer not in (*SURFACES, "__init__"):
        return [f"{where}: a module beside {', '.join(SURFACES)}; give it a place in a package"]
    if len(parts) > 1 and layer not in (*LAYERS, *SURFACES):
        return [f"{where}: the package {layer} is not in the table of layers"]
    package = ".".join(("harness", *parts[:-1]))
    problems = ((found, _problem(found, layer)) for found in imports_of(source, package))
    return [f"{where}:{found.line}: {found.name}: {problem}" for found, problem in problems if problem]


def _problem(found: Import, layer: str) -> str:
    if found.top == "harness":
        return _problem_of_ours(found.rest, layer)
    if found.top in RESERVED and layer not in RESERVED[found.top]:
        return f"only {' and '.join(RESERVED[found.top])} may import {found.top}"
    if layer == "verbs" and found.top in ("pytest", "_pytest") and not found.lazy:
        return "verbs start pytest lazily: import it where it is used"
    if layer == "agent" and found.top not in sys.stdlib_module_names:
        return "the agent runs where nothing is installed: the standard library only"
    return ""


def _problem_of_ours(rest: list[str], layer: str) -> str:
    package = rest[0] if rest else "__init__"
    if layer in SURFACES or package == layer:
        return ""
    if package.startswith("__"):  # the version
        return f"{layer} imports nothing of ours" if layer in ("spec", "agent", "__init__") else ""
    if package not in LAYERS.get(layer, set()):
        return f"{layer} may import {', '.join(sorted(LAYERS.get(layer, set()))) or 'nothing of ours'}"
    if layer == "stack" and (len(rest) < 2 or rest[1] not in VOCABULARY):
        return f"the stack may know {', '.join(sorted(VOCABULARY))} of spec, and none of the rules it is judged by"
    return ""


MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("where", MODULES)
def test_a_module_imports_only_from_the_layers_below(where: str) -> None:
    assert offences((ROOT / where).read_text(encoding="utf-8"), where) == []


def test_all_modules_are_looked_at() -> None:
    assert {"plugin/session.py", "case/rig.py", "spec/segment.py", "wire/codec.py", "agent/server.py"} <= set(MODULES)


def test_the_table_has_no_circle() -> None:
    """A layer that imports another must not be reachable from it."""
    settled: set[str] = set()
    while ready := {layer for layer, below in LAYERS.items() if layer not in settled and below <= settled}:
        settled |= ready
    assert settled == set(LAYERS)


def circles(files: dict[str, str]) -> list[frozenset[str]]:
    """Return the groups of modules, by their full names, that import each other; late and typing imports count too."""
    below: dict[str, set[str]] = {}
    for name, source in files.items():
        found = {each.name for each in imports_of(source, name.rpartition(".")[0])}
        ends = {part if part in files else part.rpartition(".")[0] for part in found}
        below[name] = {end for end in ends if end in files and end != name}
    groups: list[frozenset[str]] = []
    for name in files:
        reached = _reached(name, below)
        group = frozenset(other for other in reached if name in _reached(other, below))
        if group and group not in groups:
            groups.append(group)
    return groups


def _reached(name: str, below: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        fresh = below[ahead.pop()] - found
        found |= fresh
        ahead.extend(fresh)
    return found


def test_no_files_import_each_other() -> None:
    names = {
        f"harness.{where.removesuffix('.py').replace('/', '.').removesuffix('.__init__')}": where for where in MODULES
    }
    files = {name: (ROOT / where).read_text(encoding="utf-8") for name, where in names.items()}
    assert circles(files) == []


def test_a_circle_is_found() -> None:
    files = {
        "harness.case.a": "from harness.case import b",
        "harness.case.b": "def f():\n    from harness.case.c import d",
        "harness.case.c": "if TYPE_CHECKING:\n    import harness.case.a",
        "harness.case.d": "from harness.case.a import f",
    }
    assert circles(files) == [frozenset({"harness.case.a", "harness.case.b", "harness.case.c"})]


@pytest.mark.parametrize(
    ("where", "source", "complaint"),
    [
        ("spec/new.py", "from harness.wire import codec", "spec may import nothing of ours"),
        ("spec/new.py", "from harness import __version__", "spec imports nothing of ours"),
        ("spec/new.py", "def f():\n    import scapy.layers.inet", "only wire may import scapy"),
        ("trace/new.py", "from harness.case.rig import Rig", "trace may import spec"),
        ("case/new.py", "import harness.report.matrix", "case may import"),
        ("case/new.py", "from scapy.layers.inet import IP", "only wire may import scapy"),
        ("case/new.py", "import pytest", "only plugin and verbs may import pytest"),
        ("cli.py", "import pytest", "only plugin and verbs may import pytest"),
        ("plugin.py", "from scapy.packet import Raw", "only wire may import scapy"),
        ("verbs/new.py", "import pytest", "lazily"),
        ("report/new.py", "from harness.wire.codec import Path", "report may import spec, trace"),
        ("targets/new.py", "from harness.case import expect", "targets may import"),
        ("targets/new.py", "from ..case import expect", "targets may import"),
        ("targets/new.py", "from .. import plugin", "targets may import"),
        ("agent/new.py", "import pyroute2", "the standard library only"),
        ("agent/new.py", "from harness.spec.states import State", "agent may import nothing of ours"),
        ("stack/new.py", "from harness.spec import machine", "none of the rules"),
        ("stack/new.py", "from harness.spec.arrivals import arrive", "none of the rules"),
        ("stack/new.py", "import harness.spec", "none of the rules"),
        ("observe/new.py", "import importlib\nimportlib.import_module('harness.wire')", "observe may import spec"),
        ("wire/new.py", "if True:\n    from harness.observe import ss", "wire may import cache, spec"),
        ("mutate/new.py", "from harness import cli", "mutate may import"),
        ("newcomer/new.py", "", "the package newcomer is not in the table"),
        ("newcomer.py", "", "give it a place in a package"),
    ],
)
def test_an_import_from_the_wrong_layer_is_found(where: str, source: str, complaint: str) -> None:
    (found,) = offences(source, where)
    assert found.startswith(where)
    assert complaint in found


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("case/new.py", "from harness.trace.events import Event\nfrom harness.expectations import deviations"),
        ("case/new.py", "from . import rig\nfrom .rig import Rig\nfrom ..spec import seqno"),
        ("stack/new.py", "from harness.spec.segment import FIN\nfrom harness.spec import seqno, states"),
        ("wire/new.py", "def f():\n    from scapy.layers.inet import IP"),
        ("verbs/new.py", "def main():\n    import pytest"),
        ("plugin.py", "import pytest\nfrom harness.report.matrix import Matrix"),
        ("agent/new.py", "import socket, struct\nfrom harness.agent import server"),
        ("trace/new.py", "from harness import __version__"),
        ("mutate/new.py", "from harness.case import runner\nfrom harness.targets.namespace.target import LinuxTarget"),
    ],
)
def test_an_import_from_a_layer_below_is_not(where: str, source: str) -> None:
    assert offences(source, where) == []

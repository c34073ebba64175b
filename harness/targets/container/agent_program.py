"""The agent's program as an argument of the container's Python: any image with Python will do, whatever it has inside.

An image never brings an agent of its own, so there are no versions to agree on.
"""

import inspect
import json
from types import ModuleType

from harness import agent
from harness.agent import attached, boot, framing, guest, rtnetlink, server, sidecar, uncommon

#: Makes modules of the sources in the first argument, in their order, and calls main() of the last.
LOADER = """
import json, sys, types
for name, source in json.loads(sys.argv.pop(1)):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
module.main()
"""
#: Isolated from the image's own settings and packages: the agent needs the standard library only.
PYTHON = ("python3", "-I", "-S", "-c", LOADER)
PACKAGES = ("harness", agent.__name__)

Modules = tuple[ModuleType, ...]

TARGET: Modules = (server,)
SIDECAR: Modules = (server, rtnetlink, sidecar)
#: For both, where no descriptor can be passed.
ATTACHED: Modules = (server, rtnetlink, uncommon, boot, framing, guest, sidecar, attached)


def command(modules: Modules, *arguments: str) -> list[str]:
    """Return the command that runs `main` of the last module, on `arguments`."""
    sources = [(name, "") for name in PACKAGES] + [(module.__name__, inspect.getsource(module)) for module in modules]
    return [*PYTHON, json.dumps(sources), *arguments]

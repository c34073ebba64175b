"""The programs that containers get as source: what each module imports of the agent comes before it."""

import ast
import inspect

import pytest

from harness.targets.container import agent_program, runtime

PROGRAMS = {
    "target": agent_program.TARGET,
    "sidecar": agent_program.SIDECAR,
    "attached": agent_program.ATTACHED,
    "runtime": runtime.AGENT,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_module_of_the_agent_finds_what_it_imports(program: str) -> None:
    before: set[str] = set()
    for module in PROGRAMS[program]:
        wanted: set[str] = set()
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.ImportFrom) and node.module == "harness.agent":
                wanted |= {f"harness.agent.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness."):
                wanted.add(node.module or "")
        assert wanted <= before, f"{module.__name__} comes before what it imports"
        before.add(module.__name__)

"""Mutants of the reference stack's source: every small change of it, by name, put in place and taken out again.

A mutant replaces the code of a function, or the value of a constant of a module, in the modules as they are loaded:
whoever holds the class or the function has the mutant, in this process, as long as it is applied.
"""

import ast
import contextlib
import importlib
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from harness import stack
from harness.mutate.operators import Edit, edits

#: A statement of the stack: its module, and its first line.
Place = tuple[str, int]
PACKAGE = "harness.stack"
FOLDER = Path(stack.__path__[0])
#: The modules that are TCP: neither IP, nor settings, whose values the RFCs leave open, nor mere types.
MODULES = (
    "arrivals",
    "calls",
    "congestion",
    "handshake",
    "isn",
    "listener",
    "options",
    "output",
    "plain_socket",
    "polled_socket",
    "reassembly",
    "reception",
    "retransmission",
    "rtt",
    "sockets",
    "stack",
    "tcb",
    "timers",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the source: in which module and function, on which lines its statement stands."""

    name: str
    module: str
    function: str
    edit: Edit

    @property
    def place(self) -> "Place":
        """Where the changed statement stands."""
        return self.module, self.edit.statement.lineno

    @property
    def is_constant(self) -> bool:
        """Whether a constant of a module is changed, and no function."""
        return isinstance(self.edit.statement, ast.Assign) and self.function == _name_of(self.edit.statement)

    @property
    def title(self) -> str:
        """What is changed, in a few words."""
        return f"{self.module}.py:{self.edit.new.lineno} {self.function}: {self.edit.title}"  # type: ignore[attr-defined]

    @property
    def change(self) -> tuple[str, str]:
        """The statement before and after, if possible without what stands inside of it."""
        before, unparsed = _first_lines(self.edit.statement), ast.unparse(self.edit.statement)
        old = self.edit.swap()
        try:
            replaced = self.edit.new if old is self.edit.statement else self.edit.statement
            after = _first_lines(replaced)
            return (before, after) if before != after else (unparsed, ast.unparse(ast.fix_missing_locations(replaced)))
        finally:
            self.edit.restore(old)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Have the mutant in place of the sound stack, in this process, for the time of the context."""
        old = self.edit.swap()
        try:
            code = compile(ast.fix_missing_locations(_tree(self.module)), str(_file(self.module)), "exec")
        finally:
            self.edit.restore(old)
        module = importlib.import_module(f"{PACKAGE}.{self.module}")
        with (_constant if self.is_constant else _function)(module, self.function, code):
            yield


def mutants(pattern: str = "") -> list[Mutant]:
    """Return every mutant whose title matches a pattern, in the order of the source; raises re.error."""
    wanted = re.compile(pattern)
    found = []
    for module in MODULES:
        for function, node in _functions(_tree(module)):
            for number, edit in enumerate(edits(node), 1):
                mutant = Mutant(f"{module}.{function}#{number}", module, function, edit)
                if wanted.search(mutant.title):
                    found.append(mutant)
    return found


def sample(found: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return so many mutants at random, in the order of the source."""
    taken = set(random.Random(seed).sample(range(len(found)), min(count, len(found))))
    return [mutant for at, mutant in enumerate(found) if at in taken]


@contextlib.contextmanager
def watched() -> Iterator[set[Place]]:
    """Have every statement of the stack's functions note that it is executed, for the time of the context."""
    seen: set[Place] = set()
    with contextlib.ExitStack() as stack_of_all:
        for name in MODULES:
            module = importlib.import_module(f"{PACKAGE}.{name}")
            tree = ast.parse(_file(name).read_text(encoding="utf-8"))
            functions = [function for function, node in _functions(tree) if isinstance(node, ast.FunctionDef)]
            code = compile(ast.fix_missing_locations(_Watcher(name).visit(tree)), str(_file(name)), "exec")
            module.__dict__[_NOTE] = seen.add
            stack_of_all.callback(module.__dict__.pop, _NOTE)
            for function in functions:
                stack_of_all.enter_context(_function(module, function, code))
        yield seen


#: The name of what notes a statement, in each module.
_NOTE = "__note_executed__"


class _Watcher(ast.NodeTransformer):
    """Puts a note before each statement of a function."""

    def __init__(self, module: str) -> None:
        self._module = module

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = self._noted(node.body)
        return node

    def _note(self, line: int) -> ast.stmt:
        place = ast.Tuple([ast.Constant(self._module), ast.Constant(line)], ast.Load())
        return ast.Expr(ast.Call(ast.Name(_NOTE, ast.Load()), [place], []))

    def _noted(self, body: list[ast.stmt]) -> list[ast.stmt]:
        noted: list[ast.stmt] = []
        for statement in body:
            noted.append(ast.copy_location(self._note(statement.lineno), statement))
            noted.append(statement)
            for field in ("body", "orelse", "finalbody"):
                if isinstance(getattr(statement, field, None), list):
                    setattr(statement, field, self._noted(getattr(statement, field)))
            for handler in getattr(statement, "handlers", []):
                handler.body = self._noted(handler.body)
        return noted


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the functions of a module with their qualified names, and its constants that are sets or numbers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield f"{prefix}{node.name}", node
        elif isinstance(node, ast.Assign) and not prefix and _name_of(node):
            yield _name_of(node), node


def _name_of(statement: ast.Assign) -> str:
    """Return the name that a statement gives a value to, "" where it is not just a name."""
    return statement.targets[0].id if isinstance(statement.targets[0], ast.Name) else ""


@contextlib.contextmanager
def _function(module: ModuleType, name: str, code: CodeType) -> Iterator[None]:
    """Give a function the code that it has in another version of its module."""
    function = _function_of(module, name)
    before = function.__code__
    function.__code__ = _code_of(code, before.co_qualname)
    _forget_results(module)
    try:
        yield
    finally:
        function.__code__ = before
        _forget_results(module)


@contextlib.contextmanager
def _constant(module: ModuleType, name: str, code: CodeType) -> Iterator[None]:
    """Give a constant of a module another value, wherever it was imported to."""
    value = getattr(module, name)
    namespace: dict[str, Any] = {"__name__": module.__name__, "__package__": PACKAGE}
    exec(code, namespace)
    places = [each for key, each in sys.modules.items() if key.startswith(PACKAGE)]
    places = [each for each in places if each.__dict__.get(name) is value]
    for each in places:
        setattr(each, name, namespace[name])
    try:
        yield
    finally:
        for each in places:
            setattr(each, name, value)


def _function_of(module: ModuleType, name: str) -> FunctionType:
    """Return the function behind a qualified name: of a property, or below a cache, that which does the work."""
    found: Any = module
    for part in name.split("."):
        found = found.__dict__[part]
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__wrapped__", found)
    found = getattr(found, "__func__", found)
    assert isinstance(found, FunctionType)
    return found


def _code_of(code: CodeType, name: str) -> CodeType:
    """Return the code of a function inside that of its module; raises LookupError."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == name:
                return constant
            with contextlib.suppress(LookupError):
                return _code_of(constant, name)
    raise LookupError(name)


def _forget_results(module: ModuleType) -> None:
    """Clear the caches of a module: what was computed by other code does not hold."""
    for value in module.__dict__.values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def _file(module: str) -> Path:
    return FOLDER / f"{module}.py"


@lru_cache(maxsize=len(MODULES))
def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_text(encoding="utf-8"))


def _first_lines(node: ast.AST) -> str:
    """Return the source of a statement, without what stands inside of it."""
    if isinstance(node, ast.If | ast.While | ast.For):
        return ast.unparse(node).split(":\n")[0] + ":"
    return ast.unparse(ast.fix_missing_locations(node))

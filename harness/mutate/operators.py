"""Small changes that a programmer may make by mistake: what each operator makes of a node of the source's tree."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.stack.readiness import Ready
from harness.stack.timers import Timer

#: Comparisons that are mistaken for each other.
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
#: Functions that are mistaken for each other: by name, and by name behind `seqno`.
FUNCTIONS = {"min": "max", "max": "min"}
SEQUENCE = {"lt": "leq", "leq": "lt"}
ERRORS = {"ECONNRESET": "ETIMEDOUT", "ETIMEDOUT": "ECONNRESET", "ECONNREFUSED": "ECONNRESET"}
#: Members of enumerations: each is mistaken for the next.
MEMBERS: dict[str, Sequence[str]] = {
    "Timer": list(Timer.__members__),
    "Ready": [name for name in Ready.__members__ if name != "NONE"],
}
#: What only tells people or programs beside the wire; leaving it out is no change of the TCP.
NOTES = frozenset({"event"})


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: where `node` stands in its parent comes `new`; `title` says in a few words what that is."""

    parent: ast.AST
    field: str
    index: int | None
    new: ast.AST
    title: str
    statement: ast.stmt

    def swap(self) -> ast.AST:
        """Put the new node in place, and return the one that was there."""
        holder = getattr(self.parent, self.field)
        if self.index is None:
            setattr(self.parent, self.field, self.new)
            return holder  # type: ignore[no-any-return]
        old: ast.AST = holder[self.index]
        holder[self.index] = self.new
        return old

    def restore(self, old: ast.AST) -> None:
        """Undo `swap`."""
        if self.index is None:
            setattr(self.parent, self.field, old)
        else:
            getattr(self.parent, self.field)[self.index] = old


def edits(function: ast.AST) -> Iterator[Edit]:
    """Yield every change of a function or of a statement at the level of a module, in the order of the source."""
    statement = function if isinstance(function, ast.stmt) else None
    yield from _below(function, statement)


def _below(parent: ast.AST, statement: ast.stmt | None) -> Iterator[Edit]:
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns", "decorator_list", "args", "ctx") and not isinstance(parent, ast.Call):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_idle(node):
                continue
            inside = node if isinstance(node, ast.stmt) else statement
            if inside is not None:
                for title, new in _changes(node):
                    yield Edit(parent, field, index, ast.copy_location(new, node), title, inside)
            yield from _below(node, inside)


def _is_idle(node: ast.AST) -> bool:
    """Tell whether a node is a docstring, a message, a note, or an exception's making: nothing that a TCP does."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        return isinstance(called, ast.Attribute) and called.attr in NOTES
    return isinstance(node, ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield what may stand in place of a node."""
    if isinstance(node, ast.stmt):
        yield from _statements(node)
    if isinstance(node, ast.IfExp):
        yield "always the first", node.body
        yield "always the second", node.orelse
    elif isinstance(node, ast.BoolOp):
        yield from _without_one(node)
    elif isinstance(node, ast.Compare):
        yield from _comparisons(node)
    elif isinstance(node, ast.BinOp):
        yield from _arithmetic(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "without not", node.operand
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Attribute):
        yield from _members(node)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Slice):
        yield from _slices(node)


def _statements(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.If | ast.While):
        negated = ast.UnaryOp(ast.Not(), node.test)
        yield "condition negated", _like(node, test=negated)
        if isinstance(node, ast.If) and node.orelse:
            yield "without else", _like(node, orelse=[])
    elif isinstance(node, ast.Assign):
        yield from _assignments(node)
    elif isinstance(node, ast.AugAssign):
        yield "statement dropped", ast.Pass()
        other = ARITHMETIC.get(type(node.op))
        if other is not None:
            yield "the other operator", _like(node, op=other())
    elif isinstance(node, ast.Expr | ast.Delete | ast.Return | ast.Raise | ast.Break | ast.Continue):
        yield "statement dropped", _nothing(node)


def _nothing(node: ast.stmt) -> ast.stmt:
    """Return a statement that does nothing; with a mention of the class where `super` has one, for the code to fit."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return ast.Expr(ast.Name("__class__", ast.Load())) if "super" in names else ast.Pass()


def _assignments(node: ast.Assign) -> Iterator[tuple[str, ast.AST]]:
    """Leave out an assignment to a field; of several targets one."""
    if len(node.targets) > 1:
        for target in node.targets:
            rest = [each for each in node.targets if each is not target]
            yield f"{ast.unparse(target)} not set", _like(node, targets=rest)
    elif isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
        for at, (left, _right) in enumerate(pairs):
            if isinstance(left, ast.Attribute):
                rest_pairs = pairs[:at] + pairs[at + 1 :]
                targets = ast.Tuple([pair[0] for pair in rest_pairs], ast.Store())
                yield (
                    f"{ast.unparse(left)} not set",
                    ast.Assign([targets], ast.Tuple([pair[1] for pair in rest_pairs], ast.Load())),
                )
    elif isinstance(node.targets[0], ast.Attribute | ast.Subscript):
        yield "statement dropped", ast.Pass()


def _without_one(node: ast.BoolOp) -> Iterator[tuple[str, ast.AST]]:
    for at, value in enumerate(node.values):
        rest = node.values[:at] + node.values[at + 1 :]
        yield f"without {ast.unparse(value)}", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _comparisons(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for at, operator in enumerate(node.ops):
        other = COMPARISONS[type(operator)]()
        yield "the other comparison", _like(node, ops=[*node.ops[:at], other, *node.ops[at + 1 :]])
        right = node.comparators[at]
        if isinstance(operator, ast.In | ast.NotIn) and isinstance(right, ast.Tuple | ast.Set):
            for element in right.elts:
                rest = _like(right, elts=[each for each in right.elts if each is not element])
                changed = [*node.comparators[:at], rest, *node.comparators[at + 1 :]]
                yield f"without {ast.unparse(element)}", _like(node, comparators=changed)


def _arithmetic(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    other = ARITHMETIC.get(type(node.op))
    if other is not None:
        yield "the other operator", ast.BinOp(node.left, other(), node.right)
        yield f"without {ast.unparse(node.right)}", node.left


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    called = node.func
    if isinstance(called, ast.Name) and called.id in FUNCTIONS and len(node.args) > 1:
        yield "the other function", _like(node, func=ast.Name(FUNCTIONS[called.id], ast.Load()))
        for argument in node.args:
            rest = [each for each in node.args if each is not argument]
            yield (
                f"without {ast.unparse(argument)}",
                rest[0] if len(rest) == 1 and not node.keywords else _like(node, args=rest),
            )
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "seqno":
        if called.attr in SEQUENCE:
            yield "the other comparison", _like(node, func=_like(called, attr=SEQUENCE[called.attr]))
        elif called.attr == "add":
            yield f"without {ast.unparse(node.args[1])}", node.args[0]


def _members(node: ast.Attribute) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.value, ast.Name):
        members = MEMBERS.get(node.value.id, ())
        if node.attr in members:
            following = members[(members.index(node.attr) + 1) % len(members)]
            yield f"{following} for {node.attr}", _like(node, attr=following)
        elif node.value.id == "errno" and node.attr in ERRORS:
            yield f"{ERRORS[node.attr]} for {node.attr}", _like(node, attr=ERRORS[node.attr])


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.value, bool):
        yield f"{not node.value} for {node.value}", ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield f"{node.value + 1} for {node.value}", ast.Constant(node.value + 1)
        if node.value > 0:
            yield f"{node.value - 1} for {node.value}", ast.Constant(node.value - 1)
    elif isinstance(node.value, float):
        yield f"{2 * node.value} for {node.value}", ast.Constant(2 * node.value)


def _slices(node: ast.Slice) -> Iterator[tuple[str, ast.AST]]:
    if node.lower is not None:
        yield "without the lower bound", ast.Slice(None, node.upper, node.step)
    if node.upper is not None:
        yield "without the upper bound", ast.Slice(node.lower, None, node.step)


def _like(node: ast.AST, **changed: object) -> ast.AST:
    """Return a copy of a node with other fields."""
    fields = dict(ast.iter_fields(node)) | changed
    return ast.copy_location(type(node)(**fields), node)

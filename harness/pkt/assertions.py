"""Assertions in ``%{ }%``: a small part of Python's expressions, over the fields of TCP_INFO.

The text is read by Python's parser and then worked out node by node; what is not in the table below is refused, so
that nothing which a file says is ever run: no calls but of four functions, no attributes, no subscripts.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.pkt.symbols import NUMBERS

#: No assertion of a person is longer; Python's own parser takes deep nesting badly.
MAX_OCTETS = 4000
MAX_NODES = 500
_MAX_BITS = 64
#: What packetdrill runs as Python may be of an old one; but this statement has always been the same.
_BEGINS = re.compile(r"assert\b")
#: A line that goes on in the next one.
_CONTINUED = re.compile(r"\\[ \t]*(?:\r?\n|\Z)")
#: The statement of the Python that packetdrill ran at first: it says something, and asserts nothing.
_STATEMENT = re.compile(r"""(^|;)[ \t]*print\b(?!\s*\()(?:"[^"\n]*"|'[^'\n]*'|[^\n;"'])*""", re.MULTILINE)

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max, "int": int}


class BadAssertion(ValueError):
    """An assertion that is none of this language."""


class BadSyntax(BadAssertion):
    """An `assert` that is none in any Python."""


class UnknownField(LookupError):
    """A name that is neither a symbol nor a field that can be known here."""


class Assertion:
    """The assertions of one ``%{ }%``; raises BadAssertion for what is not of the language."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_OCTETS:
            raise BadAssertion(f"an assertion of more than {MAX_OCTETS} characters")
        try:
            tree = ast.parse(_dedented(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            wrong = f"no assertion: {getattr(error, 'msg', None) or error}"
            if isinstance(error, SyntaxError) and _BEGINS.match(error.text or ""):
                raise BadSyntax(wrong) from None
            raise BadAssertion(wrong) from None
        if sum(1 for _node in ast.walk(tree)) > MAX_NODES:
            raise BadAssertion("an assertion of too many parts")
        self._tests = [node.test for node in tree.body if isinstance(node, ast.Assert)]
        for node in tree.body:
            if not isinstance(node, ast.Assert) and not _prints(node):
                raise BadAssertion(f"{ast.unparse(node)[:60]!r}: only `assert` is understood")
        for test in self._tests:
            _check(test)

    def names(self) -> set[str]:
        """Return the names that are asked for and are no symbols."""
        found = {node.id for test in self._tests for node in ast.walk(test) if isinstance(node, ast.Name)}
        return found - set(NUMBERS) - set(_FUNCTIONS) - {"True", "False", "None"}

    def failures(self, fields: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        """Yield each assertion that does not hold, and the values of its names; raises UnknownField."""
        for test in self._tests:
            try:
                holds = _value(test, fields)
            except (ZeroDivisionError, TypeError, ValueError, OverflowError) as error:
                raise BadAssertion(f"{ast.unparse(test)}: {error}") from None
            if not holds:
                names = sorted({node.id for node in ast.walk(test) if isinstance(node, ast.Name)} & set(fields))
                yield ast.unparse(test), ", ".join(f"{name} = {fields[name]}" for name in names)


def _dedented(text: str) -> str:
    text = _STATEMENT.sub(r"\1 pass", _CONTINUED.sub(" ", text))
    return "\n".join(line.strip() for line in text.splitlines())


def _prints(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(node, ast.Pass) or (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"
    )


def _check(node: ast.expr) -> None:
    """Refuse what can't be worked out."""
    for inner in ast.walk(node):
        known = isinstance(
            inner,
            ast.BoolOp | ast.Name | ast.Tuple | ast.List | ast.IfExp | ast.expr_context | ast.boolop,
        )
        known = known or (isinstance(inner, ast.Constant) and isinstance(inner.value, int | float | str | None))
        known = known or (isinstance(inner, ast.BinOp) and type(inner.op) in _BINARY)
        known = known or (isinstance(inner, ast.UnaryOp) and type(inner.op) in _UNARY)
        known = known or (isinstance(inner, ast.Compare) and all(type(op) in _COMPARE for op in inner.ops))
        known = known or (
            isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Name)
            and inner.func.id in _FUNCTIONS
            and not inner.keywords
        )
        known = known or isinstance(inner, ast.operator | ast.unaryop | ast.cmpop)
        if not known:
            raise BadAssertion(f"{ast.unparse(inner)[:60]!r} is not understood")


def _value(node: ast.expr, fields: Mapping[str, int]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return _named(name, fields)
        case ast.Tuple(parts) | ast.List(parts):
            return [_value(part, fields) for part in parts]
        case ast.UnaryOp(op, operand):
            return _UNARY[type(op)](_value(operand, fields))
        case ast.BinOp(left, op, right):
            return _combined(op, _value(left, fields), _value(right, fields))
        case ast.BoolOp(op, values):
            results = (_value(value, fields) for value in values)
            return all(results) if isinstance(op, ast.And) else any(results)
        case ast.IfExp(test, body, other):
            return _value(body if _value(test, fields) else other, fields)
        case ast.Compare(left, operations, others):
            return _compared(_value(left, fields), operations, [_value(other, fields) for other in others])
        case ast.Call(ast.Name(name), arguments):
            return _FUNCTIONS[name](*(_value(argument, fields) for argument in arguments))
    raise BadAssertion(f"{ast.unparse(node)[:60]!r} is not understood")


def _named(name: str, fields: Mapping[str, int]) -> Any:
    if name in fields:
        return fields[name]
    if name in NUMBERS:
        return NUMBERS[name]
    raise UnknownField(name)


def _combined(op: ast.operator, left: Any, right: Any) -> Any:
    if not all(isinstance(side, int | float) and abs(side) < 1 << _MAX_BITS for side in (left, right)):
        raise ValueError(f"numbers of more than {_MAX_BITS} bits, or none at all")
    if isinstance(op, ast.LShift | ast.RShift) and not 0 <= right < _MAX_BITS:
        raise ValueError(f"a shift by {right}")
    return _BINARY[type(op)](left, right)


def _compared(left: Any, operations: list[ast.cmpop], others: list[Any]) -> bool:
    for op, right in zip(operations, others, strict=True):
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True

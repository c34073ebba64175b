"""The expressions of calls: numbers, symbols, strings, lists, structures, and what is applied to them."""

import ast
import re

from harness.pkt.scanner import MAX_DIGITS, SHOWN, Scanner
from harness.pkt.tree import Anything, Applied, Expression, Items, Name, Number, Record, Text, Union

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![\w.])")
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*(\([^()\n]{0,40}\))?[ \t\r\n]*=(?!=)")
_BITS = 64
#: So many values stand in a row: in a list, joined by ``|``, or as strings one behind the other.
MAX_PARTS = 1024


def arguments(scanner: Scanner) -> tuple[Expression, ...]:
    """Read what stands in parentheses."""
    scanner.demand("(")
    scanner.enter()
    found: list[Expression] = []
    if not scanner.sees(")"):
        found.append(expression(scanner))
        while scanner.take(","):
            found.append(expression(scanner))
            _limit(scanner, found)
    scanner.leave()
    scanner.demand(")", "','")
    return tuple(found)


def expression(scanner: Scanner) -> Expression:
    """Read an expression, with what ``|`` joins to it."""
    place = scanner.place()
    parts = [_operand(scanner)]
    while scanner.take("|"):
        parts.append(_operand(scanner))
        _limit(scanner, parts)
    return parts[0] if len(parts) == 1 else Union(tuple(parts), place)


def _limit(scanner: Scanner, parts: list[Expression]) -> None:
    if len(parts) > MAX_PARTS:
        raise scanner.error(f"more than {MAX_PARTS} values in a row")


def _operand(scanner: Scanner) -> Expression:
    place = scanner.place()
    if scanner.take("..."):
        return Anything(place)
    if scanner.sees("[") or scanner.sees("{"):
        return _group(scanner)
    at = scanner.at
    if (found := scanner.match(_NUMBER)) is not None:
        value = _value(found[0])
        if value is None:
            raise scanner.error(f"a number of more than {_BITS} bits: {found[0][:SHOWN]}", at)
        return Number(value, place)
    if (found := scanner.match(_STRING)) is not None:
        return Text(_strings(scanner, found[0]), place)
    if (found := scanner.match(WORD)) is not None:
        if scanner.sees("("):
            return Applied(found[0], arguments(scanner), place)
        return Name(found[0], place)
    raise scanner.expected("a value")


def _value(text: str) -> int | None:
    """Return a number, None if it has more bits than any call takes; a leading 0 does not make it octal."""
    if len(text) > MAX_DIGITS + 1:
        return None
    value = int(text, 16 if "x" in text.lower() else 10)
    return None if abs(value) >> _BITS else value


def _strings(scanner: Scanner, first: str) -> str:
    """Read strings that stand one behind the other; three dots behind the last say that it goes on."""
    parts = [first]
    while (found := scanner.match(_STRING)) is not None:
        parts.append(found[0])
        if len(parts) > MAX_PARTS:
            raise scanner.error(f"more than {MAX_PARTS} values in a row")
    scanner.take("...")
    try:
        return "".join(ast.literal_eval(part) for part in parts)
    except (SyntaxError, ValueError):
        raise scanner.error("a string with an escape that there is not") from None


def _group(scanner: Scanner) -> Expression:
    place = scanner.place()
    end = "]" if scanner.sees("[") else "}"
    scanner.demand(scanner.text[scanner.at])
    scanner.enter()
    fields: dict[str, Expression] = {}
    items: list[Expression] = []
    while not scanner.sees(end):
        if (found := scanner.match(_FIELD)) is not None:
            if found[1] in fields:
                raise scanner.error(f"the field {found[1][:SHOWN]} stands here twice")
            fields[found[1]] = expression(scanner)
        else:
            items.append(expression(scanner))
        _limit(scanner, items)
        if not scanner.take(","):
            break
    scanner.leave()
    scanner.demand(end, "','")
    if fields and items:
        raise scanner.error("a structure with names and without")
    return Record(fields, place) if fields else Items(tuple(items), place)

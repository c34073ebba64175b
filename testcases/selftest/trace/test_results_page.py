"""RESULTS.md is the schema: its examples are lines that a reader takes, and it names every field."""

import json
import re
from pathlib import Path

import pytest

from harness.trace import results, schema
from harness.trace.results import read
from harness.trace.schema import LINES, SCHEMA, VERDICTS, Shape

PAGE = Path(results.__file__).with_name("RESULTS.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^ {4}(\{.*\})$", PAGE, re.MULTILINE)
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_its_examples_together_are_a_run(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("\n".join(EXAMPLES) + "\n", encoding="utf-8")
    run = read(tmp_path)
    assert run.complete
    assert len(run.cases) == 3
    assert f"schema {SCHEMA}" in PAGE.splitlines()[0]


@pytest.mark.parametrize("kind", LINES)
def test_every_kind_has_an_example_and_all_its_fields_explained(kind: str) -> None:
    assert any(json.loads(example)["kind"] == kind for example in EXAMPLES)
    table = "\n".join(line for line in SECTIONS[kind].splitlines() if line.startswith("|"))
    shape = LINES[kind]
    assert [name for name in (*shape.required, *shape.optional) if f"`{name}`" not in table] == []


@pytest.mark.parametrize("shape", [schema.FINDING, schema.EVENT], ids=["finding", "event"])
def test_the_fields_of_findings_and_events_are_explained(shape: Shape) -> None:
    assert [name for name in (*shape.required, *shape.optional) if f"`{name}`" not in SECTIONS["case"]] == []


def test_no_field_is_explained_that_there_is_not() -> None:
    for kind, shape in LINES.items():
        rows = [line.split("|")[1] for line in SECTIONS[kind].splitlines() if line.startswith("| `")]
        named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
        assert named <= {*shape.required, *shape.optional}


def test_it_names_every_verdict() -> None:
    assert [verdict for verdict in VERDICTS if verdict not in SECTIONS["case"]] == []

"""`tcpspec report`: one HTML file of one or several runs, which asks nobody for anything.

The page is readable without its script; the script adds filters, the pages of the cases and their ladders. A policy in
the page's head forbids every request, and allows no script but this one, by its hash. All texts are escaped by Jinja2
in the page and by `html_data.in_script` in the data.
"""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from harness import __version__
from harness.report import diagram, html_glance, html_matrix, html_parts, machines
from harness.report.html_data import ABSENT, SIGNS, Collected, first_cases, in_script
from harness.report.runs import Case, Column, Run, columns
from harness.report.svg import printable
from harness.report.transitions import Edge
from harness.spec import requirements
from harness.trace.schema import VERDICTS

#: What a person asks first, and sees first where the page is narrow.
_IN_TOTALS = (VERDICTS[0], *reversed(VERDICTS[1:]))
_SCRIPTS = ("data.js", "ladder.js", "matrix.js", "case.js", "page.js")
_STYLES = ("colours.css", "drawings.css", "page.css")
#: More differences of two targets than this nobody looks at.
_MOST_PAIRS = 10


def write(path: Path, runs: Sequence[Run], baseline: Sequence[Run] = ()) -> int:
    """Write the report of these runs; return its size in octets. Raises OSError and IncomparableRuns."""
    text = render(runs, folder=path.parent, baseline=baseline)
    data = text.encode("utf-8", "replace")
    path.write_bytes(data)
    return len(data)


def render(runs: Sequence[Run], *, folder: Path | None = None, baseline: Sequence[Run] = ()) -> str:
    """Return the page; links to captures are relative to `folder`, changes count from the `baseline`."""
    shown = [
        replace(column, label=f"{column.label} (partial)") if column.partial else column for column in columns(runs)
    ]
    cases = first_cases(shown)
    ids = list(cases)
    sections = _sections(cases)
    collected = Collected(shown, ids)
    data = collected.as_dict({name: list(sections).index(section) for name, section in _places(cases).items()})
    data["sections"] = [[name, title] for name, title in sections.items()]
    data["captures"] = [_captures(column, folder) for column in shown]
    topics = html_matrix.topics(shown, ids)
    grid = next((topic for topic in topics if topic.name == html_matrix.GRID), None)
    script, style = (_together(names) for names in (_SCRIPTS, _STYLES))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            version=__version__,
            policy=_policy(script, style),
            script=Markup(script),
            style=Markup(style),
            data=Markup(in_script(data)),
            columns=shown,
            glances=html_glance.glances(shown, collected.walked, columns(baseline)),
            opened=html_glance.OPEN,
            totals=html_matrix.totals(shown),
            verdicts=[name for name in _IN_TOTALS if any(case.verdict == name for run in runs for case in run.cases)],
            signs=SIGNS,
            topics=topics,
            heat_maps=html_matrix.heat_maps(shown, grid),
            chapters=html_parts.chapters(shown),
            diagrams=_diagrams(shown, collected.walked),
            machines=machines.pages(shown, folder),
            transitions=html_parts.transitions(collected.walked),
            strange=html_parts.strange(collected.walked),
            requirements=html_parts.covered(shown, cases),
            facts=html_parts.facts(shown),
            absent=ABSENT,
        )
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _inert(value: object) -> object:
    """Replace control characters in a text; what is markup already stays as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _together(names: Sequence[str]) -> str:
    folder = files("harness.report").joinpath("templates")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def _policy(script: str, style: str) -> str:
    """Return a policy that allows this script and this style, and nothing from anywhere."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _places(cases: Mapping[str, Case]) -> dict[str, str]:
    """Return the section under which each case stands: the first that it cites, without the step in it."""
    return {
        name: " ".join(case.sections[0].split(" ")[:3]) if case.sections else "no section"
        for name, case in cases.items()
    }


def _sections(cases: Mapping[str, Case]) -> dict[str, str]:
    """Return the sections that cases stand under, with their titles, in the order of the documents."""
    documents = requirements.documents()
    titles = {
        f"RFC {number} §{section}": title
        for number, document in documents.items()
        for section, title in document.sections.items()
    }
    used = set(_places(cases).values())
    known = {name: title for name, title in titles.items() if name in used}
    return known | dict.fromkeys(sorted(used - known.keys()), "")


def _captures(column: Column, folder: Path | None) -> str:
    """Return where the captures of a column are, as an address relative to the page."""
    where = column.run.path.parent
    return quote(os.path.relpath(where, folder)) + "/" if folder is not None else ""


def _diagrams(shown: Sequence[Column], walked: Sequence[diagram.Walked]) -> list[tuple[str, Markup]]:
    """Return (name, drawing) per column, then per pair of columns."""

    def link(column: str) -> diagram.Link:
        def address(edge: Edge) -> str:
            return f"#edge/{column}/{edge.name}"

        return address

    found = [
        (column.label, diagram.of_run(walk, f"State diagram of {column.label}", link=link(str(at))))
        for at, (column, walk) in enumerate(zip(shown, walked, strict=True))
    ]
    for one, other in list(combinations(range(len(shown)), 2))[:_MOST_PAIRS]:
        name = f"A = {shown[one].label}, B = {shown[other].label}"
        found.append((name, diagram.of_difference(walked[one], walked[other], name, link=link("any"))))
    return [(name, Markup(drawing)) for name, drawing in found]

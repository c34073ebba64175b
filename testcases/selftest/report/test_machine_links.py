"""A report links to the page of a machine that was learned of the same target, and to no other."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from harness.report import machines
from harness.report.runs import Column, Run

FACTS = {"implementation": "lwIP", "version": "2.1.3"}


def run_in(folder: Path) -> Column:
    run = Run(folder / "results.jsonl", {"level": "MUST", "command": []}, {"lwip": FACTS}, [], {})
    return Column(run, "lwip", "lwIP 2.1.3")


def learned(folder: Path, stopped: Mapping[str, float] = MappingProxyType({}), **other: str) -> None:
    target = {"name": "lwip", **FACTS, **other}
    machine = {
        "schema": "tcpspec-machine/1",
        "target": target,
        "role": "server",
        "alphabet": "small",
        "stopped": dict(stopped),
        "machine": [{}, {}],
    }
    (folder / "learn").mkdir()
    (folder / "learn" / "lwip-server.json").write_text(json.dumps(machine))
    (folder / "learn" / "lwip-server.html").write_text("")


def test_a_machine_of_the_same_target_is_linked_relative_to_the_page(tmp_path: Path) -> None:
    learned(tmp_path)
    (page,) = machines.pages([run_in(tmp_path)], tmp_path.parent)
    assert (page.text, page.href) == (
        "server, small letters, learned: 2 states",
        f"{tmp_path.name}/learn/lwip-server.html",
    )


def test_a_machine_that_was_cut_off_says_so_in_its_link(tmp_path: Path) -> None:
    learned(tmp_path, {"cut": 60.0})
    (page,) = machines.pages([run_in(tmp_path)], tmp_path)
    assert page.text == "server, small letters, learned: 2 states, cut off"


def test_a_machine_of_another_version_is_not_linked(tmp_path: Path) -> None:
    learned(tmp_path, version="2.2.1")
    assert machines.pages([run_in(tmp_path)], tmp_path) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": "other"}'])
def test_what_is_no_machine_is_not_linked(tmp_path: Path, text: str) -> None:
    (tmp_path / "learn").mkdir()
    (tmp_path / "learn" / "x.json").write_text(text)
    assert machines.pages([run_in(tmp_path)], None) == []

"""What workers tell of cases: in few messages, and nothing is lost or changed on the way."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.plugin.relay import EVENT, FEW, Receiver, Sender
from harness.plugin.reports import Held
from testcases.selftest import forked

RAN = "runtest_protocol_complete"


class Interactor:
    """What xdist has in a worker; `sent` is what has gone over."""

    workerid, testrunuid = "gw0", "run"

    def __init__(self, left: int) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.torun = SimpleNamespace(_items=[0] * left)

    def sendevent(self, name: str, **arguments: Any) -> None:
        self.sent.append((name, arguments))


class Session:
    """What xdist has in the controller; `heard` is what it was told, in its order."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.reports: list[pytest.TestReport] = []

    def worker_logstart(self, node: Any, nodeid: str, location: Any) -> None:
        self.heard.append(("start", nodeid, location))

    def worker_testreport(self, node: Any, rep: pytest.TestReport) -> None:
        self.heard.append(("report", rep.nodeid))
        self.reports.append(rep)

    def worker_logfinish(self, node: Any, nodeid: str, location: Any) -> None:
        self.heard.append(("finish", nodeid, location))

    def worker_runtest_protocol_complete(self, node: Any, item_index: int, duration: float) -> None:
        self.heard.append(("ran", item_index, duration))


def held(config: pytest.Config, **more: Any) -> Held:
    """A skipped case with its reports."""
    location = ("testcases/a.py", 3, "test_a")
    item: Any = SimpleNamespace(nodeid="testcases/a.py::test_a", location=location)
    why = ("a.py", 4, "Skipped: not applicable")
    report = pytest.TestReport(item.nodeid, location, {"a": 1}, "skipped", why, "call", **more)
    report.user_properties.append(("tcpspec_verdict", "not applicable"))
    report.tcpspec = '{"id":"a/b","reason":"\\u00e4"}'  # type: ignore[attr-defined]
    return Held(item, [report])


def handed_over(config: pytest.Config, interactor: Interactor) -> Session:
    """Return what the controller has heard of what was sent."""
    session = Session()
    for name, arguments in interactor.sent:
        if name == EVENT:
            Receiver(config)._hand_over(session, None, json.loads(arguments["text"]))
    return session


def test_a_report_arrives_as_it_was(pytestconfig: pytest.Config) -> None:
    interactor = Interactor(100)
    sender, entry = Sender(pytestconfig, interactor), held(pytestconfig)
    assert sender.tell(entry, 7)
    sender.send()
    session = handed_over(pytestconfig, interactor)
    location = entry.item.location
    assert session.heard == [
        ("start", entry.item.nodeid, location),
        ("report", entry.item.nodeid),
        ("finish", entry.item.nodeid, location),
    ]
    marks = {"item_index": 7, "worker_id": "gw0", "testrun_uid": "run"}
    there, here = vars(session.reports[0]), vars(entry.reports[0]) | marks
    assert {name: there[name] for name in here} == here
    assert there["longrepr"].__class__ is tuple


def test_what_has_run_is_told_in_one_message_as_long_as_there_is_enough_to_do(pytestconfig: pytest.Config) -> None:
    interactor = Interactor(100)
    sender: Any = Sender(pytestconfig, interactor)
    for index in range(3):
        interactor.sendevent(RAN, item_index=index, duration=0.5)
    assert interactor.sent == []
    sender.send()
    assert len(interactor.sent) == 1
    assert handed_over(pytestconfig, interactor).heard == [("ran", index, 0.5) for index in range(3)]


def test_a_worker_with_hardly_anything_to_do_says_so_at_once(pytestconfig: pytest.Config) -> None:
    interactor = Interactor(FEW - 1)
    Sender(pytestconfig, interactor)
    interactor.sendevent(RAN, item_index=1, duration=0.5)
    assert handed_over(pytestconfig, interactor).heard == [("ran", 1, 0.5)]


def test_what_is_sent_otherwise_does_not_overtake(pytestconfig: pytest.Config) -> None:
    interactor = Interactor(100)
    Sender(pytestconfig, interactor)
    interactor.sendevent(RAN, item_index=1, duration=0.5)
    interactor.sendevent("workerfinished", workeroutput={})
    assert [name for name, _arguments in interactor.sent] == [EVENT, "workerfinished"]


def test_a_report_with_an_object_of_somebodys_own_goes_the_ordinary_way(pytestconfig: pytest.Config) -> None:
    interactor = Interactor(100)
    sender = Sender(pytestconfig, interactor)
    assert not sender.tell(held(pytestconfig, mine=b"octets"), 7)
    sender.send()
    assert interactor.sent == []


DYING = """
import os

def test_dies(target, peer):
    os._exit(9)

def test_lives(target, peer):
    target.listen()
"""


def test_a_worker_that_dies_is_named_with_the_item_and_how_sure_that_is(tmp_path: Path) -> None:
    (tmp_path / "test_dying.py").write_text(DYING)
    options = ["--target", "reference", "--ip", "4", "-n", "1", "--max-worker-restart", "0"]
    done = forked.tcpspec("run", str(tmp_path / "test_dying.py"), *options, "--results", str(tmp_path / "results"))
    assert done.returncode not in (0, 1), done.stdout
    assert "crashed while running" in done.stdout
    assert "or one of those that it ran within 20 ms behind it" in done.stdout

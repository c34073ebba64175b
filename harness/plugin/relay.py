"""Between a worker of xdist and its controller: what is told of cases goes over in few messages.

xdist sends five for each case, and each of them wakes two threads of the controller, which costs more than most cases
do. Here the reports of a batch are one message, and so is what tells the scheduler that cases have run: it is at most
`PATIENCE_S` late, and not late at all where the worker has hardly anything left to do. In the controller everything is
handed to xdist's own methods, in the order in which it was sent.
"""

import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from harness.plugin import watching
from harness.plugin.reports import Held

#: The name of our message among xdist's, and of what is said in the worker's input if the controller knows it.
EVENT = "tcpspec_told"
_UNDERSTOOD = "tcpspec_relay"
#: What tells the scheduler that an item has run.
_RAN = "runtest_protocol_complete"
#: The scheduler hears of what has run at most so much later, and at once if the worker has only so many items left.
PATIENCE_S = 0.02
FEW = 8


class Sender:
    """The worker's end: stands in front of `interactor`, xdist's plugin there."""

    def __init__(self, config: pytest.Config, interactor: Any) -> None:
        self._config = config
        self._interactor = interactor
        self._send = interactor.sendevent
        #: JSON texts, each a list: an item with its reports, or that it has run and how long that took.
        self._told: list[str] = []
        self._since = 0.0
        interactor.sendevent = self._sendevent

    def tell(self, held: Held, place: int) -> bool:
        """Take the reports of an item, the `place`-th of all; False if they can't be sent so."""
        interactor = self._interactor
        marks = {"item_index": place, "worker_id": interactor.workerid, "testrun_uid": interactor.testrunuid}
        to_data = self._config.hook.pytest_report_to_serializable
        told = [to_data(config=self._config, report=report) | marks for report in held.reports]
        try:
            text = json.dumps(told)
        except (TypeError, ValueError):  # somebody has hung an object of their own on a report
            return False
        self._take(f"[{json.dumps([held.item.nodeid, held.item.location])},{text}]")
        return True

    def send(self) -> None:
        """Let go of what has been told."""
        told, self._told = self._told, []
        if told:
            self._send(EVENT, text=f"[{','.join(told)}]")

    def _take(self, text: str) -> None:
        if not self._told:
            self._since = time.monotonic()
        self._told.append(text)

    def _sendevent(self, name: str, **arguments: Any) -> None:
        """Hold back what tells that an item has run; anything else goes at once, behind what was told before."""
        if name != _RAN:
            self.send()
            self._send(name, **arguments)
            return
        self._take(json.dumps([arguments["item_index"], arguments["duration"]]))
        if time.monotonic() - self._since > PATIENCE_S or len(self._interactor.torun._items) < FEW:
            self.send()


def sender(config: pytest.Config) -> Sender | None:
    """Return the worker's end, None where this is no worker, or where somebody else wants to hear of each item."""
    if not getattr(config, "workerinput", {}).get(_UNDERSTOOD) or watching.others(config, watching.TELLING):
        return None
    interactors = (plugin for plugin in config.pluginmanager.get_plugins() if hasattr(plugin, "torun"))
    found = next(interactors, None)
    return None if found is None else Sender(config, found)


class Receiver:
    """The controller's end, a plugin there."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Understand what the worker will send."""
        session: Any = self._config.pluginmanager.get_plugin("dsession")
        if session is None:
            return
        node.workerinput[_UNDERSTOOD] = True
        setattr(session, f"worker_{EVENT}", lambda node, text: self._hand_over(session, node, json.loads(text)))
        node.process_from_remote = _understanding(node, node.process_from_remote)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, report: pytest.TestReport) -> None:
        """Say how sure the name of the item is that a worker died in."""
        report.longrepr = f"{report.longrepr}, or one of those that it ran within {PATIENCE_S * 1000:g} ms behind it"

    def _hand_over(self, session: Any, node: Any, told: list[Any]) -> None:
        for entry in told:
            if isinstance(entry[0], int):
                session.worker_runtest_protocol_complete(node=node, item_index=entry[0], duration=entry[1])
                continue
            (nodeid, location), reports = entry
            session.worker_logstart(node=node, nodeid=nodeid, location=tuple(location))
            for data in reports:
                session.worker_testreport(node=node, rep=self._report(data))
            session.worker_logfinish(node=node, nodeid=nodeid, location=tuple(location))

    def _report(self, data: dict[str, Any]) -> pytest.TestReport:
        """Return the report; JSON knows no tuples, and pytest wants some."""
        data["location"] = tuple(data["location"])
        for name in ("sections", "user_properties"):
            data[name] = list(map(tuple, data[name]))
        if isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])
        made = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
        return cast("pytest.TestReport", made)


def _understanding(node: Any, process: Callable[[Any], None]) -> Callable[[Any], None]:
    def take(event: Any) -> None:
        if isinstance(event, tuple) and event[0] == EVENT:
            node.putevent((EVENT, {"node": node, "text": event[1]["text"]}))
        else:
            process(event)

    return take

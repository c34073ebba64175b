"""Several processes play, each on a target of its own; who is done gets the next batch, so that nothing piles up."""

import ctypes
import itertools
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Process, get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.expectations.entries import BrokenExpectations
from harness.explore.playing import Player, Stage
from harness.explore.run import Generated
from harness.targets.protocol import Capability, UnusableTarget

#: From linux/prctl.h.
PR_SET_PDEATHSIG = 1
#: Conversations in a piece of work: fewer where they may take long, so that the end of a run is even.
PIECE, VIRTUAL_PIECE = 200, 25

Records = list[dict[str, Any]]


class WorkerDied(RuntimeError):
    """A process has come to its end, and what it was playing has no verdict."""


@dataclass(slots=True)
class _Worker:
    process: Process
    pipe: Connection


class Crew:
    """The processes that play on one stage; raises UnusableTarget where the target can't be had."""

    def __init__(self, stage: Stage, size: int) -> None:
        self._workers: list[_Worker] = []
        context = get_context("fork")
        for _each in range(size):
            here, there = context.Pipe()
            theirs = [worker.pipe for worker in self._workers] + [here]
            process = context.Process(target=_serve, args=(stage, there, theirs, os.getpid()), daemon=True)
            process.start()
            there.close()
            self._workers.append(_Worker(process, here))  # type: ignore[arg-type]
        self.facts: dict[str, Any] = {}
        try:
            for worker in self._workers:
                answer = _receive(worker)
                if isinstance(answer, UnusableTarget | BrokenExpectations):
                    raise answer
                self.facts = answer
        except BaseException:
            self.close()
            raise

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the target claims."""
        return frozenset(map(Capability, self.facts["capabilities"]))

    def play(self, conversations: Iterable[Generated], goes_on: Callable[[], bool] = lambda: True) -> Iterator[Records]:
        """Yield records as they come; nothing more is begun when `goes_on` says no. Raises WorkerDied."""
        source = iter(conversations)
        piece = VIRTUAL_PIECE if Capability.VIRTUAL_TIME in self.capabilities else PIECE
        idle, busy = list(self._workers), dict[Connection, _Worker]()
        while True:
            while idle and goes_on() and (batch := list(itertools.islice(source, piece))):
                worker = idle.pop()
                _send(worker, batch)
                busy[worker.pipe] = worker
            if not busy:
                return
            for pipe in wait(list(busy)):
                worker = busy.pop(pipe)  # type: ignore[call-overload]
                answer = _receive(worker)
                idle.append(worker)
                if isinstance(answer, UnusableTarget | BrokenExpectations):
                    raise answer
                yield answer

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
        self._workers = []


def _send(worker: _Worker, batch: Sequence[Generated]) -> None:
    try:
        worker.pipe.send(batch)
    except OSError:
        raise WorkerDied(_last_words(worker)) from None


def _receive(worker: _Worker) -> Any:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        raise WorkerDied(_last_words(worker)) from None


def _last_words(worker: _Worker) -> str:
    worker.process.join(1)
    return f"a process that played came to its end (exit code {worker.process.exitcode})"


def _serve(stage: Stage, pipe: Connection, others: Sequence[Connection], parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a killed parent leaves nobody behind
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted is the parent, and it ends its children
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    for other in others:
        other.close()
    player = Player(stage)
    try:
        player.declared  # noqa: B018 (broken expectations are told before anything is played)
        pipe.send(player.facts)
        while True:
            pipe.send(player.play(pipe.recv()))
    except (UnusableTarget, BrokenExpectations) as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        player.close()

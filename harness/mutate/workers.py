"""Work for several processes, which inherit it by being forked: cases are functions that can't be sent."""

import ctypes
import gc
import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

#: From linux/prctl.h.
PR_SET_PDEATHSIG = 1
#: What eats memory fails there, and not the machine.
MEMORY_OCTETS = 4 << 30

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class Died(Exception):
    """The result of a task whose process is gone."""


def in_order(
    workers: int, function: Callable[[_Task], _Result], tasks: Sequence[_Task]
) -> Iterator[tuple[_Task, _Result | Died]]:
    """Yield each task with its result, in the order of the tasks. Results are sent, and must be picklable."""
    pool = ProcessPoolExecutor(workers, get_context("fork"), _inherit, (function, tasks, os.getpid()))
    try:
        futures = [pool.submit(_do, at) for at in range(len(tasks))]
        for task, future in zip(tasks, futures, strict=True):
            try:
                yield task, future.result()
            except BrokenProcessPool:
                yield task, Died("the worker process died")
    finally:
        pool.shutdown(cancel_futures=True)


#: In a worker: the function and its tasks.
_inherited: tuple[Callable[[Any], Any], Sequence[Any]] | None = None


def _inherit(function: Callable[[Any], Any], tasks: Sequence[Any], parent: int) -> None:
    global _inherited
    _inherited = function, tasks
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed parent leaves nobody behind
    if os.getppid() != parent:
        os._exit(1)
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, hard))
    # A case is freed with its target, as a whole; until then every look at it is in vain.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _do(at: int) -> Any:
    assert _inherited is not None
    function, tasks = _inherited
    return function(tasks[at])

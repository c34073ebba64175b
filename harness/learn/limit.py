"""How long a machine is learned: until its time is over, or somebody presses ctrl-C.

Whoever asks the target looks at the time before each letter, so that the end finds nothing half done. Where nobody
looks (the learner thinks, the target hangs), an alarm ends it a second later.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

#: So long after its end what does not look at the time is ended by an alarm, and so often if something swallows that.
GRACE_S, AGAIN_S = 1.0, 5.0
#: What learning leaves of the time to judging: a quarter, at most so many seconds.
JUDGING, MOST_JUDGING_S = 0.25, 60.0


class Cut(BaseException):
    """The time is over. `clean`: nothing was under way, so that the target can be asked on.

    No `except Exception` on the way may take it for something else.
    """

    def __init__(self, *, clean: bool) -> None:
        super().__init__("the time is over")
        self.clean = clean


class Limit:
    """An end in time, or in states. Each block of work is `held` to it.

    Where it is `interruptible` the first ctrl-C is the end, too.
    """

    def __init__(self, seconds: float | None = None, states: int | None = None) -> None:
        self.seconds = seconds
        self.states = states
        #: How many states are known so far.
        self.size: Callable[[], int] = lambda: 0
        #: Whether ctrl-C was pressed.
        self.interrupted = False
        self._begin = time.monotonic()
        #: The end of the block that is under way.
        self._end: float | None = None

    @property
    def cut(self) -> float:
        """After how many seconds this was the end: those that were given, where it was the time."""
        spent = round(time.monotonic() - self._begin, 1)
        return spent if self.seconds is None or self.interrupted or self._full else self.seconds

    @property
    def _full(self) -> bool:
        return self.states is not None and self.size() > self.states

    def check(self) -> None:
        """Raise Cut if the time of the block is over, or more states are known than are asked for."""
        if (self._end is not None and time.monotonic() >= self._end) or self._full:
            raise Cut(clean=True)

    @contextlib.contextmanager
    def held(self, *, judging: bool = False) -> Iterator[None]:
        """Raise Cut in what does not come to an end in time; what is not `judging` leaves some of it."""
        if self.seconds is not None:
            kept = 0.0 if judging else min(self.seconds * JUDGING, MOST_JUDGING_S)
            self._end = self._begin + self.seconds - kept
        if self.interrupted:
            self._end = 0.0
        if not _in_main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, _ring)
        if self._end is not None:
            _alarm(max(0.0, self._end - time.monotonic()) + GRACE_S)
        try:
            yield
        finally:
            _alarm(0)
            signal.signal(signal.SIGALRM, before)
            self._end = None

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the first ctrl-C be the end of the time; the second one is what it always is."""
        if not _in_main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def interrupt(_number: int, _frame: object) -> None:
            signal.signal(signal.SIGINT, before)
            self.interrupted, self._end = True, 0.0
            if signal.getsignal(signal.SIGALRM) is _ring:
                _alarm(GRACE_S)

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _alarm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S if seconds else 0.0)


def _ring(_number: int, _frame: object) -> None:
    raise Cut(clean=False)

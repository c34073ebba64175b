"""A call that waits: what POSIX calls blocking, without a thread."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T", covariant=True)


class Pending(Generic[T]):
    """A call under way. `attempt` makes it, and raises BlockingIOError as long as it would wait."""

    def __init__(self, attempt: Callable[[], T]) -> None:
        self._attempt = attempt
        self._result: list[T] = []
        self._error: OSError | None = None
        self.resume()

    @property
    def done(self) -> bool:
        """Tell whether the call has returned."""
        return bool(self._result) or self._error is not None

    def resume(self) -> None:
        """Try again."""
        if self.done:
            return
        try:
            self._result.append(self._attempt())
        except BlockingIOError:
            return
        except OSError as error:
            self._error = error

    def result(self) -> T:
        """Return what the call returned, or raise its OSError; BlockingIOError while it waits."""
        if self._error is not None:
            raise self._error
        if not self._result:
            raise BlockingIOError("the call has not returned yet")
        return self._result[0]

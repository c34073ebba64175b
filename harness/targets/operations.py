"""Calls to an agent that performs operations by name (`harness.agent.guest`), whatever carries them there."""

from abc import ABC, abstractmethod
from typing import Any

from harness.targets.protocol import TargetError


class Operations(ABC):
    """Performs operations at an agent; those that only prepare are kept until the next one that matters."""

    def __init__(self) -> None:
        self._prepared: list[list[Any]] = []

    def prepare(self, name: str, *arguments: Any) -> None:
        """Perform an operation with the next call; it must be one that always succeeds."""
        self._prepared.append([name, *arguments])

    def call(self, name: str, *arguments: Any) -> Any:
        """Perform an operation and return its result.

        Raises OSError with the agent's errno, TargetError for anything else.
        """
        operations, self._prepared = [*self._prepared, [name, *arguments]], []
        for outcome, *result in self._exchange(operations):
            if outcome != "ok":
                code, text = result
                raise OSError(code, text) if code else self._refusal(text)
        return result[0]

    @abstractmethod
    def _exchange(self, operations: list[list[Any]]) -> list[Any]:
        """Bring the operations to the agent and return its answer, an outcome for each."""

    def _refusal(self, text: str) -> TargetError:
        """Return the error for an operation that failed for a reason that is not the system's."""
        return TargetError(text)

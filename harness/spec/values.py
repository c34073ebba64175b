"""Values that change by being made anew, thousands of times in a conversation."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import replace
else:

    def replace(value: Any, **changes: Any) -> Any:
        """Do as dataclasses.replace() does, in a tenth of the time; only for data without slots and `__post_init__`."""
        made = object.__new__(value.__class__)
        made.__dict__.update(value.__dict__, **changes)
        return made


__all__ = ["replace"]

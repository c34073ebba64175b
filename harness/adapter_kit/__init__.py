"""What an adapter for a Python stack needs: write a `Stack`, and `serve` it. `docker/ADAPTER.md` is the protocol.

    from harness.adapter_kit import Stack, serve

    class MyStack(Stack): ...

    serve(MyStack())

It needs nothing but the standard library, so it runs in whatever environment the stack runs in.
"""

from harness.adapter_kit.serve import serve
from harness.adapter_kit.stack import Address, Stack, State, refused

__all__ = ["Address", "Stack", "State", "refused", "serve"]

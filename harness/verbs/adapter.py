"""The verb `adapter`: the check of an adapter."""

HELP = "adapter check COMMAND: test the adapter of a stack, step by step"


def main(arguments: list[str]) -> int:
    """Test an adapter itself."""
    from harness.targets.adapter import check as adapter_check

    return adapter_check.main(arguments)

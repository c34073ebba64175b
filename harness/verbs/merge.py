"""The verb `merge`: the shards of a run, put together."""

HELP = "put the results of all shards of a run together (run --shard 3/8)"


def main(arguments: list[str]) -> int:
    """Put the shards of a run together."""
    from harness.report import merge as merging

    return merging.main(arguments)

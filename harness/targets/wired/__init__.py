"""A stack as it is, behind a wire: no adapter, a server of its own instead of an application of ours."""

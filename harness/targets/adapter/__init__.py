"""Stacks behind the adapter protocol (`docker/ADAPTER.md`): line, process, target, and the check of an adapter."""

"""Containers as targets: the engine, who keeps and sweeps them, the agent inside, the peer beside."""

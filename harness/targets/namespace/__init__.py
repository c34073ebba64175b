"""The running kernel's TCP in network namespaces of its own, and the pod that every wire of this machine stands in."""

"""The reference stack as a target: in this process, in virtual time."""

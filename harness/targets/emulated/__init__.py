"""Targets `qemu:`: a kernel as a distribution ships it, in an emulator."""

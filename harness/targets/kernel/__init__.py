"""Linux kernels that run as ordinary processes (ARCH=um): their clock, their network card, their boot."""

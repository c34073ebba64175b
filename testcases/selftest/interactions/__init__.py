"""Proofs that the defects of `harness.stack.defects.interactions` can be seen from outside, one file per kind.

A proof is a short conversation that the sound reference stack passes and the defect breaks.
"""

"""Proof by faults: the whole system under load while its parts are killed, and the books compared at the end."""

"""A real system, real work, real faults, and a program that checks that nothing went wrong: `python -m tests.chaos`."""

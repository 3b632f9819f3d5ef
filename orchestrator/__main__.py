"""`python -m orchestrator` is `scenarist`."""

from orchestrator.cli import main

main()

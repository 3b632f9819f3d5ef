"""`python -m orchestrator` is `scenarist`."""

from orchestrator.cli.app import main

main()

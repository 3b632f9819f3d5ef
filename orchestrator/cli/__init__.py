"""The command line `scenarist`: starts the roles and talks to the API."""

from .app import main

__all__ = ["main"]

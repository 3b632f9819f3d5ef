"""The background half of the server: everything that moves scenarios forward."""

from .engine import Engine
from .launcher import Launcher
from .loop import Seams
from .reader import BLOCK_MS
from .sender import Sending

__all__ = ["BLOCK_MS", "Engine", "Launcher", "Seams", "Sending"]

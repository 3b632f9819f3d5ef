"""How a command ends."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    TIMEOUT = 124
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command: `str` of it is for a person, `code` for the shell."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


class TemplateProblems(CommandError):
    """Every line names a place and says itself that it is an error, as a compiler does."""

    def __init__(self, lines: str) -> None:
        super().__init__(lines, Exit.USAGE)

"""What the providers of this pack raise when they cannot do what was asked."""


class ProviderError(Exception):
    """The work cannot be done, and why, in words for the person who asked.

    `code` is one short word for programs: `not_installed`, `bad_input`, `unauthorized`, `upstream`, `render_failed`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

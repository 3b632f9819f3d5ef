"""What a handler raises on purpose. Everything else that it raises is recorded as it is."""

import math
from typing import Final

LONGEST_S: Final = 31 * 86_400.0
"""Longest wait that a handler may ask for."""


class Fail(Exception):
    """Fail the task with a reason for people and a code for programs.

    Args:
        message: why, at most 2,000 characters; longer text is cut.
        code: recorded as `type` of the task's error.
        retry: False: trying again would change nothing, whatever the task's policy says.
        retry_after_s: when the policy allows another attempt, it begins after so many seconds.
    """

    def __init__(
        self, message: str, *, code: str = "failed", retry: bool = True, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code)
        self.message = str(message)
        self.code = str(code)
        self.retry = retry
        self.retry_after_s = retry_after_s if retry_after_s is None else _seconds(retry_after_s)

    def __reduce__(self) -> tuple[object, ...]:
        return _fail, (self.message, self.code, self.retry, self.retry_after_s)

    def __str__(self) -> str:
        return self.message


def _seconds(value: float) -> float:
    """Within what can be waited for; what is no number waits for nothing."""
    return 0.0 if math.isnan(value) else min(max(0.0, value), LONGEST_S)


class Cancelled(Exception):
    """The work is not wanted any more (`CancelToken.raise_if_set`), its text is the cause. Whatever the handler returns
    now is dropped."""


def _fail(message: str, code: str, retry: bool, retry_after_s: float | None) -> Fail:
    return Fail(message, code=code, retry=retry, retry_after_s=retry_after_s)

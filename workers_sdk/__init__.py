"""What a worker is built on.

    from workers_sdk import Context, Worker

    worker = Worker("text-service")

    @worker.task("CreateText")
    def create_text(ctx: Context) -> dict[str, str]:
        return {"text": f"About {ctx.prompt}"}

    if __name__ == "__main__":
        worker.run()

`workers_sdk.testing` runs a handler without Redis; `python -m workers_sdk` runs the workers of some modules.
"""

from .artifacts import Artifact, Artifacts
from .cancel import CancelToken
from .context import Context
from .errors import Cancelled, Fail
from .outcome import Done
from .reference import Result
from .worker import Worker

__all__ = [
    "Worker",
    "Context",
    "Result",
    "Done",
    "Artifact",
    "Artifacts",
    "CancelToken",
    "Cancelled",
    "Fail",
]

"""`python -m workers_sdk module[:attribute] ...`: run the workers of some modules in one process."""

import argparse
import importlib
import os
from collections.abc import Sequence

from . import logs
from .process import run_workers
from .worker import Worker


def main(arguments: Sequence[str] | None = None) -> None:
    """Run; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m workers_sdk",
        description="Run workers until SIGTERM or Ctrl-C; a second signal hurries.",
    )
    parser.add_argument(
        "workers",
        nargs="+",
        metavar="module[:attribute]",
        help="without an attribute: all Workers of the module",
    )
    parser.add_argument("--log-level", default=None, choices=("debug", "info", "warning", "error"))
    parsed = parser.parse_args(arguments)
    if parsed.log_level:
        os.environ["SCENARIST_LOG_LEVEL"] = parsed.log_level  # for the processes of handlers
    logs.configure()
    try:
        workers = [worker for target in parsed.workers for worker in load(target)]
    except (ImportError, LookupError, TypeError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    run_workers(workers)


def load(target: str) -> list[Worker]:
    """Workers of `module` or `module:attribute`.

    Raises:
        ImportError: there is no such module, or it does not load. LookupError: it has no worker, or no such attribute.
        TypeError: the attribute is not a Worker.
    """
    module_name, _, attribute = target.partition(":")
    module = importlib.import_module(module_name)
    if not attribute:
        if workers := [value for value in vars(module).values() if isinstance(value, Worker)]:
            return workers
        raise LookupError(f"{module_name} has no Worker")
    if not hasattr(module, attribute):
        raise LookupError(f"{module_name} has no {attribute}")
    worker = getattr(module, attribute)
    if not isinstance(worker, Worker):
        raise TypeError(f"{target} is not a Worker but {type(worker).__name__}")
    return [worker]


if __name__ == "__main__":
    main()

"""A worker for Scenarist in plain redis-py, written from docs/protocol.md: upper-cases the prompt of every task.

REDIS_URL=redis://localhost:6379 python plain_worker.py echo-service
"""

import json
import os
import socket
import sys

import redis

SERVICE = sys.argv[1] if len(sys.argv) > 1 else "echo-service"
QUEUE, EVENTS, GROUP = f"queue:{SERVICE}", "task-events", "workers"
ME = f"{socket.gethostname()}-{os.getpid()}"


def connect():
    # Our own reads block for 2 s; a client that repeats writes by itself would report twice (harmless, but noise).
    url = os.environ.get("REDIS_URL", "redis://localhost:6379")
    client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=10)
    try:
        client.xgroup_create(QUEUE, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    return client


def work(task):
    """The job itself: returns the result, raises when it cannot."""
    return {"text": task["prompt"].upper(), "attempt": int(task["attempt"])}


def handle(client, task):
    report = {"task_id": task["id"], "token": task["token"], "worker": ME}
    client.xadd(EVENTS, {**report, "status": "processing"})
    try:
        result = work(task)
    except Exception as error:
        reason = {"type": type(error).__name__, "message": str(error)}
        client.xadd(EVENTS, {**report, "status": "failed", "error": json.dumps(reason)})
    else:
        client.xadd(EVENTS, {**report, "status": "success", "result": json.dumps(result)})


def main():
    client = connect()
    while True:
        for _stream, entries in client.xreadgroup(GROUP, ME, {QUEUE: ">"}, count=1, block=2000) or []:
            for _entry_id, task in entries:
                handle(client, task)


if __name__ == "__main__":
    main()

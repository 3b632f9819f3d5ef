"""What happens to a system at random."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from workers_sdk.protocol.link import Refused, Unavailable

from .system import ENDS_WITHIN_S, LEASE_S, TESTER, System

Fault = Callable[[], Coroutine[Any, Any, None]]


class Faults:
    """See the module. `only`: names of methods."""

    def __init__(self, system: System, chance: random.Random, only: Sequence[str] = ()) -> None:
        self._system, self._chance = system, chance
        self._server = asyncio.Lock()
        """One thing at a time is done to the server."""
        weights: dict[Fault, int] = {
            self.kill: 8,
            self.freeze: 6,
            self.terminate: 4,
            self.kill_child: 3,
            self.restart_server: 2,
            self.kill_server: 2,
            self.freeze_server: 2,
            self.pause_server: 2,
            self.fill_server: 1,
            self.rewrite: 1,
            self.cut_all: 2,
            self.cut_some: 4,
            self.forget_scripts: 1,
        }
        self._kinds = {
            fault: weight for fault, weight in weights.items() if not only or fault.__name__ in only
        }

    async def run(self, stop: asyncio.Event) -> None:
        """One after the other, some at the same time, until `stop`; then wait for their ends."""
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                (fault,) = self._chance.choices(list(self._kinds), list(self._kinds.values()))
                group.create_task(self._one(fault))
                await asyncio.sleep(self._chance.uniform(0.3, 3.0))
                self._system.look()

    async def _one(self, fault: Fault) -> None:
        try:
            await fault()
        except (Unavailable, Refused) as error:  # another one was first
            self._system.say(f"{fault.__name__}: {error}")

    async def kill(self) -> None:
        """The power cut for a process."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> None:
        """A rolling restart."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if not (name := self._victim()):
            return
        self._system.say(f"{number.name} {name}")
        child = self._system.children.pop(name)
        child.send_signal(number)
        try:
            code = await asyncio.to_thread(child.wait, ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._system.wrong.append(f"{name} does not end by {number.name}")
            child.kill()
            child.wait()
        else:
            if number == signal.SIGTERM and code not in (0, -signal.SIGTERM):  # the latter: it had only begun
                self._system.wrong.append(f"{name} ended by SIGTERM with code {code}")
        await asyncio.sleep(self._chance.uniform(0, 3))
        self._system.start(name)

    async def freeze(self) -> None:
        """A long stop, often longer than a lease."""
        if name := self._victim():
            child = self._system.children[name]
            seconds = self._chance.uniform(0.1, 2.5 * LEASE_S)
            self._system.say(f"SIGSTOP {name} for {seconds:.1f} s")
            child.send_signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            child.send_signal(signal.SIGCONT)

    async def kill_child(self) -> None:
        """The power cut for a handler's process."""
        workers = [child.pid for name, child in self._system.children.items() if name.startswith("worker")]
        if pids := [pid for worker in workers for pid in _children(worker)]:
            self._system.say("SIGKILL a handler's process")
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._chance.choice(pids), signal.SIGKILL)

    def _victim(self) -> str | None:
        names = [name for name in self._system.children if name != "api" or self._chance.random() < 0.5]
        return self._chance.choice(names) if names else None

    async def restart_server(self) -> None:
        """A planned restart."""
        async with self._server:
            self._system.say("server: restart")
            await self._start_again()

    async def kill_server(self) -> None:
        """The power cut for it."""
        async with self._server:
            self._system.say("server: SIGKILL")
            os.kill(self._pid(), signal.SIGKILL)
            await self._start_again()

    async def _start_again(self) -> None:
        self._system.server.stop()
        await asyncio.sleep(self._chance.uniform(0, 4))
        self._system.server.start()
        self._system.say("server: is there")

    async def freeze_server(self) -> None:
        """It takes connections, and answers nobody."""
        async with self._server:
            seconds = self._chance.choice((0.5, 2, 5, 12))
            self._system.say(f"server: SIGSTOP for {seconds} s")
            os.kill(self._pid(), signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(self._pid(), signal.SIGCONT)

    async def fill_server(self) -> None:
        """No memory is left."""
        async with self._server:
            self._system.say("server: full")
            await self._ask("CONFIG", "SET", "maxmemory", 2_000_000)
            await asyncio.sleep(self._chance.uniform(0.2, 3))
            await self._ask("CONFIG", "SET", "maxmemory", 0)
            self._system.say("server: not full")

    async def pause_server(self) -> None:
        """It is busy with itself."""
        ms = int(self._chance.uniform(100, 6000))
        self._system.say(f"server: pauses for {ms} ms")
        await self._ask("CLIENT", "PAUSE", ms, "ALL")

    async def rewrite(self) -> None:
        """Its log of changes is written anew."""
        self._system.say("server: AOF rewrite")
        await self._ask("BGREWRITEAOF")

    async def forget_scripts(self) -> None:
        """As a failover does."""
        self._system.say("server: scripts forgotten")
        await self._ask("SCRIPT", "FLUSH")

    async def cut_all(self) -> None:
        """All connections."""
        self._system.say("all connections cut")
        await self._ask("CLIENT", "KILL", "TYPE", "normal")

    async def cut_some(self) -> None:
        """Single connections, many times, so that replies are lost in the middle of something."""
        self._system.say("some connections cut")
        async with contextlib.aclosing(_Closing(self._system)) as tester:
            for _ in range(15):
                lines = (await tester.link.execute("CLIENT", "LIST")).decode().splitlines()
                ids = [line.split()[0].removeprefix("id=") for line in lines if TESTER not in line]
                for one in self._chance.sample(ids, min(3, len(ids))):
                    await tester.link.execute("CLIENT", "KILL", "ID", one)
                await asyncio.sleep(self._chance.uniform(0, 0.15))

    async def _ask(self, *words: str | int) -> None:
        async with contextlib.aclosing(_Closing(self._system)) as tester:
            await tester.link.execute(*words)

    def _pid(self) -> int:
        pid = self._system.server.pid
        assert pid
        return pid


class _Closing:
    def __init__(self, system: System) -> None:
        self.link = system.link()

    async def aclose(self) -> None:
        await self.link.close()


def _children(pid: int) -> list[int]:
    """Child processes of a process (Linux)."""
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []

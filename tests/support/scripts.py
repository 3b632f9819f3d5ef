"""Scripts assembled for tests: under a virtual clock, traced, or failing at a chosen call."""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.store.store import SCRIPTS
from workers_sdk.protocol.scripts import LUA, Script, Scripts

CLOCK: Final = "test:now_ms"
TRACE: Final = "test:trace"
START_MS: Final = 1_750_934_052_349  # 2025-06-26T10:34:12.349Z, the moment of the seed's example

VIRTUAL_CLOCK: Final = f"""
local function now_ms() return tonumber(redis.call('GET', '{CLOCK}') or '{START_MS}') end
"""

_TRACED: Final = f"""
local function traced_call(...)
  redis.call('RPUSH', '{TRACE}', (select(1, ...)), tostring((select(2, ...)) or ''))
  return redis.call(...)
end
"""

_FAILING: Final = """
local calls_left = %d
local function traced_call(...)
  calls_left = calls_left - 1
  if calls_left == 0 then error('injected fault') end
  return redis.call(...)
end
"""


@dataclass(frozen=True)
class Call:
    """One call of the trace."""

    command: str
    key: str


def virtual_scripts() -> Scripts:
    """All scripts, under the clock that stands in the key `CLOCK` (default: `START_MS`)."""
    return Scripts(LUA, SCRIPTS, fragments={"clock": VIRTUAL_CLOCK})


def traced(script: Script) -> Script:
    """The same script; every `redis.call` is also written to the list `TRACE`."""
    return _with(script, _TRACED)


def failing_at(script: Script, position: int) -> Script:
    """The same script; its call number `position` (1-based) raises instead."""
    return _with(script, _FAILING % position)


def _with(script: Script, prelude: str) -> Script:
    body = re.sub(r"\bredis\.call\(", "traced_call(", script.source.partition("\n")[2])
    source = f"#!lua\n{prelude}\n{body}"
    return replace(script, source=source, sha=hashlib.sha1(source.encode()).hexdigest())

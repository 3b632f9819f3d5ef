"""Names of every Redis key, and the ids that tell their partition.

Nobody else builds a key name: the server and the SDK import this module, the Lua scripts build the same names
from the partition prefix that they are given (`docs/protocol.md` lists them for workers in other languages).

An id is 16 characters of Crockford's base 32: 2 name a slot (0..1023), 14 (70 bits) name the thing. All ids of
one scenario share its slot, so an id alone tells the partition that holds it, whatever the number of partitions.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SLOTS: Final = 1024
SLOT_CHARS: Final = 2
NAME_CHARS: Final = 14
ID_CHARS: Final = SLOT_CHARS + NAME_CHARS
ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"

GROUP_ORCHESTRATOR: Final = "orchestrator"
"""Consumer group of the orchestrator replicas on `scenarios` and `task-events`."""
GROUP_WORKERS: Final = "workers"
"""Consumer group of the workers on every `queue:<service>`."""
META: Final = "scenarist:meta"
"""Hash of what all processes must agree on: partitions, lease_ms, schema. Outside the partitions."""
GATE_SECRET: Final = "scenarist:gate-secret"
"""String: the secret that signs links to gates when the settings name none. Outside the partitions."""
LAST_CHECK: Final = "scenarist:last-check"
"""String: what the last check of everything (`fsck`) found; JSON. Outside the partitions."""

_ID = re.compile(rf"[{ALPHABET}]{{{ID_CHARS}}}")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_PAIRS: Final = [a + b for a in ALPHABET for b in ALPHABET]


def scenario_id_from(randomness: bytes) -> str:
    """Make a scenario id from at least 10 random bytes; the same bytes give the same id."""
    return _base32(hashlib.blake2b(randomness, digest_size=10).digest())


def same_slot(scenario_id: str, key: str) -> str:
    """The same id moved to the slot that `key` stands for."""
    return scenario_id_from(key.encode())[:SLOT_CHARS] + scenario_id[SLOT_CHARS:]


def short_uuid(scenario_id: str, name: str) -> str:
    """Derive the id of what a scenario calls `name`: same scenario and name, same id; in the scenario's slot."""
    digest = hashlib.blake2b(name.encode(), key=scenario_id.encode(), digest_size=10).digest()
    return scenario_id[:SLOT_CHARS] + _base32(digest)[:NAME_CHARS]


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id of this system."""
    return _ID.fullmatch(text) is not None


def is_service(text: str) -> bool:
    """Whether `text` may name a service: `[a-z0-9][a-z0-9_.-]{0,63}`. Braces and colons would forge key names."""
    return _SERVICE.fullmatch(text) is not None


def slot_of(any_id: str) -> int:
    """Slot (0..1023) of a scenario or task id."""
    return ALPHABET.index(any_id[0]) * 32 + ALPHABET.index(any_id[1])


def _base32(data: bytes) -> str:
    """10 bytes as 16 characters. By pairs of characters, unrolled: this is on the path of every task of a request."""
    n, p = int.from_bytes(data, "big"), _PAIRS
    return (
        f"{p[n >> 70]}{p[n >> 60 & 1023]}{p[n >> 50 & 1023]}{p[n >> 40 & 1023]}"
        f"{p[n >> 30 & 1023]}{p[n >> 20 & 1023]}{p[n >> 10 & 1023]}{p[n & 1023]}"
    )


@dataclass(frozen=True, slots=True)
class Partition:
    """Key names of one partition. With a single partition the names are the plain documented ones."""

    index: int
    prefix: str

    @property
    def scenarios(self) -> str:
        """Stream of generated scenarios that wait to be materialized."""
        return f"{self.prefix}scenarios"

    @property
    def task_events(self) -> str:
        """Stream of what workers report."""
        return f"{self.prefix}task-events"

    @property
    def timers(self) -> str:
        """Sorted set of what is due later; score = Redis time in ms."""
        return f"{self.prefix}timers"

    @property
    def services(self) -> str:
        """Set of the services that ever got a task."""
        return f"{self.prefix}services"

    @property
    def quarantine(self) -> str:
        """Capped stream of entries that could not be read or belong to nothing."""
        return f"{self.prefix}quarantine"

    def scenario(self, scenario_id: str) -> str:
        """Hash of one scenario."""
        return f"{self.prefix}scenario:{scenario_id}"

    def task(self, task_id: str) -> str:
        """Hash of one task."""
        return f"{self.prefix}task:{task_id}"

    @property
    def cancellations(self) -> str:
        """Capped stream: ids of tasks whose workers are to stop."""
        return f"{self.prefix}cancellations"

    def attempts(self, task_id: str) -> str:
        """List of the attempts of a task that did not succeed."""
        return f"{self.prefix}attempts:{task_id}"

    @property
    def gates(self) -> str:
        """Sorted set of the tasks whose gates are open; score = when they opened, in ms."""
        return f"{self.prefix}gates"

    def gate(self, task_id: str) -> str:
        """Hash of the gate of a task."""
        return f"{self.prefix}gate:{task_id}"

    def audit(self, task_id: str) -> str:
        """List of what happened at the gate of a task."""
        return f"{self.prefix}audit:{task_id}"

    def machine(self, scenario_id: str) -> str:
        """Hash: the state that a scenario with states is in."""
        return f"{self.prefix}machine:{scenario_id}"

    def history(self, scenario_id: str) -> str:
        """List of how a scenario came from state to state."""
        return f"{self.prefix}history:{scenario_id}"

    @property
    def dead_letters(self) -> str:
        """Sorted set of the tasks that failed for good; score = when, in ms."""
        return f"{self.prefix}dead-letters"

    @property
    def dead_letter_kinds(self) -> str:
        """Sorted set of the fingerprints of `dead_letters_of`; score = when one came last, in ms."""
        return f"{self.prefix}dead-letter-kinds"

    def dead_letters_of(self, fingerprint: str) -> str:
        """Sorted set of the tasks that failed for good with one kind of error; score = when, in ms."""
        return f"{self.prefix}dead-letters:{fingerprint}"

    def schedule(self, schedule_id: str) -> str:
        """Hash of one schedule."""
        return f"{self.prefix}schedule:{schedule_id}"

    def fires(self, schedule_id: str) -> str:
        """List of what became of the last fires of a schedule."""
        return f"{self.prefix}fires:{schedule_id}"

    @property
    def schedules(self) -> str:
        """Sorted set of the ids of all schedules; score = creation time in ms."""
        return f"{self.prefix}schedules"

    def queue(self, service: str) -> str:
        """Stream of the ready tasks of a service."""
        return f"{self.prefix}queue:{service}"

    @property
    def flow(self) -> str:
        """Hash of what holds services back: `<service>` settings, `<service>:paused` and `*` (all services) pauses; JSON."""
        return f"{self.prefix}flow"

    def lanes(self, service: str) -> str:
        """Sorted set of the tenants whose tasks wait for a managed service; score = how far it has served them."""
        return f"{self.prefix}lanes:{service}"

    def lane(self, service: str, tenant: str) -> str:
        """Sorted set of the ready tasks of a tenant that wait for a managed service; lower scores go first."""
        return f"{self.prefix}lane:{service}:{tenant}"

    def slots(self, service: str, key: str = "") -> str:
        """Set of the tasks that were handed out to a managed service, or of those among them that have a key."""
        return f"{self.prefix}slots:{service}{':' * bool(key)}{key}"

    def parked(self, service: str, key: str) -> str:
        """Sorted set of the tasks that wait for a limit of their key."""
        return f"{self.prefix}parked:{service}:{key}"

    def rate(self, service: str, key: str = "") -> str:
        """String: when the next task of a service, or of a key, is expected (GCRA); it expires."""
        return f"{self.prefix}rate:{service}{':' * bool(key)}{key}"

    def window(self, service: str) -> str:
        """String: how many tasks of a managed service its stream holds that no worker has, and since when; it expires."""
        return f"{self.prefix}window:{service}"

    def held(self, scenario_id: str) -> str:
        """Sorted set of the ready tasks of a paused scenario."""
        return f"{self.prefix}held:{scenario_id}"

    def index_of(self, status: str) -> str:
        """Sorted set of the scenario ids in one status; score = creation time in ms."""
        return f"{self.prefix}index:{status}"

    @property
    def tenants(self) -> str:
        """Hash: tenant -> how many scenarios of it are not finished."""
        return f"{self.prefix}tenants"

    def batch(self, batch_id: str) -> str:
        """Hash of one batch: how many scenarios it has, and how many of them ended how."""
        return f"{self.prefix}batch:{batch_id}"

    def batch_scenarios(self, batch_id: str) -> str:
        """Sorted set of the scenarios of a batch; score = line."""
        return f"{self.prefix}batch-scenarios:{batch_id}"

    @property
    def barrier(self) -> str:
        """String without a meaning, written to learn what is safe; it expires."""
        return f"{self.prefix}barrier"

    def idempotency(self, fingerprint: str) -> str:
        """String that maps an idempotency key (hashed) to the scenario it made."""
        return f"{self.prefix}idempotency:{fingerprint}"

    @property
    def webhooks(self) -> str:
        """Hash of the endpoints of webhooks: id -> revision and JSON. The same in every partition; the first is right."""
        return f"{self.prefix}webhooks"

    @property
    def webhooks_failing(self) -> str:
        """Hash: endpoint id -> since when (ms) all attempts from this partition failed, 0 for not, and the last one;
        `<id>:dropped` -> how many messages were dropped, and when the last one was."""
        return f"{self.prefix}webhooks-failing"

    @property
    def outbox(self) -> str:
        """Stream of what the endpoints of webhooks are to be told; exists only where there are endpoints."""
        return f"{self.prefix}outbox"

    def delivery(self, delivery_id: str) -> str:
        """Hash of one message for one endpoint of webhooks; it expires."""
        return f"{self.prefix}delivery:{delivery_id}"

    def deliveries(self, endpoint_id: str) -> str:
        """Sorted set of the deliveries of an endpoint; score = creation time in ms."""
        return f"{self.prefix}deliveries:{endpoint_id}"

    def waiting_deliveries(self, endpoint_id: str) -> str:
        """Sorted set of the deliveries of an endpoint that are not done; score = when the next attempt is due, in ms."""
        return f"{self.prefix}waiting-deliveries:{endpoint_id}"


@dataclass(frozen=True, slots=True)
class Partitions:
    """All partitions of one installation.

    Raises:
        ValueError: `count` is not 1..1024.
    """

    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.count <= SLOTS:
            raise ValueError(f"partitions must be 1..{SLOTS}, not {self.count}")

    def __getitem__(self, index: int) -> Partition:
        return Partition(index, "" if self.count == 1 else f"{{p{index}}}:")

    def __iter__(self) -> Iterator[Partition]:
        return (self[i] for i in range(self.count))

    def of(self, any_id: str) -> Partition:
        """Partition that holds a scenario or task. The id must satisfy `is_id`."""
        return self[slot_of(any_id) * self.count // SLOTS]

"""Gates: tasks that wait for people. Opens them, and ends those whose deadline has come."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import structlog

from orchestrator.forms import Form
from orchestrator.store.gate_records import (
    MAX_MESSAGE_CHARS,
    MAX_QUORUM,
    MAX_TITLE_CHARS,
    MAX_VALUE_BYTES,
    MAX_WAIT_MS,
    GateFacts,
    is_barred,
    is_group,
    person,
)
from orchestrator.store.gates import GateStore, NewGate
from orchestrator.store.records import TaskRecord
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import dumps

Json = Any

MAX_WHO: Final = 100


class BadGate(ValueError):
    """A gate that cannot be opened; the text is for whoever wrote the template."""


class Gates:
    """See the module; `docs/gates.md` has what a template may say."""

    def __init__(self, store: Store) -> None:
        self._gates = GateStore(store)
        self._log = structlog.get_logger().bind(duty="gates")

    async def open(self, at: Partition, task: TaskRecord, gate: Mapping[str, Json]) -> None:
        """Let a ready task wait for people.

        Args:
            gate: `on_ready.gate` with the results put in. What it asks for may be wrong only now, when the draft is known:
                then the task fails with `bad_gate`.

        Raises:
            Unavailable, Refused: see `Link.execute`.
        """
        submitter = await self._gates.submitter(task.scenario_id)
        try:
            new = new_gate(gate, task.name, submitter)
        except ValueError as error:  # BadForm and BadGate are
            self._log.warning("gate_not_opened", task_id=task.id, error=str(error))
            cause = {"type": "bad_gate", "message": str(error)[:2_000], "retry": False}
            new = NewGate(GateFacts(), error=dumps(cause).decode())
        word = await self._gates.open(at, task.id, new)
        self._log.info("gate", task_id=task.id, outcome=word)

    async def due(self, at: Partition, task_id: str) -> bool:
        """Handler of the timer `gate`: the deadline came. Says whether the timer is gone."""
        word = await self._gates.close(at, task_id)
        self._log.info("gate_deadline", task_id=task_id, outcome=word)
        return word != "NOT_DUE"


def new_gate(gate: Mapping[str, Json], name: str, submitter: str) -> NewGate:
    """A gate from `on_ready.gate` of the task `name`. Raises: BadGate, BadForm."""
    form = gate.get("form")
    if form is not None:
        Form(form)
    draft = gate.get("draft")
    if (size := len(dumps(draft))) > MAX_VALUE_BYTES:
        raise BadGate(f"the draft takes {size} bytes, more than {MAX_VALUE_BYTES}: refer to a file instead")
    facts = GateFacts(
        title=cut(str(gate.get("title") or name), MAX_TITLE_CHARS),
        message=cut(str(gate.get("message") or ""), MAX_MESSAGE_CHARS),
        form=form,
        who=_who(gate.get("who")),
        quorum=_whole(gate, "quorum", 1, MAX_QUORUM),
        self_approval=gate.get("self_approval", True) is not False,
        submitter=submitter,
        fails=_word(gate.get("on_reject", "fail"), "on_reject", ("fail", "continue")) == "fail",
        default=_default(gate.get("default"), form),
    )
    wait_ms = _whole(gate, "deadline_ms", 0, MAX_WAIT_MS)
    if facts.default and not wait_ms:
        raise BadGate("`default` needs a `deadline`")
    if (able := _able(facts)) is not None and able < facts.quorum:
        raise BadGate(f"a quorum of {facts.quorum} cannot be reached: {able} may decide")
    return NewGate(facts, draft, wait_ms)


def _default(default: Json, form: Json) -> dict[str, Json] | None:
    """A value that the default names must satisfy the form; without one the value of that moment must."""
    if default is None:
        return None
    if not isinstance(default, dict) or set(default) - {"decision", "value"}:
        raise BadGate("`default` has `decision` and maybe `value`")
    decision = _word(default.get("decision"), "default.decision", ("approve", "reject"))
    if "value" in default and decision == "reject":
        raise BadGate("a `default` that rejects has no `value`")
    if "value" in default and form is not None and (errors := Form(form).errors(default["value"])):
        raise BadGate(
            f"`default.value` does not satisfy the form: {errors[0].pointer or '/'}: {errors[0].message}"
        )
    return cast(dict[str, Json], default)


def _who(who: Json) -> list[str]:
    if who is None:
        return []
    if (
        not isinstance(who, list)
        or len(who) > MAX_WHO
        or not all(isinstance(one, str) and one for one in who)
    ):
        raise BadGate(f"`who` is a list of at most {MAX_WHO} names")
    return who


def _able(facts: GateFacts) -> int | None:
    """How many may decide; None when nobody can tell."""
    if not facts.who or any(is_group(name) for name in facts.who):
        return None
    return len({person(name) for name in facts.who if not is_barred(facts, name)})


def _whole(gate: Mapping[str, Json], name: str, least: int, most: int) -> int:
    value = gate.get(name)
    if value is None:
        return least
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadGate(f"`{name}` is a whole number from {least} to {most}")
    return value


def _word(value: Json, name: str, words: Sequence[str]) -> str:
    if value not in words:
        raise BadGate(f"`{name}` is one of {', '.join(words)}")
    return str(value)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and how much of it is missing."""
    return text if len(text) <= limit else f"{text[:limit]} [... {len(text) - limit} more characters]"

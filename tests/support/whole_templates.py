"""Random templates that mix all that a task or a state may say, for the model of the whole engine."""

from typing import Final, TypeVar

from hypothesis import strategies as st

SERVICES: Final = ("alpha", "beta")
MAX_OF: Final = {"one": 1, "two": 2}
"""Most tasks of a key of `concurrency` at once."""
RATE: Final = {"count": 1, "per_ms": 60_000, "burst": 2}
"""Of the key `two`: no rate key of Redis ends by real time while a test runs."""

INNER: Final = {
    "Inner": """
tasks:
  - {name: A, service: alpha}
  - {name: B, service: beta, needs: [A], retry: {max_attempts: 2, delay: 3s, jitter: false}}
""",
    "Deep": """
tasks:
  - {name: A, service: alpha, optional: true}
  - {name: S, scenario: Inner, needs: [A]}
  - {name: F, service: beta, finally: true}
""",
    "Asking": """
tasks:
  - {name: G, gate: {title: Really, on_reject: continue}}
  - {name: A, service: alpha, needs: [G]}
""",
    "Shop": """
states:
  open: {on: {a: busy, end: closed}, after: {40s: closed}}
  busy:
    tasks: [{name: A, service: alpha}, {name: S, scenario: Inner, needs: [A], optional: true}]
    then: open
    otherwise: closed
    on: {b: busy, end: closed}
  closed: {end: success}
""",
}
"""Templates that tasks may run as scenarios of their own."""

LONG_AGO: Final = '"2020-01-01T00:00:00Z"'
"""The clock of the machine says when a `run_at` has come."""
Line = dict[str, str]
T = TypeVar("T")


def _maybe(strategy: st.SearchStrategy[str], *, often: int = 4) -> st.SearchStrategy[str]:
    """A text or, mostly, none."""
    return st.one_of(*[st.just("")] * (often - 1), strategy)


def _said(*words: T) -> st.SearchStrategy[T]:
    return st.sampled_from(words)


RETRIES: Final = _said(
    "2", "{max_attempts: 2, delay: 5s, jitter: false}", "{max_attempts: 3, delay: 1s, max_crashes: 1}", "{max_attempts: 3, delay: 0}"
)  # fmt: skip
TIMEOUTS: Final = _said("{run: 30s}", "{queue: 20s}", "{total: 1m}", "{run: 30s, heartbeat: 10s, queue: 2m}")
GATES: Final = _said(
    "{title: Go}",
    "{title: Go, quorum: 2}",
    "{title: Go, deadline: 1m, default: {decision: approve}}",
    "{title: Go, deadline: 30s, on_reject: continue}",
)
FLOWS: Final = _said("one", "two", "priority")


def templates() -> st.SearchStrategy[str]:
    """A template of 1 to 8 tasks, or of some states that have tasks."""
    return st.one_of(_graphs(), _graphs(), _graphs(), _machines())


@st.composite
def _graphs(draw: st.DrawFn) -> str:
    lines: list[Line] = []
    undone: set[str] = set()
    for number in range(draw(st.integers(1, 8))):
        name = f"T{number}"
        ordinary = [line["name"] for line in lines if "finally" not in line and "compensates" not in line]
        level = draw(_said(*["", "", "", "", "", "", "finally", "compensates"])) if ordinary else ""
        left = [one for one in ordinary if one not in undone]
        if level == "compensates" and left:
            target = draw(st.sampled_from(left))
            undone.add(target)
            lines.append(
                {"name": name, "service": draw(_said(*SERVICES)), "compensates": target, **draw(_extras())}
            )
        elif level == "finally":
            before = [line["name"] for line in lines if "finally" in line]
            needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
            lines.append(
                {
                    "name": name,
                    "service": draw(_said(*SERVICES)),
                    "finally": "true",
                    **_needs(needs),
                    **draw(_extras()),
                }
            )
        else:
            lines.append(draw(_ordinary(name, lines, ordinary)))
    return f"name: Whole\ntasks:\n{_listed(lines, '  ')}"


@st.composite
def _machines(draw: st.DrawFn) -> str:
    """States, each of which the event `end` ends."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 3)))]
    states = "".join(f"  {name}:\n{draw(_states([*names, 'over']))}" for name in names)
    return f"name: Whole\nstates:\n{states}  over: {{end: {draw(_said('success', 'failed', 'cancelled'))}}}\n"


@st.composite
def _states(draw: st.DrawFn, names: list[str]) -> str:
    """What a state has; `names`: of all of them."""
    to = st.sampled_from(names)
    events = ["end: over"] + [f"{event}: {draw(to)}" for event in "ab" if draw(st.integers(0, 3))]
    text = f"    on: {{{', '.join(events)}}}\n"
    if draw(st.integers(0, 2)) == 0:
        text += f"    after: {{{draw(_said('5s', '40s'))}: {draw(to)}}}\n"
    lines: list[Line] = []
    for number in range(draw(_said(0, 1, 1, 2, 2, 3, 4))):
        lines.append(draw(_ordinary(f"T{number}", lines, [line["name"] for line in lines])))
        if "service" in lines[-1] and draw(st.booleans()):
            lines[-1]["told"] = '"{{ event.name }}"'
    if lines:
        ways = [f"    {way}: {draw(to)}\n" for way in ("then", "otherwise") if draw(st.integers(0, 3))]
        text += f"    tasks:\n{_listed(lines, '      ')}{''.join(ways)}"
    return text


def _listed(lines: list[Line], indent: str) -> str:
    texts = [", ".join(f"{key}: {value}" for key, value in line.items()) for line in lines]
    return "".join(f"{indent}- {{{text}}}\n" for text in texts)


@st.composite
def _ordinary(draw: st.DrawFn, name: str, lines: list[Line], before: list[str]) -> Line:
    needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=4)) if before else []
    workers = [
        line["name"]
        for line in lines
        if line["name"] in needs and "service" in line and "foreach" not in line
    ]
    line: Line = {"name": name, **draw(_work())}
    line |= _needs(needs)
    if needs:
        joins = ["any_success", "all_done", f"{{at_least: {draw(st.integers(1, len(needs)))}}}"]
        if join := draw(_maybe(_said(*joins), often=2)):
            line["join"] = join
    if workers and draw(st.integers(0, 3)) == 0:
        line["foreach"] = f"{{{{ result('{draw(st.sampled_from(workers))}').parts }}}}"
        if when := draw(_maybe(_said('"item > 1"', '"item > 0 and index < 3"'), often=2)):
            line["when"] = when
    elif workers and draw(st.integers(0, 3)) == 0:
        line["when"] = f"\"result('{draw(st.sampled_from(workers))}').n > 1\""
    if "service" in line:
        line |= draw(_extras())
        if workers and "params" not in line and draw(st.integers(0, 3)) == 0:
            one = draw(st.sampled_from(workers))
            line["params"] = f"{{a: {{{{ result('{one}').n }}}}, of: \"{{{{ SHORT_UUID('{one}') }}}}\"}}"
    for key, strategy in (
        ("optional", _said("true")),
        ("delay", _said("10s", "2s")),
        ("run_at", _said(LONG_AGO)),
    ):
        if (value := draw(_maybe(strategy, often=5))) and not (key == "run_at" and "delay" in line):
            line[key] = value
    return line


@st.composite
def _work(draw: st.DrawFn) -> Line:
    kind = draw(_said(*["service"] * 6, "gate", "scenario"))
    if kind == "gate":
        return {"gate": draw(GATES)}
    if kind == "scenario":
        return {"scenario": draw(_said("Inner", "Inner", "Deep", "Asking", "Shop"))}
    return {"service": draw(_said(*SERVICES))}


@st.composite
def _extras(draw: st.DrawFn) -> Line:
    line: Line = {}
    for key, strategy in (("retry", RETRIES), ("timeouts", TIMEOUTS)):
        if value := draw(_maybe(strategy)):
            line[key] = value
    if draw(st.integers(0, 5)) == 0:
        line["params"] = "{b: 1}"
    flow = draw(_maybe(FLOWS))
    if flow == "priority":
        line["priority"] = str(draw(st.integers(0, 4)))
    elif flow:
        line["concurrency"] = f"{{key: {flow}, max: {MAX_OF[flow]}}}"
    if flow == "two":
        line["rate"] = "{count: 1, per: 1m, burst: 2}"
    return line


def _needs(names: list[str]) -> Line:
    return {"needs": f"[{', '.join(names)}]"} if names else {}

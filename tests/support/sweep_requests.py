"""Random requests made from an OpenAPI document: mostly what it asks for, now and then what it does not."""

import json
import random
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx

from workers_sdk.protocol.keys import is_id

Json = Any
Primitive = str | int | float | bool | None

BASE: Final = "http://api"
KEPT: Final = 30
ODDS_NASTY: Final = 0.03
# fmt: off
NASTY: Final[Sequence[Json]] = (
    None, True, False, 0, -1, 1, 2, 3.5, 1e308, 2**31, 2**53, -(2**53), 2**63, 10**300, "", " ", "a\0b", "\n", "é", "日本", "🙂" * 50, "x" * 300,
    "x" * 5_000, "\ud800", "{p0}:x", "a:b", "*", "..", "{{ 7*7 }}", "{% raw %}", "null", "1", [], {}, [[]], [None], {"a": {"b": [1]}}, {"": ""},
    {"__proto__": 1}, ["x"] * 60, {str(n): n for n in range(210)}, [[[[[[[[[[]]]]]]]]]],
)
ANYTHING: Final[Sequence[Json]] = ("anna", "ben", *NASTY[:12], {"parts": [1]})
STRANGE_IDS: Final = ("x", "0" * 16, "z" * 16, "zzzzzzzzzzzzzzz", "é", "a b", "\0", "x" * 300, "*", "{p0}:x", "%00", "text-service:0123456789abcdef")
TIMES: Final = ("2098-12-31T23:00", "2020-01-01T00:00Z", "2099-01-01T00:00+02:00", "2026-02-30T00:00")
USUAL: Final[Mapping[str, Sequence[str]]] = {
    "by": ("ann", "bob"), "who": ("ann", "bob"), "submitter": ("ann", "carl"), "groups": ("editors",), "group": ("editors",), "tenant": ("acme", "tiny"),
    "cron": ("* * * * *", "*/5 1-5 L * MON", "0 0 29 2 *"), "timezone": ("UTC", "Europe/Berlin"), "rate": ("10/s", "1/d", "5/3h burst 2"),
    "run_at": TIMES, "start_at": TIMES, "end_at": TIMES, "url": ("http://127.0.0.1:9/x", "https://user@127.0.0.1/"),
    "Idempotency-Key": ("k1", "k2", "k3"), "durability": ("memory", "fsync", "replicated(1)"), "Range": ("bytes=0-1", "bytes=-1", "bytes=9-", "x"),
}
"""What makes sense in a field of this name; the user of `Requests` adds more."""
ALSO: Final[Mapping[str, Sequence[str]]] = {
    "task_id": ("task_ids", "id"), "name": ("scenario",), "from": ("task_ids", "name"), "cursor": ("next_cursor",), "endpoint_id": ("id",),
    "delivery_id": ("id",),
}
"""Where else than under its own name a value of this name is told."""
# fmt: on
ONE_OF: Final = ("cron", "every_s", "run_at", "delay_s")
"""Where there are these, one must be given, and no other."""
TOLD: Final = ("fingerprint", "next_cursor", "service", "token", "name", "code", "secret")


@dataclass
class Memory:
    """What the API told before, by where and by the name of the field. Only the last of each: what is old may be gone."""

    values: dict[tuple[str, str], deque[str]] = field(default_factory=dict)

    def learn(self, answer: Json, path: str, name: str = "") -> None:
        """Keep what later requests may name. `path`: where it was told."""
        if isinstance(answer, dict):
            for key, value in answer.items():
                self.learn(value, path, key)
        elif isinstance(answer, list):
            for value in answer:
                self.learn(value, path, name)
        elif isinstance(answer, str) and name == "result_ref":
            self._keep("/artifacts", "path", "/".join(answer.split("/")[-4:]))
        elif isinstance(answer, str) and answer and (is_id(answer) or name in TOLD):
            self._keep(path, name, answer)

    def known(self, path: str, name: str) -> tuple[list[str], list[str]]:
        """Values for a field of this name: those told at a path of this family, and those told anywhere."""
        names, family = (name, *ALSO.get(name, ())), _family(path)
        near = [value for one in names for value in self.values.get((family, one), ())]
        return near, [value for (_, one), some in self.values.items() if one in names for value in some]

    def _keep(self, path: str, name: str, value: str) -> None:
        kept = self.values.setdefault((_family(path), name), deque(maxlen=KEPT))
        if value not in kept:
            kept.append(value)


@dataclass(frozen=True)
class Sent:
    """A request, and what the document says of it."""

    path: str
    operation: Mapping[str, Json]
    request: httpx.Request


class Requests:
    """Makes them.

    Args:
        document: an OpenAPI document.
        usual: more of `USUAL`.
        weights: of operation ids; 1 where there is none.
        memory: what the API told.
    """

    def __init__(
        self,
        document: Mapping[str, Json],
        usual: Mapping[str, Sequence[str]],
        weights: Mapping[str, int],
        memory: Memory,
    ) -> None:
        self._schemas = document["components"]["schemas"]
        self._usual = {**USUAL, **usual}
        self._memory = memory
        self._operations = [
            (path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        self._weights = [weights.get(operation["operationId"], 1) for _, _, operation in self._operations]

    def make(self, n: int) -> Sent:
        """Make the request number `n` of endlessly many."""
        chance = random.Random(n)
        [(path, method, operation)] = chance.choices(self._operations, self._weights)
        values = Values(chance, self._schemas, self._usual, partial(self._memory.known, path))
        url, query, headers = values.parameters(path, operation)
        content = None
        if "requestBody" in operation and chance.random() < 0.97:
            [(media, body)] = operation["requestBody"]["content"].items()
            headers[b"Content-Type"] = media.encode()
            content = values.body(media, body["schema"])
        params = httpx.QueryParams(query) if query else None
        return Sent(
            path,
            operation,
            httpx.Request(method.upper(), BASE + url, params=params, headers=headers, content=content),
        )


class Values:
    """Values for one request."""

    def __init__(
        self,
        chance: random.Random,
        schemas: Mapping[str, Json],
        usual: Mapping[str, Sequence[str]],
        known: Callable[[str], tuple[list[str], list[str]]],
    ) -> None:
        self._chance = chance
        self._schemas = schemas
        self._usual = usual
        self._known = known
        self._makers: Mapping[str, Callable[[Json, str], Json]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda _schema, _name: chance.random() < 0.5,
            "null": lambda _schema, _name: None,
        }

    def parameters(
        self, path: str, operation: Json
    ) -> tuple[str, list[tuple[str, Primitive]], dict[bytes, bytes]]:
        """The path filled in, the query and the headers."""
        query: list[tuple[str, Primitive]] = []
        headers: dict[bytes, bytes] = {}
        for parameter in operation.get("parameters", ()):
            name, place = parameter["name"], parameter["in"]
            if place == "path":
                path = path.replace(f"{{{name}}}", quote(self.identifier(name), safe=""))
            elif place == "query" and self._chance.random() < 0.4:
                query += self.query(name, parameter["schema"])
            elif place == "header" and self._chance.random() < 0.4:
                headers[name.encode()] = self.header(name, parameter["schema"])
        if "206" in operation["responses"] and self._chance.random() < 0.3:
            headers[b"Range"] = self.header("Range", {"type": "string"})
        if self._chance.random() < 0.02:
            query.append((self._chance.choice(("evil", "limit", "")), "1"))
        return path, query, headers

    def identifier(self, name: str) -> str:
        """A part of a path: mostly of something that there is, and none that leads to another address."""
        known = self._sensible(name)
        value = self._chance.choice(known if known and self._chance.random() < 0.9 else STRANGE_IDS)
        leaves = value in (".", "..") or ("/" in value and name != "path")
        return "x" if leaves else value

    def query(self, name: str, schema: Json) -> list[tuple[str, Primitive]]:
        """A parameter, as often as it is given."""
        value = self.value(schema, name)
        many = value if isinstance(value, list) else [value]
        return [(name, _plain(one)) for one in many]

    def header(self, name: str, schema: Json) -> bytes:
        """A value that HTTP can carry."""
        return re.sub(r"[^\x20-\xff]", "", _plain(self.value(schema, name))[:300]).strip().encode("latin-1")

    def body(self, media: str, schema: Json) -> bytes:
        """A body, now and then broken."""
        if media == "application/x-ndjson":
            line = {"$ref": "#/components/schemas/GenerateIn"}
            body = b"\n".join(json.dumps(self.value(line)).encode() for _ in range(self._chance.randrange(4)))
        else:
            body = json.dumps(self.value(schema)).encode()
        if self._chance.random() < 0.03:
            at = self._chance.randrange(len(body) + 1)
            body = body[:at] + self._chance.choice((b"", b"\xff", b"NaN")) + body[at + 1 :]
        return body

    def value(self, schema: Json, name: str = "") -> Json:
        """A value for a schema, or one that does not care."""
        if self._chance.random() < ODDS_NASTY:
            return self._chance.choice(NASTY)
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            return self.value(self._chance.choice([*schema["anyOf"][:1] * 3, *schema["anyOf"][1:]]), name)
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        make = self._makers.get(schema.get("type", ""))
        return make(schema, name) if make else self._chance.choice(ANYTHING)

    def _sensible(self, name: str) -> Sequence[str]:
        near, anywhere = self._known(name)
        return self._chance.choice([some for some in (near, anywhere, self._usual.get(name)) if some] or [()])

    def _object(self, schema: Json, name: str) -> Json:
        given = schema.get("examples") if self._chance.random() < 0.5 else None
        example = self._chance.choice(given) if given else {}
        made = {key: value for key, value in example.items() if key not in self._usual}
        only = next((key for key in ONE_OF if key in example), self._chance.choice(ONE_OF))
        needed = {*schema.get("required", ()), *example, only} - {*made}
        for key, one in schema.get("properties", {}).items():
            if self._chance.random() < (0.98 if key in needed else 0.1 if made else 0.2):
                made[key] = self.value(one, key)
        if self._chance.random() < 0.9:
            for key in set(ONE_OF) - {only}:
                made.pop(key, None)
        more = list(schema.get("patternProperties", {}).values())
        if more or schema.get("additionalProperties", True) is not False:
            keys = self._usual.get(f"{name}.", ("a", "b"))
            for key in self._chance.sample(keys, self._chance.randrange(2)):
                made[key] = self.value(more[0] if more else {}, key)
        return made

    def _array(self, schema: Json, name: str) -> Json:
        return [self.value(schema["items"], name) for _ in range(self._chance.choice((0, 1, 1, 2, 3)))]

    def _string(self, schema: Json, name: str) -> Json:
        known = self._sensible(name)
        if known and self._chance.random() < 0.95:
            return self._chance.choice(known)
        length = self._chance.choice((schema.get("minLength", 0), 3, 20))
        return "".join(self._chance.choice("abcXYZ019 -_.:/'\"{}%é日\u2028\0") for _ in range(length))

    def _integer(self, schema: Json, _name: str) -> Json:
        low = int(schema.get("minimum", -3))
        high = int(schema.get("maximum", low + 1_000))
        near = self._chance.randint(low, min(high, low + 20))
        beyond = self._chance.choice((low - 1, high + 1))
        return self._chance.choice((low, high, beyond, near, near, near, near, near))

    def _number(self, schema: Json, _name: str) -> Json:
        return self._chance.choice(
            (0.001, 0.5, 1, 3, 1.5, 7, -1, schema.get("minimum", 0), schema.get("maximum", 1e9))
        )


def _family(path: str) -> str:
    return path.split("/")[1]


def _plain(value: Json) -> str:
    """As it stands in a query or a header; what is no text in UTF-8 cannot."""
    text = value if isinstance(value, str) else json.dumps(value)[:2_000]
    return text.encode("utf-8", "replace").decode()

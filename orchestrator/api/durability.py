"""How safe an accepted scenario is, in the answer to its request."""

import orjson

from orchestrator.store.durability import Confirmed, Durability

from .models import DurabilityClass, Replicated
from .services import Services
from .submission import Answer


async def durable(answer: Answer, needs: Services, asked: Durability | None = None) -> bytes:
    """A `GenerateOut`, after waiting for the durability that was asked for, or the usual one."""
    confirmed = await confirm(answer.scenario_id, needs, asked)
    return answer.body[:-1] + b',"durability":' + orjson.dumps(confirmed.json()) + b"}"


async def confirm(any_id: str, needs: Services, asked: Durability | None = None) -> Confirmed:
    """Wait until all that was written for the slot of an id is as safe as asked, or the time is over."""
    return await needs.confirmer.confirm(any_id, asked or Durability.parse(needs.settings.durability))


def class_of(asked: DurabilityClass | None) -> Durability | None:
    """What a request asks for, as the store says it."""
    if isinstance(asked, Replicated):
        return Durability("replicated", asked.replicated)
    return Durability(asked) if asked else None

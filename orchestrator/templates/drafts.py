"""The plan of any document, with tasks or with states."""

from orchestrator.templates.limits import Limits
from orchestrator.templates.plan import Draft, draft_tasks
from orchestrator.templates.plan_states import draft_states
from orchestrator.templates.shape import Shape
from orchestrator.templates.state import Rendering


def draft(shape: Shape, state: Rendering, limits: Limits) -> Draft:
    """Check the document and plan it. Finds as much as it can in one go."""
    work = draft_tasks if shape.document.states is None else draft_states
    return work(shape, state, limits)

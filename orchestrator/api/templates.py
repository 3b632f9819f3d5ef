"""Templates: what can be generated."""

from fastapi import APIRouter

from orchestrator.templates import Template

from .documented import problems
from .models import SelfLink
from .service_models import TemplateItem, TemplateOut, TemplatesOut
from .services import Needs

router = APIRouter(prefix="/templates", tags=["templates"])


@router.get("", operation_id="list_templates", summary="List the templates", responses=problems())
async def list_templates(needs: Needs) -> TemplatesOut:
    """Give all templates by name, with the variables they take."""
    return TemplatesOut(items=[TemplateItem.model_validate(_item(one)) for one in needs.registry.all()])


@router.get(
    "/{name}",
    operation_id="get_template",
    summary="Read a template",
    responses=problems("unknown_template", "not_found"),
)
async def get_template(name: str, needs: Needs) -> TemplateOut:
    """Give a template with its text; the name may have the prefix `Scenario` or not."""
    template = needs.registry.get(name)
    return TemplateOut.model_validate({**_item(template), "text": template.text})


def _item(template: Template) -> dict[str, object]:
    return {
        "name": template.name,
        "variables": template.variables,
        "hash": template.hash,
        "links": SelfLink(self=f"/templates/{template.name}"),
    }

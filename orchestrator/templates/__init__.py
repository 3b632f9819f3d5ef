"""Scenario templates: YAML with Jinja2 in it, turned into a checked graph of tasks. Pure; see `docs/templates.md`."""

from orchestrator.templates.document import json_schema
from orchestrator.templates.filling import TaskSpec
from orchestrator.templates.generate import GeneratedScenario, generate
from orchestrator.templates.limits import Limits
from orchestrator.templates.machine import MachineSpec, StateSpec
from orchestrator.templates.problems import TemplateError, TemplateProblem, UnknownTemplate
from orchestrator.templates.registry import Registry
from orchestrator.templates.template import Template, load_template

__all__ = [
    "GeneratedScenario",
    "Limits",
    "MachineSpec",
    "Registry",
    "StateSpec",
    "TaskSpec",
    "Template",
    "TemplateError",
    "TemplateProblem",
    "UnknownTemplate",
    "generate",
    "json_schema",
    "load_template",
]

"""text-service: writes the narration, and what each slide says."""

import os
from dataclasses import asdict, replace
from typing import Any

from pydantic import Field

from workers_sdk import Context, Fail, Worker

from ..services import openai
from ..services.settings import text_account
from ..writing.language import clean, split_sentences
from ..writing.request import slide_number
from ..writing.script import Script, SlideIdea, slides_from_sentences
from ..writing.writer import NAME, write_script
from .common import MAX_SLIDES, Params, as_text, number_of, referred, told_plainly

worker = Worker("text-service")


class TextParams(Params):
    """`slides` is for how many slides the writer plans; `language` is `auto`, `ru`, `en` or another code."""

    model: str = "gpt-4o-mini"
    slides: int = Field(3, ge=1, le=MAX_SLIDES)
    language: str = "auto"


@worker.task("CreateText")
def create_text(params: TextParams, ctx: Context) -> dict[str, Any]:
    """Narration for the prompt: `{title, text, sentences, language, subject, outline, provider}`.

    `outline` has `{title, points, first_word}` for each slide; it is empty when the provider plans none.
    """
    with told_plainly():
        account = text_account(os.environ)
        if account.provider == "offline":
            return _script_value(
                write_script(ctx.prompt, slides=params.slides, language=params.language), NAME
            )
        model = os.environ.get("OPENAI_MODEL") or params.model
        script = openai.write_script(account, model, ctx.prompt, params.language)
        return _script_value(script, f"{account.provider}:{model}")


@worker.task("CreateSlidePrompt")
def create_slide_prompt(params: TextParams, ctx: Context) -> dict[str, Any]:
    """What one slide says: `{title, points, prompt, index, total, first_word, topic, provider}`.

    The slide's number is the field `index`, else the number in the prompt ("a headline for slide 2"). With
    `text_task_id` the slide belongs to that narration, without it the slide is made from the prompt alone. `first_word`
    is the word of the narration (from 0, split at spaces) with which the slide appears; null when that is not known.
    """
    index = number_of(ctx, "index") or slide_number(ctx.prompt) or 1
    if index > MAX_SLIDES:
        raise Fail(f"slide {index}: a show has at most {MAX_SLIDES} slides", code="bad_input")
    # Without a known total the slide is one of a long show, so that no two numbers share a place in it.
    total = min(MAX_SLIDES, max(index, number_of(ctx, "total") or MAX_SLIDES))
    text = referred(ctx, "text_task_id")
    narration = as_text(ctx, text) if text else {}
    with told_plainly():
        account = text_account(os.environ)
        if account.provider == "offline":
            idea, topic = _planned(narration, index, total) or _own_plan(
                ctx.prompt, params.language, index, total
            )
            picture, provider = "", NAME
        else:
            model = os.environ.get("OPENAI_MODEL") or params.model
            spoken = str(narration.get("text", ""))
            idea, picture = openai.write_slide(account, model, ctx.prompt, spoken, index, total)
            topic, provider = _topic(narration), f"{account.provider}:{model}"
    return {
        "title": idea.title,
        "points": idea.points,
        "prompt": picture or ". ".join((idea.title, *idea.points)),
        "index": index,
        "total": total if number_of(ctx, "total") else None,
        "first_word": idea.first_word if number_of(ctx, "total") else None,
        "topic": topic,
        "provider": provider,
    }


def _planned(narration: dict[str, Any], index: int, total: int) -> tuple[SlideIdea, str] | None:
    """The idea that the narration's writer had for this slide, else one in the words of its share of the text."""
    if not narration:
        return None
    outline, topic = narration.get("outline"), _topic(narration)
    if isinstance(outline, list) and index <= len(outline) and isinstance(outline[index - 1], dict):
        planned = outline[index - 1]
        points = tuple(str(point) for point in planned.get("points") or ())
        first = planned.get("first_word")
        title = str(planned.get("title") or topic)
        return SlideIdea(title, points, first if isinstance(first, int) else None), topic
    sentences = split_sentences(clean(str(narration["text"])))
    title = str(narration.get("title") or "") or (sentences[0] if sentences else "")
    return slides_from_sentences(title, sentences, total)[index - 1], topic


def _own_plan(prompt: str, language: str, index: int, total: int) -> tuple[SlideIdea, str]:
    """An idea made from the prompt alone."""
    script = write_script(prompt, slides=total, language=language)
    # That script is never spoken, so the slide has no place in what is.
    return replace(script.outline[index - 1], first_word=None), script.subject


def _topic(narration: dict[str, Any]) -> str:
    return str(narration.get("subject") or narration.get("title") or narration.get("text") or "")[:200]


def _script_value(script: Script, provider: str) -> dict[str, Any]:
    return {
        "title": script.title,
        "text": script.text,
        "sentences": script.sentences,
        "language": script.language,
        "subject": script.subject,
        "outline": [asdict(idea) for idea in script.outline],
        "provider": provider,
    }


if __name__ == "__main__":
    worker.run()

"""image-service: draws slides."""

import io
import os
from typing import Any

from PIL import Image

from workers_sdk import Context, Done, Fail, Worker

from ..errors import ProviderError
from ..services import gemini, openai
from ..services.settings import image_account
from ..slides.design import draw_slide
from ..slides.fonts import printable
from ..slides.layouts import Slide
from ..slides.palette import DEFAULT_STYLE
from .common import (
    MAX_SLIDES,
    Params,
    Resolution,
    as_text,
    done,
    number_of,
    parse_resolution,
    referred,
    told_plainly,
)

OFFLINE_NAME = "offline-designer"
_OPENAI_MODEL, _GEMINI_MODEL = "gpt-image-1", "gemini-2.5-flash-image"
_MAX_CHARS = 400

worker = Worker("image-service", concurrency=4)


class SlideParams(Params):
    """`style` is `modern-flat`, `dark`, `gradient` or `paper`; `resolution` as `1920x1080`."""

    model: str = ""
    style: str = DEFAULT_STYLE
    resolution: Resolution = ""


@worker.task("CreateSlide")
def create_slide(params: SlideParams, ctx: Context) -> Done:
    """Draw what `slide_prompt_id` says, or without it the prompt.

    Result: a PNG file, and `{title, index, total, first_word, width, height, style, provider, left_out}`; `left_out`
    counts the characters that the font has no shape for, `first_word` is handed on from the slide's prompt.
    """
    value = _wanted(ctx)
    slide = _slide(ctx, value, params.style)
    width, height = parse_resolution(
        params.resolution or os.environ.get("SCENARIST_VIDEO_RESOLUTION") or "1920x1080"
    )
    with told_plainly():
        picture, provider = _picture(str(value.get("prompt") or slide.title), params, upright=height > width)
        ctx.progress(60, "drawing")
        image = draw_slide(slide, width, height, picture).image
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    artifact = ctx.artifacts.put(f"slide-{slide.index:02}.png", buffer.getvalue(), "image/png")
    return done(
        artifact,
        title=slide.title,
        index=slide.index,
        total=slide.total,
        first_word=value.get("first_word"),
        width=width,
        height=height,
        style=slide.style,
        provider=provider,
        left_out=_left_out(slide),
    )


def _wanted(ctx: Context) -> dict[str, Any]:
    """What the slide prompt task left, or the task's own prompt."""
    result = referred(ctx, "slide_prompt_id")
    if result is None:
        return {"title": ctx.prompt}
    if isinstance(result.value, dict) and result.value.get("title"):
        return result.value
    return {"title": as_text(ctx, result)["text"]}


def _slide(ctx: Context, value: dict[str, Any], style: str) -> Slide:
    title = str(value.get("title") or "").strip()[:_MAX_CHARS]
    if not title:
        raise Fail("there is nothing to put on the slide: no title and no prompt", code="bad_input")
    given = value.get("points")
    points = (
        tuple(str(point)[:_MAX_CHARS] for point in given[:3] if str(point).strip())
        if isinstance(given, list)
        else ()
    )
    index = _whole(value.get("index")) or number_of(ctx, "index") or 1
    total = _whole(value.get("total")) or number_of(ctx, "total") or 1
    # Slides of one scenario share their colours even when nobody named a topic.
    topic = str(value.get("topic") or ctx.scenario_id)
    return Slide(title, points, index, min(total, MAX_SLIDES), topic, style)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value <= 10_000 else None


def _picture(prompt: str, params: SlideParams, *, upright: bool) -> tuple[Image.Image | None, str]:
    """A picture to stand behind the text, from the service that is configured; none when the slide is designed here."""
    account = image_account(os.environ)
    if account.provider == "offline":
        return None, OFFLINE_NAME
    wish = f"{prompt}\nStyle: {params.style}. A calm background for a slide: no text, no letters, no logos."
    if account.provider == "openai":
        model = params.model or _OPENAI_MODEL
        data = openai.picture(account, wish, model, upright=upright)
    else:
        model = params.model or _GEMINI_MODEL
        data = gemini.picture(account, wish, model)
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, Image.DecompressionBombError) as error:
        raise ProviderError(
            "upstream", f"{account.provider} sent something that is not a picture: {error}"
        ) from error
    return image, f"{account.provider}:{model}"


def _left_out(slide: Slide) -> int:
    texts = (" ".join(text.split()) for text in (slide.title, *slide.points))
    return sum(max(0, len(text) - len(printable(text))) for text in texts)


if __name__ == "__main__":
    worker.run()

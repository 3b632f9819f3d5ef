"""Designed slides without any service: layouts by place in the show, colours by topic and style."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from . import layouts
from .blocks import agenda, draw_agenda, draw_title
from .canvas import Canvas
from .layouts import Slide
from .palette import palette_for
from .typeset import Box

_SMALLEST_DRAWN = 480


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture and, for each text on it, the box of its ink and the box it was given."""

    image: Image.Image
    texts: tuple[tuple[Box, Box], ...]
    safe: Box


def draw_slide(slide: Slide, width: int, height: int, picture: Image.Image | None = None) -> Drawn:
    """Draw a slide of width x height pixels; over a picture if one is given. Raises ProviderError without a font."""
    # Type is not legible when it is drawn at a few pixels: a small slide is a large one made smaller.
    factor = max(1, -(-_SMALLEST_DRAWN // min(width, height)))
    canvas = Canvas(width * factor, height * factor, palette_for(slide.style, slide.topic))
    layout = _layout(slide)
    if picture is not None:
        _over_picture(canvas, slide, picture)
    else:
        layout(canvas, slide)
    # At the lower right these two layouts are filled with the accent colour.
    on_accent = layout is layouts.ending or (layout is layouts.split and not canvas.is_tall)
    color = (
        "#ffffff" if picture is not None else canvas.palette.on_accent if on_accent else canvas.palette.ink
    )
    _progress(canvas, slide, color)
    texts = tuple((ink.divided(factor), box.divided(factor)) for ink, box in canvas.texts)
    return Drawn(canvas.image.reduce(factor), texts, canvas.safe.divided(factor))


def _layout(slide: Slide) -> Callable[[Canvas, Slide], None]:
    if slide.index <= 1:
        return layouts.cover
    if slide.index == slide.total and slide.total > 2:
        return layouts.ending
    choice = (
        (layouts.split, layouts.cards, layouts.numbers, layouts.margin)
        if slide.points
        else (layouts.statement, layouts.numbers, layouts.margin)
    )
    return choice[(slide.index - 2) % len(choice)]


def _over_picture(canvas: Canvas, slide: Slide, picture: Image.Image) -> None:
    """A picture fills the slide; the headline stands on a dark veil at the left."""
    unit, safe = canvas.unit, canvas.safe
    canvas.image = ImageOps.fit(
        picture.convert("RGB"), (canvas.width, canvas.height), Image.Resampling.LANCZOS
    )
    veil = (
        Image.linear_gradient("L")
        .rotate(-90)
        .resize((canvas.width, canvas.height))
        .point([min(215, round(v * 1.05)) for v in range(256)])
    )
    canvas.image.paste((8, 12, 24), (0, 0), veil)
    right = safe.right if canvas.is_tall else safe.left + safe.width * 0.6
    title_box = Box(
        safe.left, safe.top + 5 * unit, right, safe.top + safe.height * (0.5 if slide.points else 0.95)
    )
    ink = draw_title(canvas, slide.title, title_box, "#ffffff", middle=not slide.points)
    canvas.panel(
        Box(safe.left, safe.top, safe.left + 13 * unit, safe.top + 1.1 * unit), canvas.palette.accent
    )
    area = Box(safe.left, ink.bottom + 4 * unit, right, safe.bottom)
    points, row = agenda(canvas, slide.points, area.width)
    draw_agenda(canvas, points, area, row, "#ffffff")


def _progress(canvas: Canvas, slide: Slide, color: str) -> None:
    """Where we are in the show: a row of short dashes at the lower right, one of them long. None for a single slide."""
    if slide.total < 2:
        return
    unit, safe = canvas.unit, canvas.safe
    span = min(safe.width * 0.4, slide.total * 3.4 * unit)
    step = span / slide.total
    left = safe.right - span - 4 * unit
    top = canvas.height - 4 * unit
    for i in range(1, slide.total + 1):
        length = max(1.0, step * 0.6 + (4 * unit if i == slide.index else 0))
        bar = Box(left, top, left + length, top + max(1, 0.8 * unit))
        canvas.panel(bar, color, 0.95 if i == slide.index else 0.3, radius=0.4 * unit)
        left += length + step * 0.4

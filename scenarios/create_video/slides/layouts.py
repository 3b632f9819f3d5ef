"""How a slide is laid out: a cover, four ways to set points, a statement, an end. All sizes are in `canvas.unit`."""

from dataclasses import dataclass

from .blocks import agenda, draw_agenda, draw_bullets, draw_points, draw_title
from .canvas import Canvas
from .palette import DEFAULT_STYLE, rgb
from .typeset import Box, fit


@dataclass(frozen=True, slots=True)
class Slide:
    """What a slide shows.

    `index` counts from 1; `total` is 1 when the number of slides is not known. `topic` chooses the colours, so it is
    the same for a whole show.
    """

    title: str
    points: tuple[str, ...] = ()
    index: int = 1
    total: int = 1
    topic: str = ""
    style: str = DEFAULT_STYLE


def cover(canvas: Canvas, slide: Slide) -> None:
    """The subject in large type; a sun of overlapping discs rises at the right; what comes stands below."""
    p, unit, safe = canvas.palette, canvas.unit, canvas.safe
    w, h = canvas.width, canvas.height
    centre = (w * 0.86, h * 0.20) if canvas.is_tall else (w * 0.84, h * 0.46)
    canvas.circle(*centre, 46 * unit, p.soft, 0.75)
    canvas.circle(*centre, 31 * unit, p.accent)
    canvas.circle(centre[0] - 25 * unit, centre[1] + 26 * unit, 11 * unit, p.second, 0.92)
    canvas.circle(centre[0] + 4 * unit, centre[1] - 4 * unit, 38 * unit, p.ground, 0.55, ring=0.35 * unit)
    right = safe.right if canvas.is_tall else safe.left + safe.width * 0.6
    top = safe.top + safe.height * (0.34 if canvas.is_tall else 0.06)
    points, row = agenda(canvas, slide.points, right - safe.left)
    points_height = len(points) * row
    title_box = Box(safe.left, top, right, safe.bottom - points_height - 8 * unit)
    ink = draw_title(canvas, slide.title, title_box, p.ink, scale=1.35, middle=True)
    line_top = min(ink.bottom + 2.6 * unit, safe.bottom - points_height - 3.5 * unit)
    canvas.panel(
        Box(safe.left, line_top, safe.left + 13 * unit, line_top + 1.1 * unit), p.accent, radius=0.55 * unit
    )
    area = Box(safe.left, line_top + 3.4 * unit, right, safe.bottom)
    draw_agenda(canvas, points, area, row, p.muted)


def split(canvas: Canvas, slide: Slide) -> None:
    """A coloured panel with the number of the slide and its headline; the points beside it (below, when upright)."""
    p, unit, safe = canvas.palette, canvas.unit, canvas.safe
    w, h = canvas.width, canvas.height
    panel = Box(0, 0, w, h * 0.42) if canvas.is_tall else Box(0, 0, w * 0.43, h)
    canvas.panel(panel, p.accent)
    if not canvas.is_tall:
        # Subtitles stand on one colour, not half on the panel.
        canvas.panel(canvas.footer, p.accent)
    canvas.circle(panel.left + 4 * unit, panel.bottom - 2 * unit, 26 * unit, p.on_accent, 0.10)
    canvas.circle(panel.right - 6 * unit, 4 * unit, 17 * unit, p.on_accent, 0.10)
    _number(
        canvas,
        slide,
        Box(safe.left, safe.top + 5 * unit, panel.right - 6 * unit, safe.top + 19 * unit),
        p.on_accent,
    )
    bottom = panel.bottom - 3 * unit if canvas.is_tall else safe.bottom
    draw_title(
        canvas,
        slide.title,
        Box(safe.left, safe.top + 20 * unit, panel.right - 5 * unit, bottom),
        p.on_accent,
        scale=0.82,
    )
    left = safe.left if canvas.is_tall else panel.right + 7 * unit
    area = Box(left, (panel.bottom if canvas.is_tall else safe.top) + 5 * unit, safe.right, safe.bottom)
    draw_bullets(canvas, slide.points, area)


def cards(canvas: Canvas, slide: Slide) -> None:
    """The headline above; each point on a card of its own, with a coloured edge."""
    p, unit, safe = canvas.palette, canvas.unit, canvas.safe
    canvas.circle(canvas.width * 0.97, canvas.height * 0.06, 30 * unit, p.soft, 0.8)
    canvas.circle(canvas.width * 0.03, canvas.height * 1.02, 24 * unit, p.soft, 0.8)
    title_box = Box(safe.left, safe.top + 3 * unit, safe.right - 14 * unit, safe.top + safe.height * 0.36)
    draw_title(canvas, slide.title, title_box, p.ink, scale=0.85, middle=True)
    points = slide.points[:3]
    gap = 3.2 * unit
    area = Box(safe.left, safe.top + safe.height * 0.44, safe.right, safe.bottom)
    columns = 1 if canvas.is_tall else len(points)
    rows = len(points) if canvas.is_tall else 1
    width, height = (area.width - gap * (columns - 1)) / columns, (area.height - gap * (rows - 1)) / rows
    texts = []
    for i in range(len(points)):
        left = area.left + (0 if canvas.is_tall else i * (width + gap))
        top = area.top + (i * (height + gap) if canvas.is_tall else 0)
        texts.append(_card(canvas, Box(left, top, left + width, top + height), i))
    draw_points(canvas, points, texts, p.ink, 5.0, middle=canvas.is_tall)


def _card(canvas: Canvas, box: Box, i: int) -> Box:
    """Draw an empty card with a coloured edge and, where there is room, its number. Returns where its text stands."""
    p, unit = canvas.palette, canvas.unit
    shadow = Box(box.left + 0.7 * unit, box.top + 1.1 * unit, box.right + 0.7 * unit, box.bottom + 1.1 * unit)
    canvas.panel(shadow, p.soft, 0.9, radius=2.4 * unit)
    canvas.panel(box, "#ffffff" if sum(rgb(p.ground)) > 450 else p.soft, radius=2.4 * unit)
    edge, left = (p.accent, p.second, p.ink)[i % 3], box.left + 4 * unit
    canvas.panel(Box(left, box.top, left + 9 * unit, box.top + 1.2 * unit), edge)
    if canvas.is_tall:
        return Box(left, box.top + 2 * unit, box.right - 4 * unit, box.bottom - 1 * unit)
    badge = min(3.6 * unit, box.height * 0.17)
    dot = Box(left, box.top + 4.6 * unit, left + 2 * badge, box.top + 4.6 * unit + 2 * badge)
    canvas.circle(left + badge, dot.top + badge, badge, edge)
    digit = fit(
        str(i + 1), dot.width, dot.height * 1.2, largest=badge * 1.15, smallest=5, weight="bold", leading=1.2
    )
    canvas.text(digit, dot, p.on_accent if edge == p.accent else p.ground, centred=True, middle=True)
    return Box(left, dot.bottom + 2.4 * unit, box.right - 3 * unit, box.bottom - 2 * unit)


def numbers(canvas: Canvas, slide: Slide) -> None:
    """A giant pale number behind; the headline left, the points, if there are any, as a list under a line."""
    p, unit, safe = canvas.palette, canvas.unit, canvas.safe
    ghost = Box(canvas.width * 0.5, 0, canvas.width, canvas.height * 0.8)
    setting = fit(
        str(slide.index),
        ghost.width,
        ghost.height,
        largest=78 * unit,
        smallest=20 * unit,
        weight="extrabold",
        leading=1.0,
    )
    canvas.text(setting, ghost, p.soft, centred=True, middle=True)
    canvas.panel(Box(0, safe.top + 4 * unit, 1.8 * unit, safe.top + 26 * unit), p.accent)
    right = safe.right if canvas.is_tall else safe.left + safe.width * 0.72
    alone = not slide.points
    box = Box(safe.left, safe.top + 3 * unit, right, safe.top + safe.height * (0.92 if alone else 0.42))
    ink = draw_title(canvas, slide.title, box, p.ink, scale=1.15 if alone else 0.9, middle=alone)
    top = ink.bottom + 2.4 * unit
    canvas.panel(Box(safe.left, top, safe.left + 13 * unit, top + 1 * unit), p.second, radius=0.5 * unit)
    draw_bullets(canvas, slide.points, Box(safe.left, top + 4 * unit, right, safe.bottom))


def margin(canvas: Canvas, slide: Slide) -> None:
    """A slanted field of colour at the right with rings; headline and points at the left."""
    p, unit, safe = canvas.palette, canvas.unit, canvas.safe
    w, h = canvas.width, canvas.height
    if canvas.is_tall:
        canvas.polygon([(0, 0), (w, 0), (w, h * 0.16), (0, h * 0.24)], p.accent)
        text = Box(safe.left, h * 0.27, safe.right, safe.bottom)
    else:
        canvas.polygon([(w * 0.74, 0), (w, 0), (w, h), (w * 0.62, h)], p.accent)
        canvas.polygon([(w * 0.705, 0), (w * 0.725, 0), (w * 0.605, h), (w * 0.585, h)], p.second, 0.9)
        text = Box(safe.left, safe.top + 3 * unit, w * 0.60, safe.bottom)
        canvas.panel(canvas.footer, p.soft)
    for i, radius in enumerate((9, 16, 23)):
        canvas.circle(
            w * 0.88,
            h * (0.08 if canvas.is_tall else 0.44),
            radius * unit,
            p.on_accent,
            0.5 - 0.13 * i,
            ring=0.7 * unit,
        )
    alone = not slide.points
    box = Box(text.left, text.top, text.right, text.top + text.height * (1 if alone else 0.45))
    ink = draw_title(canvas, slide.title, box, p.ink, scale=1.1 if alone else 0.85, middle=alone)
    draw_bullets(canvas, slide.points, Box(text.left, ink.bottom + 3 * unit, text.right, text.bottom))


def statement(canvas: Canvas, slide: Slide) -> None:
    """A headline alone: centred, large, with a disc that wanders from slide to slide."""
    p, unit, safe = canvas.palette, canvas.unit, canvas.safe
    place = ((0.10, 0.16), (0.92, 0.20), (0.08, 0.80))[slide.index // 3 % 3]
    x, y = canvas.width * place[0], canvas.height * place[1]
    canvas.circle(x, y, 34 * unit, p.soft, 0.85)
    canvas.circle(x, y, 20 * unit, p.accent)
    canvas.circle(canvas.width - x, y, 12 * unit, p.second, 0.9)
    box = Box(safe.left + 10 * unit, safe.top + 6 * unit, safe.right - 10 * unit, safe.bottom - 2 * unit)
    draw_title(canvas, slide.title, box, p.ink, scale=1.05, centred=True, middle=True)


def ending(canvas: Canvas, slide: Slide) -> None:
    """The last slide: the accent colour fills it, rings in the corners, all in the middle."""
    p, unit, safe = canvas.palette, canvas.unit, canvas.safe
    w, h = canvas.width, canvas.height
    canvas.panel(Box(0, 0, w, h), p.accent)
    for x, y in ((0.0, h), (w, 0.0)):
        for i, radius in enumerate((24, 36, 48)):
            canvas.circle(x, y, radius * unit, p.on_accent, 0.30 - 0.07 * i, ring=0.7 * unit)
    canvas.circle(w * 0.07, h * 0.13, 8 * unit, p.second, 0.95)
    inner = Box(safe.left + 6 * unit, safe.top + 6 * unit, safe.right - 6 * unit, safe.bottom)
    points, row = agenda(canvas, slide.points, inner.width)
    points_height = len(points) * row
    title_box = Box(inner.left, inner.top, inner.right, inner.bottom - points_height - 7 * unit)
    ink = draw_title(canvas, slide.title, title_box, p.on_accent, centred=True, middle=True)
    line = min(ink.bottom + 2.6 * unit, inner.bottom - points_height - 3.4 * unit)
    canvas.panel(
        Box(w / 2 - 7 * unit, line, w / 2 + 7 * unit, line + 1 * unit), p.on_accent, 0.85, radius=0.5 * unit
    )
    area = Box(inner.left, line + 3.6 * unit, inner.right, inner.bottom)
    draw_agenda(canvas, points, area, row, p.on_accent, centred=True)


def _number(canvas: Canvas, slide: Slide, box: Box, color: str) -> None:
    setting = fit(
        f"{slide.index:02}",
        box.width,
        box.height,
        largest=box.height / 1.1,
        smallest=8,
        weight="light",
        leading=1.0,
    )
    canvas.text(setting, box, color)

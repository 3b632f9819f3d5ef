"""Pieces of text that several layouts set: a headline, points of one size, a list with round marks."""

from collections.abc import Sequence

from .canvas import Canvas
from .typeset import Box, fit

# Sizes of listed points, in units.
AGENDA, LEAST_AGENDA = 4.6, 3.7


def draw_title(
    canvas: Canvas,
    text: str,
    box: Box,
    color: str,
    *,
    scale: float = 1.0,
    centred: bool = False,
    middle: bool = False,
) -> Box:
    """Draw a headline as large as fits its box, at most 11.5 units times `scale`. Returns the box of its lines."""
    unit = canvas.unit
    largest, smallest = 11.5 * unit * scale, 3.6 * unit
    setting = fit(
        text, box.width, box.height, largest=largest, smallest=smallest, weight="extrabold", leading=1.16
    )
    return canvas.text(setting, box, color, centred=centred, middle=middle)


def draw_points(
    canvas: Canvas,
    points: Sequence[str],
    boxes: Sequence[Box],
    color: str,
    size: float,
    *,
    centred: bool = False,
    middle: bool = True,
    least: float = 2.6,
) -> None:
    """Draw each point in its box, all in one size: the largest from `least` to `size` units that fits the longest."""
    largest, smallest = size * canvas.unit, least * canvas.unit
    for step in ("measure", "draw"):
        for point, box in zip(points, boxes, strict=False):
            setting = fit(
                point,
                box.width,
                box.height,
                largest=largest,
                smallest=smallest,
                weight="semibold",
                leading=1.3,
                most_lines=4,
            )
            if step == "measure":
                largest = setting.size
            else:
                canvas.text(setting, box, color, centred=centred, middle=middle)


def agenda(canvas: Canvas, points: Sequence[str], width: float) -> tuple[Sequence[str], float]:
    """Which points to list where there is little room, and the height of their rows in pixels.

    Three short ones, a line each; else two, which may take two lines.
    """
    unit = canvas.unit
    line = 1.3 * AGENDA * unit
    short = all(
        fit(
            point,
            width,
            line * 1.1,
            largest=AGENDA * unit,
            smallest=LEAST_AGENDA * unit,
            weight="semibold",
            leading=1.3,
        ).lines[:1]
        == (" ".join(point.split()),)
        for point in points[:3]
    )
    return (points[:3], 7.3 * unit) if short else (points[:2], 11.5 * unit)


def draw_agenda(
    canvas: Canvas, points: Sequence[str], area: Box, height: float, color: str, *, centred: bool = False
) -> None:
    """Draw the points of `agenda` from the top of an area, never smaller than one can read."""
    boxes = rows(area, len(points), height)
    draw_points(canvas, points, boxes, color, AGENDA, centred=centred, least=LEAST_AGENDA)


def rows(area: Box, count: int, height: float) -> list[Box]:
    """Rows of one height from the top of an area; lower ones when there is no room for all."""
    height = min(height, area.height / max(1, count))
    return [
        Box(area.left, area.top + i * height, area.right, area.top + (i + 1) * height) for i in range(count)
    ]


def draw_bullets(canvas: Canvas, points: Sequence[str], area: Box) -> None:
    """Up to three points in rows of one height, each with a round mark, together in the middle of the area."""
    p, unit = canvas.palette, canvas.unit
    points = points[:3]
    height = min(15 * unit, area.height / max(1, len(points)))
    top = area.top + (area.height - height * len(points)) / 2
    lines = rows(Box(area.left, top, area.right, area.bottom), len(points), height)
    mark = min(2.1 * unit, height * 0.2)
    for i, row in enumerate(lines):
        middle = (row.top + row.bottom) / 2
        canvas.circle(row.left + mark, middle, mark, (p.accent, p.second)[i % 2])
        canvas.circle(row.left + mark, middle, mark * 0.42, p.ground)
    indent = 2 * mark + 3 * unit
    draw_points(
        canvas, points, [Box(row.left + indent, row.top, row.right, row.bottom) for row in lines], p.ink, 5.0
    )

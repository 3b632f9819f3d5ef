"""Text that always fits its box: the size is chosen, words are wrapped, and only then is anything cut."""

import math
from dataclasses import dataclass

from PIL import ImageDraw

from .fonts import Weight, font, printable

_STEP = 0.06


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels down."""
        return self.bottom - self.top

    def divided(self, factor: int) -> "Box":
        """The same box on a picture made smaller by a factor."""
        return Box(self.left / factor, self.top / factor, self.right / factor, self.bottom / factor)

    def holds(self, other: "Box", slack: float = 1.0) -> bool:
        """Whether the other box lies inside, give or take `slack` pixels."""
        return (
            other.left >= self.left - slack
            and other.top >= self.top - slack
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """How a text is set: lines of one size. `height` is that of all lines in pixels."""

    lines: tuple[str, ...]
    size: float
    weight: Weight
    leading: float

    @property
    def line_height(self) -> float:
        """Distance between two lines."""
        return self.size * self.leading

    @property
    def height(self) -> float:
        """Height of the whole block."""
        return self.line_height * len(self.lines)


def fit(
    text: str,
    width: float,
    height: float,
    *,
    largest: float,
    smallest: float,
    weight: Weight = "bold",
    leading: float = 1.18,
    most_lines: int = 6,
) -> Setting:
    """Set a text as large as fits into width x height pixels, between two sizes.

    Below the smallest size nobody could read it, so there the text is cut with an ellipsis instead.
    """
    text = printable(text, weight)
    # Sizes in equal steps of proportion; the largest that fits is found by halving.
    steps = max(0, math.ceil(math.log(largest / smallest) / _STEP)) if largest > smallest else 0
    fitting, low, high = None, 0, steps
    while low <= high:
        middle = (low + high) // 2
        size = max(smallest, largest * math.exp(-_STEP * middle))
        setting = Setting(tuple(_wrap(text, width, size, weight)), size, weight, leading)
        # Descenders of the last line reach a little below its share of the height.
        fits = setting.height + 0.12 * size <= height and len(setting.lines) <= most_lines
        if fits and " ".join(setting.lines) == text:
            fitting, high = setting, middle - 1
        else:
            low = middle + 1
    if fitting:
        return fitting
    lines = _wrap(text, width, smallest, weight)
    room = max(1, min(most_lines, int(height / (smallest * leading))))
    return Setting(tuple(_cut(lines, room, width, smallest, weight)), smallest, weight, leading)


def draw_setting(
    draw: ImageDraw.ImageDraw,
    setting: Setting,
    left: float,
    top: float,
    color: str,
    *,
    width: float = 0,
    centred: bool = False,
) -> Box:
    """Draw a block with its upper left corner there, centred within `width` if asked. Returns the box of its ink."""
    face = font(setting.size, setting.weight)
    boxes: list[tuple[float, float, float, float]] = []
    for i, line in enumerate(setting.lines):
        x = left + (width - face.getlength(line)) / 2 if centred else left
        y = top + i * setting.line_height + setting.line_height / 2
        draw.text((x, y), line, font=face, fill=color, anchor="lm")
        boxes.append(draw.textbbox((x, y), line, font=face, anchor="lm"))
    if not boxes:
        return Box(left, top, left, top)
    return Box(
        min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
    )


def _wrap(text: str, width: float, size: float, weight: Weight) -> list[str]:
    """Lines no wider than `width`; a word that is wider by itself is broken."""
    face = font(size, weight)
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if face.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while face.getlength(word) > width and len(word) > 1:
            room = _characters_that_fit(word, width, size, weight)
            lines.append(word[:room])
            word = word[room:]
        line = word
    return [*lines, line] if line else lines


def _characters_that_fit(word: str, width: float, size: float, weight: Weight) -> int:
    face = font(size, weight)
    low, high = 1, len(word)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(word[:middle]) <= width else (low, middle - 1)
    return low


def _cut(lines: list[str], room: int, width: float, size: float, weight: Weight) -> list[str]:
    if len(lines) <= room:
        return lines
    face = font(size, weight)
    last = lines[room - 1]
    while last and face.getlength(last + "…") > width:
        last = last[:-1]
    return [*lines[: room - 1], last.rstrip(" ,;:—–-") + "…"]

"""A picture one draws on: smooth shapes of one colour, and text whose boxes are remembered."""

from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from .palette import Palette, rgb
from .typeset import Box, Setting, draw_setting

_SMOOTH = 2


@dataclass(slots=True)
class Canvas:
    """Width and height in pixels; `unit` is a hundredth of the shorter side, so that designs fit any size."""

    width: int
    height: int
    palette: Palette
    image: Image.Image = field(init=False)
    texts: list[tuple[Box, Box]] = field(default_factory=list)
    """For each text drawn: the box of its ink, and the box it was given."""

    def __post_init__(self) -> None:
        self.image = _gradient(self.width, self.height, self.palette)

    @property
    def unit(self) -> float:
        """Pixels of a hundredth of the shorter side."""
        return min(self.width, self.height) / 100

    @property
    def safe(self) -> Box:
        """Where text may stand: off the edges, and above the subtitles."""
        side = max(6 * self.unit, self.width * 0.06)
        return Box(side, max(6 * self.unit, self.height * 0.085), self.width - side, self.height * 0.79)

    @property
    def footer(self) -> Box:
        """Where subtitles stand: below all other text, from edge to edge."""
        return Box(0, self.height * 0.782, self.width, self.height)

    @property
    def is_tall(self) -> bool:
        """Whether columns would be too narrow: a square or an upright picture."""
        return self.width < self.height * 1.2

    def circle(
        self, x: float, y: float, radius: float, color: str, opacity: float = 1.0, *, ring: float = 0
    ) -> None:
        """A disc, or with `ring` a circle line of that width, around a point."""
        box = (x - radius, y - radius, x + radius, y + radius)
        if ring:
            self._shape(
                lambda draw, k: draw.ellipse(_times(box, k), outline=255, width=max(1, round(ring * k))),
                color,
                opacity,
            )
        else:
            self._shape(lambda draw, k: draw.ellipse(_times(box, k), fill=255), color, opacity)

    def panel(self, box: Box, color: str, opacity: float = 1.0, *, radius: float = 0) -> None:
        """A rectangle, with round corners if a radius is given."""
        edges = (box.left, box.top, box.right, box.bottom)
        self._shape(
            lambda draw, k: draw.rounded_rectangle(_times(edges, k), radius * k, fill=255), color, opacity
        )

    def polygon(self, points: list[tuple[float, float]], color: str, opacity: float = 1.0) -> None:
        """A filled polygon."""
        self._shape(
            lambda draw, k: draw.polygon([(x * k, y * k) for x, y in points], fill=255), color, opacity
        )

    def text(
        self, setting: Setting, box: Box, color: str, *, centred: bool = False, middle: bool = False
    ) -> Box:
        """Draw text at the top of a box (or in the middle of its height). Returns the box of its lines."""
        top = box.top + (box.height - setting.height) / 2 if middle else box.top
        draw = ImageDraw.Draw(self.image)
        ink = draw_setting(draw, setting, box.left, top, color, width=box.width, centred=centred)
        if setting.lines:
            self.texts.append((ink, box))
        return Box(ink.left, top, ink.right, top + setting.height)

    def _shape(self, paint: Callable[[ImageDraw.ImageDraw, int], None], color: str, opacity: float) -> None:
        mask = Image.new("L", (self.width * _SMOOTH, self.height * _SMOOTH), 0)
        paint(ImageDraw.Draw(mask), _SMOOTH)
        bounds = mask.getbbox()
        if bounds is None:
            return
        # Only the painted part is made smooth and pasted: most shapes cover a small part of the picture.
        left, top = bounds[0] // _SMOOTH, bounds[1] // _SMOOTH
        right, bottom = -(-bounds[2] // _SMOOTH), -(-bounds[3] // _SMOOTH)
        part = mask.crop((left * _SMOOTH, top * _SMOOTH, right * _SMOOTH, bottom * _SMOOTH)).reduce(_SMOOTH)
        if opacity < 1:
            part = part.point([round(value * opacity) for value in range(256)])
        self.image.paste(rgb(color), (left, top), part)


def _times(box: tuple[float, float, float, float], factor: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = (value * factor for value in box)
    return left, top, right, bottom


def _gradient(width: int, height: int, palette: Palette) -> Image.Image:
    """A ground that runs from one colour at the upper left to the other at the lower right."""
    start, end = rgb(palette.ground), rgb(palette.ground_end)
    steps = Image.linear_gradient("L").resize((width, height))
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    mask = Image.blend(steps, across, 0.5)
    return Image.composite(
        Image.new("RGB", (width, height), end), Image.new("RGB", (width, height), start), mask
    )

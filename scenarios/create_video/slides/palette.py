"""Colours of a slide show: one palette for all its slides, chosen by style and topic."""

from dataclasses import dataclass
from hashlib import sha256

from PIL import ImageColor


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as `#rrggbb`. `ink` is readable on `ground`, `on_accent` on `accent`; `soft` lies between ground and accent."""

    ground: str
    ground_end: str
    ink: str
    muted: str
    accent: str
    on_accent: str
    second: str
    soft: str


DEFAULT_STYLE = "modern-flat"
STYLES: dict[str, tuple[Palette, ...]] = {
    "modern-flat": (
        Palette("#fdf6ec", "#fbe9d4", "#1f2a44", "#5d6579", "#e4572e", "#ffffff", "#17bebb", "#f9d9c0"),
        Palette("#f1f6ff", "#dde9ff", "#14213d", "#55607a", "#2f5bea", "#ffffff", "#ffb703", "#c9dafc"),
        Palette("#f2faf5", "#dcf2e4", "#12312b", "#4f6963", "#0b8f6a", "#ffffff", "#f4a259", "#c5e8d5"),
        Palette("#faf4fd", "#efe0f8", "#2b1a3d", "#685a78", "#8338ec", "#ffffff", "#ff7096", "#e2cdf4"),
        Palette("#fff5f6", "#ffe0e4", "#2d1e2f", "#6c5a6b", "#d81e5b", "#ffffff", "#3a86c8", "#fbc9d2"),
    ),
    "dark": (
        Palette("#10162b", "#1d2750", "#f4f6ff", "#a9b3d6", "#5b8cff", "#0b1020", "#ffd166", "#25305c"),
        Palette("#0e1f1d", "#15403a", "#effaf6", "#9dbdb4", "#2fd6a3", "#06251c", "#ffa56b", "#1c4b43"),
        Palette("#1d1124", "#3f1d4e", "#fbf3ff", "#c4aed0", "#ff6fb1", "#2a0a1c", "#7ee0ff", "#4d2760"),
    ),
    "gradient": (
        Palette("#3a1c71", "#d76d77", "#ffffff", "#f3dbe4", "#ffd08a", "#3a1c45", "#ffffff", "#8b4777"),
        Palette("#0f2c59", "#1b9aaa", "#ffffff", "#d2ecf1", "#ffd166", "#12304f", "#ffffff", "#1a6684"),
        Palette("#13332c", "#3f9a5f", "#ffffff", "#d5f0de", "#ffe29a", "#143a2b", "#ffffff", "#2a6848"),
    ),
    "paper": (
        Palette("#f7f3ea", "#efe7d6", "#2a2622", "#6e665c", "#a4442b", "#ffffff", "#3d6b6b", "#e5d8bf"),
        Palette("#f4f4f0", "#e6e7df", "#22272a", "#646b6d", "#2d5d7b", "#ffffff", "#c7922f", "#d5dadb"),
    ),
}


def palette_for(style: str, topic: str) -> Palette:
    """The palette of a topic in a style; an unknown style is taken as the default one."""
    choices = STYLES.get(style, STYLES[DEFAULT_STYLE])
    number = int.from_bytes(sha256(topic.casefold().encode(errors="replace")).digest()[:4])
    return choices[number % len(choices)]


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of `#rrggbb`."""
    red, green, blue = ImageColor.getrgb(color)[:3]
    return red, green, blue

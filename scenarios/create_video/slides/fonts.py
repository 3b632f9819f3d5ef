"""The typeface of slides and subtitles, found without asking the system: same picture on every machine."""

import importlib.util
import os
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import ImageFont

from ..errors import ProviderError

Weight = Literal["regular", "semibold", "bold", "extrabold", "light"]
FONT_ENV = "SCENARIST_FONT"
FAMILY = "Open Sans"
_FILES: dict[Weight, str] = {
    "light": "OpenSans-Light.ttf",
    "regular": "OpenSans-Regular.ttf",
    "semibold": "OpenSans-SemiBold.ttf",
    "bold": "OpenSans-Bold.ttf",
    "extrabold": "OpenSans-ExtraBold.ttf",
}
_NO_GLYPH = "\U0010ffff"


def font_path(weight: Weight) -> Path:
    """File of a weight: the user's own font (`SCENARIST_FONT`, all weights) or the one of the `ttf-opensans` package.

    Raises ProviderError when there is neither.
    """
    own = os.environ.get(FONT_ENV, "")
    if own:
        if Path(own).is_file():
            return Path(own)
        raise ProviderError("not_installed", f"{FONT_ENV} names no file: {own}")
    spec = importlib.util.find_spec("ttf_opensans")
    if spec is None or spec.origin is None:
        raise ProviderError(
            "not_installed",
            f"no font: install the extra `video` (package ttf-opensans) or set {FONT_ENV} to a .ttf file",
        )
    return Path(spec.origin).parent / "ttf" / _FILES[weight]


def renderer_name(weight: Weight) -> str:
    """The name by which a subtitle renderer finds the weight in its folder of fonts, e.g. `Open Sans SemiBold`."""
    family, style = font(10, weight).getname()
    plain = style in (None, "Regular", "Bold", "Book", "Roman", "Normal")
    return f"{family or FAMILY}" if plain else f"{family or FAMILY} {style}"


def font(size: float, weight: Weight = "regular") -> ImageFont.FreeTypeFont:
    """The typeface in a size in pixels. Raises ProviderError when no font is installed or the file is not a font."""
    return _load(font_path(weight), max(4.0, round(size, 1)))


def printable(text: str, weight: Weight = "regular") -> str:
    """The text without characters the font cannot draw (emoji, other scripts); typed spaces are made one."""
    text = unicodedata.normalize("NFC", text)
    path = font_path(weight)
    return " ".join("".join(ch if _has_glyph(path, ch) else " " for ch in text).split())


@lru_cache(maxsize=256)
def _load(path: Path, size: float) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(path), size)
    except OSError as error:
        raise ProviderError("not_installed", f"not a usable font: {path} ({error})") from error


@lru_cache(maxsize=4096)
def _has_glyph(path: Path, ch: str) -> bool:
    if ch.isspace():
        return True
    if unicodedata.category(ch)[0] == "C":
        return False
    face = _load(path, 24.0)
    return bytes(face.getmask(ch)) != bytes(face.getmask(_NO_GLYPH))

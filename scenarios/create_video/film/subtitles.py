"""Subtitles as files: ASS to burn in, SubRip and WebVTT to ship beside the video."""

from collections.abc import Sequence

from ..slides.fonts import font
from .timeline import Cue, Fits

_LINE_CHARS = 42
_TEXT_SHARE = 0.84
_PROBE = 100.0

# A backslash would start a command of the renderer; an invisible word joiner after it makes it a plain character.
_WORD_JOINER = "\u2060"
_HEADER = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 0
ScaledBorderAndShadow: yes
YCbCr Matrix: TV.709

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,{font},{size},&H00FFFFFF,&H00FFFFFF,&H00201410,&H50201410,0,0,0,0,100,100,0,0,4,0,{padding},2,{side},\
{side},{bottom},1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def font_size(width: int, height: int) -> float:
    """Size of subtitles in pixels: readable on a wide and on an upright picture."""
    return max(8.0, min(height * 0.06, width * 0.066))


def line_fits(width: int, height: int) -> Fits:
    """Which texts fit into one line on a width x height picture: 42 characters at most, and inside the margins."""
    face = font(_PROBE, "semibold")
    # The renderer's size is that of a whole line, a typeface's that of its square.
    ascent, descent = face.getmetrics()
    room = _TEXT_SHARE * width / font_size(width, height) * (ascent + descent)
    return lambda text: len(text) <= _LINE_CHARS and face.getlength(text) <= room


def to_ass(cues: Sequence[Cue], width: int, height: int, font: str) -> str:
    """Subtitles in white on a dark, half transparent box at the bottom of a width x height picture."""
    size = font_size(width, height)
    head = _HEADER.format(
        width=width,
        height=height,
        font=font.replace(",", " "),
        size=round(size, 1),
        padding=round(size * 0.28, 1),
        side=round(width * 0.06),
        bottom=round(height * 0.065),
    )
    return head + "".join(
        f"Dialogue: 0,{_ass_time(cue.start)},{_ass_time(cue.end)},Default,,0,0,0,,"
        + "\\N".join(escaped(line) for line in cue.lines)
        + "\n"
        for cue in cues
    )


def escaped(text: str) -> str:
    """Text of a person inside an ASS line: no command, no style override, no line break of it takes effect."""
    text = " ".join(text.split())
    return text.replace("\\", "\\" + _WORD_JOINER).replace("{", "\\{").replace("}", "\\}")


def to_srt(cues: Sequence[Cue]) -> str:
    """The same subtitles as SubRip."""
    blocks = (
        f"{i}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n" + "\n".join(cue.lines) + "\n"
        for i, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def to_vtt(cues: Sequence[Cue]) -> str:
    """The same subtitles as WebVTT, which a browser's video element reads."""
    blocks = (
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        + "\n".join(_html(line) for line in cue.lines)
        + "\n"
        for cue in cues
    )
    return "WEBVTT\n\n" + "\n".join(blocks)


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ass_time(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 360_000}:{hundredths // 6_000 % 60:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"


def _clock(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"

"""Slides: every text inside its box, above the subtitles, and no two slides alike."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from scenarios.create_video.errors import ProviderError
from scenarios.create_video.slides.design import draw_slide
from scenarios.create_video.slides.fonts import printable
from scenarios.create_video.slides.layouts import Slide
from scenarios.create_video.slides.palette import STYLES, Palette, palette_for, rgb
from scenarios.create_video.slides.typeset import fit

LONG = (
    "Очень длинный заголовок о том, как однажды утром рыжий кот решил уйти в кругосветное путешествие " * 4
)[:300]
WORD = ("Рентгеноэлектрокардиографического" * 3)[:80]
POINTS = ("Короткий пункт", LONG[:200], WORD)
SIZES = [(160, 90), (1280, 720), (720, 1280), (500, 500), (640, 160)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("title", ["Кот", LONG, WORD, "W" * 300, "a b " * 75])
def test_no_text_leaves_its_box_or_enters_the_place_of_the_subtitles(
    title: str, size: tuple[int, int]
) -> None:
    for index in range(1, 8):
        for points in (POINTS, ()):
            drawn = draw_slide(Slide(title, points, index, 7, "cats"), *size)
            assert drawn.image.size == size
            for ink, box in drawn.texts:
                assert box.holds(ink, slack=1.5), (title[:20], index, points[:1], ink, box)
            assert all(ink.bottom <= size[1] * 0.82 for ink, _ in drawn.texts)


def test_text_is_set_as_large_as_it_fits_and_cut_only_when_it_cannot() -> None:
    assert fit("Кот", 500, 200, largest=80, smallest=10).size == 80
    small = fit(LONG, 500, 200, largest=80, smallest=10)
    assert 10 <= small.size < 40
    cut = fit(LONG * 5, 200, 40, largest=80, smallest=10)
    assert cut.lines[-1].endswith("…")
    assert cut.height <= 40


@pytest.mark.parametrize("style", [*STYLES, "unknown"])
def test_slides_of_a_show_differ_from_each_other(style: str) -> None:
    slides = [Slide("Про котов", ("Раз", "Два"), index, 6, "cats", style) for index in range(1, 7)]
    images = [draw_slide(slide, 320, 180).image for slide in slides]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert ImageChops.difference(one, other).getbbox() is not None
            assert _difference(one, other) > 2


def test_the_same_slide_is_the_same_picture() -> None:
    slide = Slide("Про котов", ("Раз",), 2, 3, "cats")
    assert draw_slide(slide, 320, 180).image.tobytes() == draw_slide(slide, 320, 180).image.tobytes()


def test_topics_choose_colours_and_one_topic_always_the_same() -> None:
    palettes = {palette_for("modern-flat", f"topic {i}") for i in range(30)}
    assert len(palettes) == len(STYLES["modern-flat"])
    assert palette_for("modern-flat", "Коты") == palette_for("modern-flat", "коты")


@pytest.mark.parametrize("palette", [palette for palettes in STYLES.values() for palette in palettes])
def test_text_is_readable_on_its_ground(palette: Palette) -> None:
    assert _contrast(palette.ink, palette.ground) > 4.5
    assert _contrast(palette.on_accent, palette.accent) > 3
    assert _contrast(palette.ink, palette.soft) > 4.5


def test_characters_without_a_shape_are_left_out_and_the_rest_stays() -> None:
    assert printable("Про котов 🐈‍⬛ и собак\u200d 日本") == "Про котов и собак"
    drawn = draw_slide(Slide("🐈🐈🐈", ("日本語",), 2, 3), 320, 180)
    assert drawn.image.size == (320, 180)


def test_text_is_really_drawn() -> None:
    with_text = draw_slide(Slide("Про котов", (), 1, 1, "cats"), 640, 360).image
    without = draw_slide(Slide("", (), 1, 1, "cats"), 640, 360).image
    box = ImageChops.difference(with_text, without).getbbox()
    assert box is not None
    assert box[2] - box[0] > 200


@pytest.mark.parametrize("size", SIZES)
def test_listed_points_are_never_too_small_to_read(size: tuple[int, int]) -> None:
    unit = min(size) / 100
    for index in (1, 7):
        drawn = draw_slide(Slide("Про котов", (LONG, LONG, LONG), index, 7, "cats"), *size)
        listed = drawn.texts[1:]
        assert len(listed) == 2
        assert all(ink.bottom - ink.top > 2.6 * unit for ink, _ in listed)


def test_a_picture_fills_the_slide_and_the_title_stands_on_it() -> None:
    picture = Image.new("RGB", (300, 900), (250, 10, 10))
    slide = Slide("Про котов", POINTS, 2, 3, "cats")
    drawn = draw_slide(slide, 640, 360, picture)
    red, green, _ = drawn.image.getpixel((630, 180))  # type: ignore[misc]
    assert red > 200
    assert green < 60
    assert _difference(drawn.image, draw_slide(replace(slide, title="Х"), 640, 360, picture).image) > 1


def test_a_font_that_is_not_there_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCENARIST_FONT", str(tmp_path / "none.ttf"))
    with pytest.raises(ProviderError, match="names no file"):
        draw_slide(Slide("Кот"), 320, 180)
    (tmp_path / "none.ttf").write_text("not a font")
    with pytest.raises(ProviderError, match="not a usable font"):
        draw_slide(Slide("Кот"), 320, 180)


def _difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, 0 to 255."""
    histogram = ImageChops.difference(one.convert("L"), other.convert("L")).histogram()
    return sum(value * count for value, count in enumerate(histogram)) / (one.width * one.height)


def _contrast(one: str, other: str) -> float:
    """Contrast of two colours as the web's accessibility rules define it."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    parts = [value / 255 for value in rgb(color)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

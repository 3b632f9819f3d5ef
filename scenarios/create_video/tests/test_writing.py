"""The offline writer and what it stands on."""

import pytest

from scenarios.create_video.writing.language import clean, detect_language, shorten, split_sentences
from scenarios.create_video.writing.request import slide_number, understand
from scenarios.create_video.writing.script import important, slides_from_sentences, word_starts
from scenarios.create_video.writing.writer import write_script


@pytest.mark.parametrize(
    ("text", "language"),
    [("Создай видео про котов", "ru"), ("A video about cats", "en"), ("Відео про їжаків", "uk"), ("", "en"), ("12345", "en"),
     ("Redis: как это работает", "ru")],
)  # fmt: skip
def test_the_language_is_told_by_the_letters(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    ("description", "subject", "about"),
    [
        ("Создай видео про котов", "котов", "про котов"),
        ("Напиши короткий текст про кота", "кота", "про кота"),
        ("Сделай ролик о пользе сна", "пользе сна", "о пользе сна"),
        ("Нужно красивое видео на тему весна в городе", "весна в городе", "на тему «весна в городе»"),
        ("A video about cats", "cats", "about cats"),
        ('Make a short funny video about "cats & dogs"', "cats & dogs", "about cats & dogs"),
        ("Кофе", "Кофе", "на тему «Кофе»"),
        ("Video games history", "Video games history", "about “Video games history”"),
        ("Создай видео", "", ""),
        ("Сформулируй заголовок для слайда 1", "", ""),
        ("Сформулируй заголовок для слайда 2 про котов", "котов", "про котов"),
        ("Write a headline for slide 2", "", ""),
        ("", "", ""),
        (
            "Сделай, пожалуйста, короткий ролик о том, как работает радуга",
            "как работает радуга",
            "о том, как работает радуга",
        ),
        ("Расскажи подробно о том, как кошки спят.", "как кошки спят", "о том, как кошки спят"),
        ("Расскажи, как устроен вулкан", "как устроен вулкан", "о том, как устроен вулкан"),
        ("Не могли бы вы сделать видео про котов, пожалуйста?", "котов", "про котов"),
        ("Здравствуйте! Сделай видео про котов", "котов", "про котов"),
        ("Создай обучающее видео на 2 минуты для детей про зубы", "зубы", "про зубы"),
        ("Опиши жизнь котов", "жизнь котов", "на тему «жизнь котов»"),
        (
            "Could you please make a short video about how rainbows work?",
            "how rainbows work",
            "about how rainbows work",
        ),
        (
            "Hi, can you make me a video that explains how tides work",
            "how tides work",
            "about how tides work",
        ),
        ("I'd like a 30-second video for kids about teeth, please", "teeth", "about teeth"),
        ("Explain photosynthesis", "photosynthesis", "about “photosynthesis”"),
        ("Can cats swim?", "Can cats swim", "about “Can cats swim”"),
        ("You are what you eat", "You are what you eat", "about “You are what you eat”"),
    ],
)
def test_the_request_is_taken_off_and_the_subject_keeps_its_case(
    description: str, subject: str, about: str
) -> None:
    request = understand(description)
    assert (request.subject, request.about) == (subject, about)


def test_points_that_the_user_named_are_found() -> None:
    assert understand("Ролик про котов: как они спят, что едят и почему мурлычут").details == (
        "как они спят", "что едят", "почему мурлычут",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "number"), [("Сформулируй заголовок для слайда 12", 12), ("slide #3", 3), ("котов 5", None)]
)
def test_the_number_of_a_slide_is_read_from_words(text: str, number: int | None) -> None:
    assert slide_number(text) == number


def test_sentences_survive_abbreviations_decimals_and_line_breaks() -> None:
    text = "Он весит 3.5 кг, т. е. немного. «Да!» Mr. Smith came.\nLast line"
    assert split_sentences(text) == [
        "Он весит 3.5 кг, т. е. немного.",
        "«Да!»",
        "Mr. Smith came.",
        "Last line",
    ]


def test_cleaning_takes_off_what_cannot_be_spoken_and_nothing_else() -> None:
    assert clean("# Title\n\n* one **bold** 7*7 \x00😀 e\u0301") == "Title\none bold 7*7 \u00e9"


def test_shortening_ends_at_a_clause_or_a_whole_word() -> None:
    assert shorten("Short.", 20) == "Short"
    assert shorten("Cats sleep a lot, because they save strength", 30) == "Cats sleep a lot"
    assert (
        shorten("Летом здесь проходит праздник, на который едут гости", 40) == "Летом здесь проходит праздник"
    )
    assert shorten("Рыжая кошка, которая живёт дома, любит рыбу", 30) == "Рыжая кошка, которая живёт…"
    assert shorten("one two three four", 10) == "one two…"
    assert shorten("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    "description",
    ["Создай видео про котов", "A video about cats", "Кофе", "", "Видео", "?!", "{{ 7*7 }}", "x" * 90_000],
)
@pytest.mark.parametrize("slides", [1, 2, 3, 7, 50])
def test_every_description_gives_a_narration_and_a_different_headline_for_each_slide(
    description: str, slides: int
) -> None:
    script = write_script(description, slides=slides)
    assert 2 <= len(script.sentences) <= max(16, slides + 4) or description.startswith("x")
    assert 0 < len(script.text) <= 8_000
    assert len(script.outline) == slides
    assert len({idea.title for idea in script.outline}) == slides
    assert all(idea.title.strip() and len(idea.points) <= 3 for idea in script.outline)


def test_a_short_request_is_told_in_whole_sentences_of_its_language() -> None:
    script = write_script("Создай видео про котов")
    assert script.title == "Про котов"
    assert 4 <= len(script.sentences) <= 8
    assert "про котов." in script.sentences[0]
    assert all(sentence[0].isupper() and sentence[-1] in ".!?" for sentence in script.sentences)
    assert detect_language(script.text) == "ru"


def test_the_same_description_gives_the_same_script_and_another_subject_another_one() -> None:
    assert write_script("A video about cats") == write_script("A video about cats")
    outlines = {
        write_script(f"A video about {subject}").outline[1:]
        for subject in ("cats", "dogs", "tea", "snow", "ships")
    }
    assert len(outlines) > 1


def test_points_that_the_user_named_are_spoken_and_shown() -> None:
    script = write_script("Видео про котов: как они спят, что едят", slides=3)
    assert [idea.title for idea in script.outline] == ["Про котов", "Как они спят", "Что едят"]
    assert "как они спят" in script.text


def test_a_long_description_is_spoken_in_its_own_sentences() -> None:
    text = "Космос огромен. В нём много звёзд! Звёзды рождаются в облаках газа. Земля — одна из планет."
    script = write_script(text, slides=2)
    assert script.text == text
    assert script.outline[0].title == "Космос огромен"


def test_a_request_with_facts_keeps_the_facts_and_frames_them() -> None:
    script = write_script("Расскажи про кота. Он живёт дома. У него есть миска.")
    assert "Он живёт дома. У него есть миска." in script.text
    assert script.title == "Про кота"


def test_a_very_long_text_is_cut_to_its_weightiest_sentences_in_their_order() -> None:
    sentences = [f"Sentence number {i} speaks about cats and their long days." for i in range(500)]
    kept = important(sentences, 1000)
    assert sum(len(sentence) + 1 for sentence in kept) <= 1000
    assert kept[0] == sentences[0]
    assert kept == sorted(kept, key=sentences.index)


@pytest.mark.parametrize("slides", [2, 3, 5, 12, 50])
@pytest.mark.parametrize(
    "description",
    ["Создай видео про котов", "A video about cats: how they sleep, what they eat", "Расскажи про кота. Он живёт дома.",
     "Кошки спят до шестнадцати часов в сутки. Усы помогают им в темноте."],
)  # fmt: skip
def test_each_slide_begins_with_a_sentence_of_its_own_and_the_end_comes_last(
    description: str, slides: int
) -> None:
    script = write_script(description, slides=slides)
    first_words = [idea.first_word for idea in script.outline]
    assert first_words[0] == 0
    assert first_words == sorted({word for word in first_words if word is not None})
    assert set(first_words) <= set(word_starts(script.sentences))
    assert len(set(script.sentences)) == len(script.sentences)
    if slides > 2 or "видео" in description:
        assert script.sentences[-1].startswith(("Спасибо", "Thank you"))
    for i, sentence in enumerate(script.sentences):
        if sentence.startswith(("And finally", "И наконец")):
            assert len(script.sentences) - i <= 3


def test_a_slide_shows_what_is_spoken_with_it() -> None:
    script = write_script("Он спит. Он ест рыбу. Он играет. Он гуляет по крыше.", slides=4)
    words = script.text.split()
    assert [words[idea.first_word or 0 : (idea.first_word or 0) + 2] for idea in script.outline] == [
        ["Он", "спит."], ["Он", "ест"], ["Он", "играет."], ["Он", "гуляет"],
    ]  # fmt: skip
    assert [idea.title for idea in script.outline[1:]] == ["Он ест рыбу", "Он играет", "Он гуляет по крыше"]


def test_a_sentence_is_never_cut_inside_a_list() -> None:
    text = "Наш старый город славится парками, больницами с врачами и столовыми, музеями, театрами и мостами."
    script = write_script(f"{text} {text.replace('старый', 'новый')}", slides=2)
    texts = [text for idea in script.outline for text in (idea.title, *idea.points)]
    assert all(shown.startswith("Наш") for shown in texts)
    assert all(shown.endswith("…") for shown in texts)


def test_slides_of_a_text_take_nearly_the_same_time() -> None:
    long, short = "One two three four five six seven eight.", "Short."
    ideas = slides_from_sentences("Title", [long, long, long, short], 3)
    assert [idea.first_word for idea in ideas] == [0, 8, 16]


def test_points_of_a_long_text_are_its_weightiest_whole_sentences() -> None:
    sentences = [
        "Cats are here.",
        "Well, then.",
        "Cats sleep all day long.",
        "Cats hunt mice at night.",
        "Cats like fish.",
    ]
    (cover,) = slides_from_sentences("Cats are here.", sentences, 1)
    assert cover.points == ("Cats sleep all day long", "Cats hunt mice at night", "Cats like fish")


def test_braces_of_the_user_are_words_and_not_places_to_fill() -> None:
    assert "about {about} {detail}" in write_script("Video about {about} {detail}").text


def test_a_foreign_text_gives_slides_in_its_own_words() -> None:
    ideas = slides_from_sentences(
        "Katzen", ["Katzen schlafen viel.", "Sie jagen nachts.", "Sie sind sauber."], 3
    )
    assert [idea.title for idea in ideas] == ["Katzen", "Sie jagen nachts", "Sie sind sauber"]
    assert ideas[0].points == ("Katzen schlafen viel",)

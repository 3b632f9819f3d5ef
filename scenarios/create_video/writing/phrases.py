"""What the offline writer may say about any subject without inventing facts. `{about}` is the user's own phrase."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aspect:
    """One way to look at a subject: a slide's headline, two sentences for the voice, three points for the slide."""

    title: str
    lines: tuple[str, str]
    points: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Phrases:
    """All phrases of one language. `details` continue with the user's own point: first, further ones in turn, last."""

    openings: tuple[str, ...]
    closings: tuple[str, ...]
    bare_opening: str
    bare_closing: str
    bare_title: str
    first_detail: str
    next_details: tuple[str, ...]
    last_detail: str
    introduction: Aspect
    aspects: tuple[Aspect, ...]
    conclusion: Aspect


RUSSIAN = Phrases(
    openings=("Сегодня поговорим {about}.", "Это короткий рассказ {about}.", "Давайте поговорим {about}."),
    closings=(
        "Вот такой получился рассказ {about}. Спасибо за внимание!",
        "На этом всё. Спасибо, что были с нами!",
    ),
    bare_opening="Это короткий рассказ в нескольких слайдах.",
    bare_closing="На этом всё. Спасибо за внимание!",
    bare_title="Короткий рассказ",
    first_detail="Начнём с главного: {detail}.",
    next_details=(
        "Дальше — ещё один пункт: {detail}.",
        "Не пропустим и это: {detail}.",
        "Следующий вопрос: {detail}.",
    ),
    last_detail="И наконец: {detail}.",
    introduction=Aspect(
        "Первое знакомство",
        (
            "Сначала посмотрим на тему целиком, спокойно и без спешки.",
            "Важно понять, что в ней главное и почему она привлекает внимание.",
        ),
        ("Взгляд на тему целиком", "Что здесь главное", "Почему это интересно"),
    ),
    aspects=(
        Aspect(
            "Внимание к деталям",
            (
                "Присмотримся к деталям: часто они говорят больше, чем общие слова.",
                "Именно в мелочах заметно то, что легко пропустить с первого взгляда.",
            ),
            ("То, что легко пропустить", "Меньше общих слов", "Больше живых наблюдений"),
        ),
        Aspect(
            "Связь с жизнью",
            (
                "Перенесём тему в обычную жизнь и поищем её рядом с собой.",
                "Пример из собственного опыта объясняет лучше любой теории.",
            ),
            ("Где это встречается рядом", "Пример из своего опыта", "Что замечаешь каждый день"),
        ),
        Aspect(
            "Другой взгляд",
            (
                "Попробуем взглянуть на всё с другой стороны.",
                "Новая точка зрения помогает увидеть неожиданное.",
            ),
            ("Сменить точку зрения", "Сравнить впечатления", "Увидеть неожиданное"),
        ),
        Aspect(
            "Хорошие вопросы",
            (
                "Хороший вопрос порой ценнее готового ответа.",
                "Спросим себя, что ещё хочется здесь узнать.",
            ),
            ("Что уже известно", "Что хочется узнать", "Где искать ответ"),
        ),
        Aspect(
            "Шаг за шагом",
            (
                "Разбираться проще по частям, шаг за шагом.",
                "Каждая часть в отдельности оказывается понятнее целого.",
            ),
            ("Разделить на части", "Начать с простого", "Собрать общую картину"),
        ),
        Aspect(
            "Привычные мнения",
            (
                "Почти о каждой теме успевают сложиться привычные мнения.",
                "Стоит спокойно проверить, какие из них верны.",
            ),
            ("Что принято думать", "Что стоит проверить", "Где найти подтверждение"),
        ),
        Aspect(
            "Простыми словами",
            (
                "Назовём вещи своими именами: точные слова помогают думать ясно.",
                "То, что понятно объяснено, легко пересказать другому.",
            ),
            ("Назвать главное", "Объяснить просто", "Пересказать другому"),
        ),
        Aspect(
            "Настроение темы",
            (
                "У каждой темы есть своё настроение, и его стоит почувствовать.",
                "Первые ассоциации подсказывают, что нам по-настоящему близко.",
            ),
            ("Цвета и звуки", "Первые ассоциации", "Что остаётся в памяти"),
        ),
        Aspect(
            "От слов к делу",
            (
                "Полезно подумать и о том, что можно попробовать самим.",
                "Даже маленький шаг даёт больше, чем долгие планы.",
            ),
            ("Что попробовать первым", "Сколько времени уделить", "С кем поделиться"),
        ),
    ),
    conclusion=Aspect(
        "Что запомнить",
        (
            "В конце соберём всё вместе и оставим в памяти самое важное.",
            "Пусть останется одна ясная мысль и один хороший вопрос на потом.",
        ),
        ("Одна главная мысль", "Одна яркая деталь", "Один вопрос на потом"),
    ),
)

ENGLISH = Phrases(
    openings=("Today we talk {about}.", "This is a short story {about}.", "Let us talk {about}."),
    closings=(
        "And that was our short story {about}. Thank you for watching!",
        "That is all for today. Thank you for watching!",
    ),
    bare_opening="This is a short story told in a few slides.",
    bare_closing="That is all for today. Thank you for watching!",
    bare_title="A short story",
    first_detail="We begin with the main point: {detail}.",
    next_details=(
        "Then there is another point: {detail}.",
        "We should not miss this one: {detail}.",
        "The next question: {detail}.",
    ),
    last_detail="And finally: {detail}.",
    introduction=Aspect(
        "First look",
        (
            "First we look at the whole subject, calmly and without hurry.",
            "It helps to see what matters most and why it draws attention at all.",
        ),
        ("The subject as a whole", "What matters most", "Why it is interesting"),
    ),
    aspects=(
        Aspect(
            "A closer look",
            (
                "Now we look at the details, which often say more than general words.",
                "Small things show what is easy to miss at first sight.",
            ),
            ("What is easy to miss", "Fewer general words", "More real observations"),
        ),
        Aspect(
            "In daily life",
            (
                "Let us bring the subject into daily life and look for it nearby.",
                "One example of your own explains more than any theory.",
            ),
            ("Where it can be found", "An example of your own", "What you notice every day"),
        ),
        Aspect(
            "Another view",
            (
                "It is worth looking at everything from another side.",
                "A new point of view helps to see the unexpected.",
            ),
            ("Change the point of view", "Compare impressions", "See the unexpected"),
        ),
        Aspect(
            "Good questions",
            (
                "A good question is often worth more than a ready answer.",
                "Let us ask what else we would like to know.",
            ),
            ("What is known already", "What we want to know", "Where to look for answers"),
        ),
        Aspect(
            "Step by step",
            (
                "It is easier to understand things part by part, step by step.",
                "Each part alone is clearer than the whole.",
            ),
            ("Divide it into parts", "Begin with the simple", "Put the picture together"),
        ),
        Aspect(
            "Common opinions",
            (
                "Almost every subject has its common opinions.",
                "It is worth checking calmly which of them are true.",
            ),
            ("What people believe", "What is worth checking", "Where to find support"),
        ),
        Aspect(
            "In plain words",
            (
                "Let us call things by their names: exact words help clear thinking.",
                "What is explained plainly is easy to retell.",
            ),
            ("Name the main thing", "Explain it simply", "Retell it to a friend"),
        ),
        Aspect(
            "The mood",
            (
                "Every subject has a mood of its own, and it is worth feeling it.",
                "First associations tell us what is really close to us.",
            ),
            ("Colours and sounds", "First associations", "What stays in memory"),
        ),
        Aspect(
            "From words to action",
            (
                "It is also useful to think of what we can try ourselves.",
                "Even a small step gives more than long plans.",
            ),
            ("What to try first", "How much time to give", "Whom to share it with"),
        ),
    ),
    conclusion=Aspect(
        "What to remember",
        (
            "In the end we put everything together and keep what matters most.",
            "One clear thought and one good question are enough to take away.",
        ),
        ("One main thought", "One bright detail", "One question for later"),
    ),
)

PHRASES = {"ru": RUSSIAN, "en": ENGLISH}

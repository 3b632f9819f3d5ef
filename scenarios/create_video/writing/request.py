"""What a person asks for: the subject inside "Create a video about cats: how they sleep, what they eat"."""

import re
from dataclasses import dataclass

from .language import capitalised, clean, detect_language, shorten, split_sentences

_REQUESTS = {
    "ru": re.compile(
        r"^(?P<verb>(?:пожалуйста,?\s+)?(?:(?:мне\s+)?(?:нужн[оаы]?|нужен|хочу|хотелось бы|давай(?:те)?)\s+)?"
        r"(?:(?:созда|сдела|снима|придума|сгенериру|нарису)(?:й|йте|ть|ем)|сними(?:те)?|снять|рису(?:й|йте)"
        r"|напиши(?:те)?|написать|подготовь(?:те)?|сформулируй(?:те)?|расскажи(?:те)?|рассказать|покажи(?:те)?"
        r"|составь(?:те)?|сочини(?:те)?|озвучь(?:те)?)?)\s*(?:мне|нам|пожалуйста|,)?\s*"
        r"(?P<kind>(?:(?:\w+(?:ий|ый|ое|ую|ие|ые|ая|ой|ее))\s+){0,3}"
        r"(?:видео\w*|ролик\w*|мультфильм|фильм|клип|текст\w*|рассказ\w*|истори[юяи]|сказк[уаи]|презентаци[юяи]"
        r"|слайд\w*|заголов\w+|статью|пост|сценарий)(?:\s+(?:для\s+)?слайд\w*(?:\s*№?\s*\d+)?|\s+№?\d+)?)?"
        r"\s*(?:,|:)?\s*",
        re.IGNORECASE,
    ),
    "en": re.compile(
        r"^(?P<verb>(?:please,?\s+)?(?:(?:i|we)\s+(?:want|need|would like)\s+)?(?:can you\s+|let'?s\s+)?"
        r"(?:create|make|write|generate|produce|prepare|draw|tell|show|record|compose|formulate)?)\s*(?:me|us)?\s*"
        r"(?P<kind>(?:an?\s+|the\s+|some\s+)?(?:[a-z-]+\s+){0,3}?"
        r"(?:videos?|clips?|films?|movies?|cartoons?|texts?|stor(?:y|ies)|presentations?|slides?(?:\s*#?\d+)?|headlines?|titles?|scripts?|posts?"
        r"|articles?)(?:\s+(?:for|of)\s+(?:the\s+)?slides?(?:\s*#?\d+)?)?)?\s*(?:,|:)?\s*",
        re.IGNORECASE,
    ),
}
_PREPOSITIONS = {
    "ru": re.compile(
        r"^(?:(?P<kept>про|обо|об|о)|на тему|по теме|под названием)\s*:?\s+(?=\S)", re.IGNORECASE
    ),
    "en": re.compile(
        r"^(?:(?P<kept>about)|on the (?:topic|subject) of|on|titled|called|of)\s*:?\s+(?=\S)", re.IGNORECASE
    ),
}
_TOPIC = {"ru": "на тему «{}»", "en": "about “{}”"}
_LIST = re.compile(
    r"\s*[,;]\s*(?:(?:и|and)\s+)?|\s+(?:и|and)\s+(?=(?:как|что|почему|зачем|где|когда|how|what|why|where|when)\b)"
)
_LAST_AND = re.compile(r"\s+(?:и|and)\s+")
_SLIDE_NUMBER = re.compile(r"(?:слайд\w*|slides?)\s*(?:№|#|no\.?)?\s*(\d{1,4})", re.IGNORECASE)
_MAX_SUBJECT = 90


@dataclass(frozen=True, slots=True)
class Request:
    """A description, understood. `about` continues "a story ..." in the grammatical case in which the user wrote it."""

    language: str
    subject: str
    about: str
    details: tuple[str, ...]
    own_sentences: tuple[str, ...]

    @property
    def title(self) -> str:
        """A headline for the whole. Russian keeps the preposition: the case of the subject needs it."""
        return capitalised(
            self.about if self.language == "ru" and not self.about.startswith("на тему") else self.subject
        )


def understand(description: str, language: str = "auto") -> Request:
    """Read a description. Every part is made of the user's own words; the subject is empty when none is named."""
    text = clean(description)
    language = detect_language(text) if language in ("", "auto") else language.split("-")[0].lower()
    sentences = split_sentences(text)
    head = sentences[0] if sentences else ""
    rest, asked, kept = _strip_request(head, language)
    subject, details = _split_details(rest.rstrip(" .!?…"))
    about = f"{kept} {subject}" if kept else _TOPIC.get(language, "{}").format(subject)
    own = tuple(sentences[1:] if asked else sentences)
    return Request(language, subject, about if subject else "", details, own)


def slide_number(text: str) -> int | None:
    """The number in "a headline for slide 3"; None when no slide is named."""
    match = _SLIDE_NUMBER.search(text)
    return int(match.group(1)) if match else None


def _strip_request(head: str, language: str) -> tuple[str, bool, str]:
    """Split the first sentence: what it is about, whether it was a request at all, and the preposition that was kept."""
    pattern = _REQUESTS.get(language)
    if pattern is None:
        return head, False, ""
    match = pattern.match(head)
    end = match.end() if match else 0
    rest = head[end:]
    preposition = _PREPOSITIONS[language].match(rest)
    if preposition:
        return rest[preposition.end() :], True, (preposition["kept"] or "").lower()
    if match and match["kind"] and (not rest or match["verb"]):
        return rest, True, ""
    return head, False, ""


def _split_details(text: str) -> tuple[str, tuple[str, ...]]:
    """Split "cats: how they sleep, what they eat" into the subject and the points the user named."""
    subject, colon, tail = text.partition(":")
    details = [part.strip() for part in _LIST.split(tail) if part.strip()] if colon else []
    if len(details) > 1:
        details[-1:] = _LAST_AND.split(details[-1], maxsplit=1)
    short = shorten(subject.strip().strip("«»“”\"'"), _MAX_SUBJECT)
    return short, tuple(shorten(detail, _MAX_SUBJECT) for detail in details[:50])

"""What a person asks for: the subject inside "Create a video about cats: how they sleep, what they eat"."""

import re
from dataclasses import dataclass

from .asking import ENGLISH, RUSSIAN
from .language import capitalised, clean, detect_language, shorten, split_sentences

_ASKING = {"ru": RUSSIAN, "en": ENGLISH}
_TOPIC = {"ru": "на тему «{}»", "en": "about “{}”"}
_LIST = re.compile(
    r"\s*[,;]\s*(?:(?:и|and)\s+)?|\s+(?:и|and)\s+(?=(?:как|что|почему|зачем|где|когда|how|what|why|where|when)\b)"
)
_LAST_AND = re.compile(r"\s+(?:и|and)\s+")
_SLIDE_NUMBER = re.compile(r"(?:слайд\w*|slides?)\s*(?:№|#|no\.?)?\s*(\d{1,4})", re.IGNORECASE)
_MAX_SUBJECT = 200
_MAX_TITLE = 90


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
        is_case_kept = self.language == "ru" and not self.about.startswith(("на тему", "о том,", "про то,"))
        return shorten(capitalised(self.about if is_case_kept else self.subject), _MAX_TITLE)


def understand(description: str, language: str = "auto") -> Request:
    """Read a description. Every part is made of the user's own words; the subject is empty when none is named."""
    text = clean(description)
    language = detect_language(text) if language in ("", "auto") else language.split("-")[0].lower()
    sentences = _without_greeting(split_sentences(text), language)
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


def _without_greeting(sentences: list[str], language: str) -> list[str]:
    """Take off "Hello!" before a request. Before anything else it is a part of the text."""
    asking = _ASKING.get(language)
    if asking is None or len(sentences) < 2:
        return sentences
    greeting, request = (asking.request.match(sentence) for sentence in sentences[:2])
    is_greeting = greeting is not None and greeting["words"] == sentences[0]
    is_request = request is not None and asking.verb.search(request["words"])
    return sentences[1:] if is_greeting and is_request else sentences


def _strip_request(head: str, language: str) -> tuple[str, bool, str]:
    """Split the first sentence: what it is about, whether it was a request at all, and the words to put before it."""
    asking = _ASKING.get(language)
    if asking is None:
        return head, False, ""
    head = asking.trailing.sub("", head)
    match = asking.request.match(head)
    assert match is not None, "every part of the pattern may be missing"
    rest = head[match.end() :]
    verb = asking.verb.search(match["words"])
    preposition = asking.preposition.match(rest)
    if preposition:
        rest = rest[preposition.end() :]
        kept = " ".join((preposition["kept"] or "").lower().split())
        return rest, True, kept or (asking.before_question if asking.question.match(rest) else "")
    if asking.question.match(rest) and verb:
        return rest, True, asking.before_question
    if (match["kind"] and (not rest or verb)) or (verb and asking.explain.search(match["words"])):
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

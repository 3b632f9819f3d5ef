"""Plain facts about a text: its language, its sentences, a shorter form of it."""

import re
import unicodedata

_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_UKRAINIAN = re.compile(r"[іїєґ]", re.IGNORECASE)
_MARKUP = re.compile(
    r"^\s*(?:[#>*+•-]+|\d+[.)])\s+|(?<!\w)[*_`~]{1,3}(?=[\w«“\"])|(?<=[\w.!?»”\"])[*_`~]{1,3}(?!\w)",
    re.MULTILINE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'»”)\]]*\s+(?=[^a-zа-яё\s])|\s*\n\s*")
# Where a sentence can be cut so that what stands before is whole: never inside a list, and before a
# relative clause only when nothing follows that clause.
_WHOLE_CLAUSE = re.compile(
    r";\s|,\s(?=(?:но|а|однако|потому что|поэтому|так как|поскольку|хотя|чтобы|because|but|so|although|though|while|yet)\s)"
    r"|,\s(?=(?:\w{1,3}\s)?(?:котор\w+|где|куда|which|who|where)\s[^,]*$)",
    re.IGNORECASE,
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:т|д|п|е|г|гг|в|вв|ул|им|см|рис|стр|др|пр|руб|тыс|млн|млрд|Mr|Mrs|Ms|Dr|St|vs|etc|No|e\.g|i\.e)"
    r"|(?:^|[\s.(])[A-ZА-ЯЁ])\.$"
)


def detect_language(text: str) -> str:
    """Language of a text by its letters: `ru`, `uk`, or `en` for anything written in Latin letters or none at all."""
    if len(_CYRILLIC.findall(text)) <= len(_LATIN.findall(text)):
        return "en"
    return "uk" if _UKRAINIAN.search(text) else "ru"


def clean(text: str) -> str:
    """The text as it can be spoken: composed, without control characters, pictographs and Markdown marks."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(" " if _is_silent(ch) else ch for ch in text)
    lines = (" ".join(line.split()) for line in _MARKUP.sub("", text).split("\n"))
    return "\n".join(line for line in lines if line)


def _is_silent(ch: str) -> bool:
    """Whether a character has no sound in any language: controls, surrogates, emoji, dingbats."""
    if ch == "\n":
        return False
    category = unicodedata.category(ch)
    pictograph = category in ("So", "Sk") and ord(ch) >= 0x2190
    return pictograph or category in ("Cc", "Cf", "Cs", "Co", "Cn") or ch == "\ufe0f"


def split_sentences(text: str) -> list[str]:
    """Sentences of a cleaned text, in order, with their punctuation. A line break ends a sentence as well."""
    sentences: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        head = text[start : match.start()]
        if "\n" not in match.group() and _ABBREVIATION.search(head):
            continue
        sentences.append((head + match.group()).strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def ended(sentence: str) -> str:
    """The sentence with a full stop, when it has no end of its own."""
    return sentence if sentence.rstrip("\"'»”)]")[-1:] in (".", "!", "?", "…", ":") else sentence + "."


def capitalised(text: str) -> str:
    """The text with a capital first letter; the rest as it is."""
    return text[:1].upper() + text[1:]


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters: whole if it fits, else its first whole clause, else whole words and an ellipsis."""
    text = text.strip().rstrip(".;:,")
    if len(text) <= limit:
        return text
    clauses = [match.start() for match in _WHOLE_CLAUSE.finditer(text) if 12 <= match.start() <= limit]
    if clauses:
        return text[: clauses[-1]].rstrip()
    room = text[:limit]
    return (room.rsplit(" ", 1)[0] if " " in room else room[:-1]).rstrip(" ,;:—–-") + "…"

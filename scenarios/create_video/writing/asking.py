"""The words of a request around its subject: "could you please make a short video for kids about ..."."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asking:
    """Patterns of one language.

    `request` matches at the start of a sentence: `words` (politeness, wishes, verbs) and `kind` ("a short video");
    `verb` tells whether the words ask for anything; `explain`, whether the subject may follow them directly.
    """

    request: re.Pattern[str]
    verb: re.Pattern[str]
    explain: re.Pattern[str]
    preposition: re.Pattern[str]
    question: re.Pattern[str]
    trailing: re.Pattern[str]
    before_question: str


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE)


_RU_VERB = (
    r"(?:(?:созда|сдела|придума|сгенериру|нарису)(?:й|йте|ть|ете|ешь|ем)|снима(?:й|йте|ть)|сними(?:те)?|снять|рису(?:й|йте)"
    r"|напиши(?:те)?|написать|(?:под|при)готов(?:ь|ьте|ить)|сформулируй(?:те)?|расскажи(?:те)?|рассказать|покажи(?:те)?"
    r"|показать|составь(?:те)?|составить|сочини(?:те|ть)?|озвучь(?:те)?|объясни(?:те|ть)?|опиши(?:те)?|описать"
    r"|нужн[оаы]?|нужен|хочу|хотим|хотел(?:а|и|ось)?\s+бы|давай(?:те)?)"
)
_RU_POLITE = (
    r"(?:пожалуйста|будь(?:те)?\s+добр[аы]?|будь(?:те)?\s+любезн\w+|прошу|здравствуй(?:те)?|привет|добрый\s+день"
    r"|(?:не\s+)?(?:мог(?:ли|ла)?|можешь|можете|можно|нельзя)(?:\s+ли)?(?:\s+(?:бы|ли))?(?:\s+(?:вы|ты))?"
    r"|я|мы|мне|нам|подробн(?:о|ее)|кратко|коротко|вкратце|просто|понятно|интересно|весело"
    r"|простыми\s+словами|по-русски)"
)
RUSSIAN = Asking(
    request=_pattern(
        rf"(?P<words>(?:(?:{_RU_VERB}|{_RU_POLITE})(?!\w)[\s,!.]*)*)",
        r"(?P<kind>(?:(?:\w+(?:ий|ый|ое|ую|ие|ые|ая|ой|ее)|небольшой|красивое)\s+){0,3}",
        r"(?:видео\w*|ролик\w*|мультфильм|фильм|клип|текст\w*|рассказ\w*|истори[юяи]|сказк[уаи]|презентаци[юяи]",
        r"|слайд\w*|заголов\w+|статью|пост|сценарий)(?!\w)(?:\s+(?:для\s+)?слайд\w*(?:\s*№?\s*\d+)?|\s+№?\d+)?",
        r"(?:\s+(?:на|в|из|длиной|длительностью)\s+\d+\s+(?:минут|секунд|мин|сек|слайд)\w*)?",
        r"(?:\s+для\s+\w+(?:\s+\w+)?(?=\s+(?:про|обо?|о|на\s+тему)\s))?)?[\s,:]*",
    ),
    verb=_pattern(rf"(?<!\w){_RU_VERB}(?!\w)"),
    explain=_pattern(r"(?<!\w)(?:объясн|опи[шс])"),
    preposition=_pattern(
        r"(?:(?P<kept>(?:про|обо|об|о)(?:\s+то[м]?,)?)|на тему|по теме|под названием)\s*:?\s+(?=\S)"
    ),
    question=_pattern(r"(?:как|почему|зачем|что|где|когда|откуда|куда|сколько|кто|чем)(?!\w)"),
    trailing=_pattern(r",?\s+(?:пожалуйста|спасибо)\s*(?=[.!?…]*$)"),
    before_question="о том,",
)

_EN_VERB = (
    r"(?:create|make|write|generate|produce|prepare|draw|tell|show|record|compose|formulate|explain|describe|give|build"
    r"|want|need|would\s+(?:like|love)|['’]d\s+(?:like|love)|let['’]?s)"
)
_EN_POLITE = (
    r"(?:please|kindly|hello|hi|hey|can|could|would|will|you|i|we|me|us|to|just|briefly|in\s+detail|mind"
    r"|in\s+(?:simple|plain)\s+(?:words|terms)|for\s+(?:me|us)|help)"
)
ENGLISH = Asking(
    request=_pattern(
        rf"(?P<words>(?:(?:{_EN_VERB}|{_EN_POLITE})(?!\w)[\s,!.]*)*)",
        r"(?P<kind>(?:an?\s+|the\s+|some\s+)?(?:[\w-]+\s+){0,3}?",
        r"(?:videos?|clips?|films?|movies?|cartoons?|texts?|stor(?:y|ies)|presentations?|slides?(?:\s*#?\d+)?|headlines?",
        r"|titles?|scripts?|posts?|articles?)(?!\w)(?:\s+(?:for|of)\s+(?:the\s+)?slides?(?:\s*#?\d+)?)?",
        r"(?:\s+(?:of|with|in)\s+\d+\s+(?:seconds|minutes|slides)\w*)?",
        r"(?:\s+for\s+(?:me|us|\w+(?:\s+\w+)?(?=\s+(?:about|on)\s)))?)?[\s,:]*",
    ),
    verb=_pattern(rf"(?<!\w){_EN_VERB}(?!\w)"),
    explain=_pattern(r"(?<!\w)(?:explain|describe)"),
    preposition=_pattern(
        r"(?:(?P<kept>about)|(?:that|which)\s+(?:explains|shows|tells|describes)(?:\s+(?:me|us))?"
        r"|on the (?:topic|subject) of|on|titled|called|of)\s*:?\s+(?=\S)"
    ),
    question=_pattern(r"(?:how|why|what|where|when|who)(?!\w)"),
    trailing=_pattern(r",?\s+(?:please|thank\s+you|thanks)\s*(?=[.!?…]*$)"),
    before_question="about",
)

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
    """All phrases of one language. `details` continue with the user's own point: first, further ones in turn, last.

    An aspect with up to three slides has a headline of `headlines` for each; the third of them speaks one of `recaps`.
    """

    openings: tuple[str, ...]
    closings: tuple[str, ...]
    bare_opening: str
    bare_closing: str
    bare_title: str
    first_detail: str
    next_details: tuple[str, ...]
    last_detail: str
    headlines: tuple[str, str, str]
    recaps: tuple[str, ...]
    introduction: Aspect
    aspects: tuple[Aspect, ...]
    conclusion: Aspect

"""The languages in which the offline writer has phrases of its own. Another one: a module like `english`, a line here."""

from .english import ENGLISH
from .russian import RUSSIAN

PHRASES = {"ru": RUSSIAN, "en": ENGLISH}

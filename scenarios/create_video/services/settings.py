"""Which provider does the work: chosen by keys in the environment, or named by `SCENARIST_TEXT`, `_VOICE`, `_IMAGES`."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ProviderError

OPENAI_URL = "https://api.openai.com/v1"
ELEVENLABS_URL = "https://api.elevenlabs.io/v1"
GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta"


@dataclass(frozen=True, slots=True)
class Account:
    """A service to call: its name, address and key (empty for a local server that asks for none)."""

    provider: str
    url: str
    key: str = ""


OFFLINE = Account("offline", "")


def text_account(env: Mapping[str, str]) -> Account:
    """Who writes: OpenAI or anything that speaks its protocol, when there is a key or an address; else the offline writer."""
    found = {"openai": _openai(env)} if env.get("OPENAI_API_KEY") or env.get("OPENAI_BASE_URL") else {}
    return _chosen(env, "SCENARIST_TEXT", found)


def voice_account(env: Mapping[str, str]) -> Account:
    """Who speaks: ElevenLabs by its key, else OpenAI by its key, else an engine on this machine."""
    found = {}
    if env.get("ELEVENLABS_API_KEY"):
        url = env.get("ELEVENLABS_BASE_URL") or ELEVENLABS_URL
        found["elevenlabs"] = Account("elevenlabs", url.rstrip("/"), env["ELEVENLABS_API_KEY"])
    if env.get("OPENAI_API_KEY"):
        found["openai"] = _openai(env)
    return _chosen(env, "SCENARIST_VOICE", found)


def image_account(env: Mapping[str, str]) -> Account:
    """Who draws: OpenAI by its key, else Gemini by its key, else the designer of this pack."""
    found = {}
    if env.get("OPENAI_API_KEY"):
        found["openai"] = _openai(env)
    if env.get("GEMINI_API_KEY"):
        url = env.get("GEMINI_BASE_URL") or GEMINI_URL
        found["gemini"] = Account("gemini", url.rstrip("/"), env["GEMINI_API_KEY"])
    return _chosen(env, "SCENARIST_IMAGES", found)


def _openai(env: Mapping[str, str]) -> Account:
    url = env.get("OPENAI_BASE_URL") or OPENAI_URL
    return Account("openai", url.rstrip("/"), env.get("OPENAI_API_KEY", ""))


def _chosen(env: Mapping[str, str], switch: str, found: Mapping[str, Account]) -> Account:
    """The provider that the switch names, else the first found. Raises ProviderError for one that is not configured."""
    name = env.get(switch, "")
    if name == "offline" or (not name and not found):
        return OFFLINE
    if name and name not in found:
        raise ProviderError("unauthorized", f"{switch}={name}, but its key is not set")
    return found[name] if name else next(iter(found.values()))

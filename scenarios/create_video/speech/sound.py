"""Sound as it leaves a speech engine: 16-bit mono samples, made evenly loud."""

import array
import io
import math
import sys
import wave
from dataclasses import dataclass
from operator import mul

from ..errors import ProviderError

TARGET_DB = -18.0
_FULL = 32767.0
_KNEE = 0.7 * _FULL


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples of one channel, `rate` of them a second."""

    samples: "array.array[int]"
    rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def to_wav(self) -> bytes:
        """The sound as a WAV file."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.rate)
            file.writeframes(_little_endian(self.samples).tobytes())
        return buffer.getvalue()


def from_pcm(data: bytes, rate: int) -> Sound:
    """Sound of raw 16-bit little-endian mono samples."""
    samples = array.array("h")
    samples.frombytes(data[: len(data) // 2 * 2])
    return Sound(_little_endian(samples), rate)


def from_wav(data: bytes) -> Sound:
    """Sound of a WAV file with 16-bit samples; of several channels the first. Raises ProviderError for anything else."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2:
                raise ProviderError(
                    "bad_input", f"a WAV file of {8 * file.getsampwidth()} bits; 16 are needed"
                )
            sound = from_pcm(file.readframes(file.getnframes()), file.getframerate())
            return Sound(sound.samples[:: file.getnchannels()], sound.rate)
    except (wave.Error, EOFError) as error:
        raise ProviderError("bad_input", f"not a WAV file: {error}") from error


def mean_db(sound: Sound) -> float:
    """Mean volume in dB of full scale (what ffmpeg's volumedetect calls mean_volume); -inf for silence."""
    power = sum(map(mul, sound.samples, sound.samples)) / max(1, len(sound.samples))
    return 10 * math.log10(power / _FULL**2) if power else -math.inf


def evenly_loud(sound: Sound, target_db: float = TARGET_DB) -> Sound:
    """The same sound with its mean volume near `target_db`. Peaks are bent, not clipped. Silence stays as it is."""
    level = mean_db(sound)
    if level == -math.inf:
        return sound
    gain = 10 ** ((target_db - level) / 20)
    # One answer for each possible sample; a negative one finds its own by counting from the end.
    table = [round(_bent(sample * gain)) for sample in (*range(32768), *range(-32768, 0))]
    return Sound(array.array("h", map(table.__getitem__, sound.samples)), sound.rate)


def _bent(value: float) -> float:
    """A sample within full scale: unchanged up to the knee, above it ever less steep."""
    size = abs(value)
    if size <= _KNEE:
        return value
    room = _FULL - _KNEE
    return math.copysign(_KNEE + room * math.tanh((size - _KNEE) / room), value)


def _little_endian(samples: "array.array[int]") -> "array.array[int]":
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples

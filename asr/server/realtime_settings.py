"""Settings of a realtime session, as OpenAI's events name them.

Fields that mean nothing here (`noise_reduction`, `threshold`, `prompt` and the like) are ignored.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from asr.audio.reader import RATES
from asr.units import Seconds

HOUR = 3_600_000
"""In milliseconds."""


class AudioFormat(BaseModel):
    """How sound comes: PCM of 16 bits, little-endian, or G.711; one channel."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: int = Field(default=24_000, ge=RATES.start, lt=RATES.stop)
    """Of PCM, in Hz; G.711 has 8,000."""


class TranscriptionSettings(BaseModel):
    """Which model listens, and for what."""

    model: str | None = None
    language: str | None = None
    keywords: list[str] = []


class TurnDetection(BaseModel):
    """When somebody has come to an end: after silence as long as said here, or as is usual."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    prefix_padding_ms: int = Field(default=300, ge=0, le=HOUR)
    silence_duration_ms: int = Field(default=500, gt=0, le=HOUR)


class InputSettings(BaseModel):
    """Of the sound that comes."""

    format: AudioFormat = AudioFormat()
    transcription: TranscriptionSettings | None = TranscriptionSettings()
    turn_detection: TurnDetection | None = TurnDetection()
    """Without it the client says where items end."""


class AudioSettings(BaseModel):
    """Of sound; there is none that goes out."""

    input: InputSettings = InputSettings()


class RealtimeSettings(BaseModel):
    """What a client may choose."""

    type: Literal["transcription"] = "transcription"
    audio: AudioSettings = AudioSettings()
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""
        return self.audio.input.format.rate if self.law is None else 8_000

    @property
    def law(self) -> Literal["ULAW", "ALAW"] | None:
        """Which of G.711's, as libsndfile calls it; None is PCM."""
        return {"audio/pcmu": "ULAW", "audio/pcma": "ALAW"}.get(self.audio.input.format.type)  # type: ignore[return-value]

    @property
    def transcription(self) -> TranscriptionSettings:
        """Which model listens, and for what."""
        return self.audio.input.transcription or TranscriptionSettings()

    @property
    def turns(self) -> TurnDetection | None:
        """When items end by themselves, if they do."""
        return self.audio.input.turn_detection

    @property
    def silence(self) -> Seconds | None:
        """That ends an item; None is the usual one."""
        turns = self.turns
        return turns.silence_duration_ms / 1000 if turns is not None and turns.type == "server_vad" else None

    def changed(self, changes: dict[str, Any]) -> "RealtimeSettings":
        """Settings of which some are others; those that are left out stay.

        Raises:
            ValidationError: if one is not allowed.
        """
        return RealtimeSettings.model_validate(_merged(self.model_dump(), changes))


def _merged(known: Any, changes: Any) -> Any:
    if not (isinstance(known, dict) and isinstance(changes, dict)):
        return changes
    return known | {name: _merged(known.get(name), value) for name, value in changes.items()}

"""`asr listen`: text while people speak."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from asr.audio.microphone import microphone, microphones
from asr.cli.live import WatchedGrammar, follow, outlets
from asr.cli.options import Device, Engine, ModelFolder, Search
from asr.cli.output import complain
from asr.cli.parse import NO_PREFIX
from asr.transcription.coverage import MIN_CONFIDENCE, Low
from asr.transcription.endpoint import LiveConfig


@dataclass(frozen=True)
class Listen:
    """Show what is said into a microphone while it is said; Ctrl-C ends it."""

    model: ModelFolder = None
    microphone: str | None = None
    """A number or part of a name, as --devices lists them. Without it, the system's own."""
    devices: bool = False
    """List the microphones instead."""
    srt: Path | None = None
    """Also write subtitles, which grow as people speak."""
    json: bool = False
    """Print a line of JSON for each partial and final text."""
    live: Annotated[LiveConfig, NO_PREFIX] = field(default_factory=LiveConfig)
    min_confidence: float = MIN_CONFIDENCE
    """Words that are less sure are left out; 0 keeps all, also those on music and noise."""
    low: Low = "drop"
    """Of such words: drop them, or mark them, which JSON shows."""
    search: Annotated[Search, NO_PREFIX] = field(default_factory=Search)
    device: Device = "auto"
    engine: Engine = "auto"

    def run(self) -> None:
        if self.devices:
            print("\n".join(microphones()) or "there is no microphone")
            return
        transcriber = self.search.transcriber(self.model, self.device, self.engine)
        transcriber = replace(transcriber, min_confidence=self.min_confidence, low=self.low)
        rate = transcriber.recogniser.config.features.sample_rate
        stream = transcriber.stream(rate, self.live)
        complain(f"latency {stream.latency:.2f} s, and {self.live.silence:g} s of silence for what is final")
        with microphone(rate, self.microphone) as source, outlets(self.json, self.srt) as told:
            follow(stream, source, told, WatchedGrammar.of(self.search.commands, transcriber.commands))

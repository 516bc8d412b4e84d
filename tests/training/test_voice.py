"""What tells one voice from others is learnt from utterances of both."""

from pathlib import Path

import numpy as np
import soundfile
from support.tiny import RATE, gusts, recogniser

from asr.audio.log_mel_numpy import NumpyLogMel
from asr.data.cuts import load_cuts
from asr.data.prepare import prepare
from asr.training.voice import learn_voice, share_taken

MODEL = recogniser()


def coloured(seconds: float, seed: int, brightness: float) -> np.ndarray:
    """Gusts through a filter of two taps: dull below 0, bright above."""
    sound = gusts(round(seconds * RATE), seed=seed, level=0.2)
    return (sound - brightness * np.roll(sound, 1)).astype(np.float32)


def cuts(folder: Path, brightness: float, seed: int):
    folder.mkdir()
    for number in range(20):
        name = folder / f"{number}.wav"
        soundfile.write(name, coloured(0.6 + 0.05 * number, 100 * seed + number, brightness), RATE)
        name.with_suffix(".txt").write_text(f"word {number}")
    prepare("folder", folder / "data", source=folder)
    return [cut for part in ("train", "dev", "test") for cut in load_cuts(folder / "data" / f"{part}.jsonl.gz")]


def test_utterances_that_were_not_learnt_from_are_told_apart_at_any_level(tmp_path):
    dull, bright = cuts(tmp_path / "dull", -0.6, 0), cuts(tmp_path / "bright", 0.6, 1)
    voice = learn_voice(MODEL, dull, bright[:3])  # few of one kind do not make it improbable
    assert (share_taken(voice, MODEL, dull), share_taken(voice, MODEL, bright)) == (1.0, 0.0)
    features = NumpyLogMel(MODEL.config.features)
    for seed in range(20):
        for gain in (0.05, 1.0):
            own, other = (np.float32(gain) * coloured(1.0, 900 + seed, colour) for colour in (-0.6, 0.6))
            assert voice(features(own)) and not voice(features(other))

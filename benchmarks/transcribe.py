"""What transcribing costs with each engine, everything included: reading, features, search, times.

    python -m benchmarks.transcribe talk.wav --model runs/an4/best --json transcribe.json

The model folder has what `asr export --int8` writes. "x real time" is seconds of sound by seconds
of one core. Several recordings, or the pieces of one, are decoded at the same time on other cores
(`asr transcribe --jobs`).
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

from asr.transcription.transcribe import Transcriber
from benchmarks.measure import report, seconds


def main() -> None:
    """Measure every engine in one run, greedily and with a beam."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--lm", type=Path, help="an n-gram model, for a beam search of 50")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    rows = []
    searches = {"greedy": {}, **({"beam 50, n-gram": {"lm": options.lm, "beam": 50}} if options.lm else {})}
    for search, wanted in searches.items():
        for engine in ("torch", "onnx", "int8"):
            model = Transcriber.load(options.model, engine=engine, device="cpu", **({"lm": False} | wanted))
            length = model.transcribe(options.recording).duration
            spent, passed = seconds(lambda model=model: model.transcribe(options.recording), options.rounds)
            rows.append(
                {"search": search, "engine": engine, "core s": spent, "wall s": passed, "x real time": length / spent}
            )
    report(f"{length / 60:.1f} minutes of sound, one thread", rows, options.json)


if __name__ == "__main__":
    main()

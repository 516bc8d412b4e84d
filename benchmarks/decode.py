"""What decoding costs: greedily, by beam search, with n-grams, with hot words.

    python -m benchmarks.decode
    python -m benchmarks.decode test.jsonl.gz --model DIR --lm lm.arpa

Log-probs are computed first and not counted. Times are of one core, so that other programs count
little. Searches take the weights that were tuned for the model, and other beams.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import tyro

from asr.data.batches import load_batches
from asr.data.cuts import load_cuts
from asr.decoding.decoder import Decoder
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import load_tuned, tuned_models
from asr.model.labels import LogProbs
from asr.recogniser.bundled import bundled_model
from asr.recogniser.engines import load_engine
from asr.units import Seconds
from benchmarks.measure import report, seconds
from benchmarks.package import sound

HOT = {"zanzibar": 6.0, "new york": 6.0}
FRAMES = 200
MADE_UP: Seconds = 8.0
TIMES = 20
"""That this is decoded in a round."""


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    manifest: tyro.conf.Positional[Path | None] = None
    """Without one, eight seconds of the package's sample."""
    model: Path | None = None
    """None is the package's."""
    lm: Path | None = None
    """An n-gram model; the package's model has its own."""
    beams: tuple[int, ...] = (10, 50)
    rounds: int = 3
    json: Path | None = None
    """A file for the figures."""


def main(arguments: Arguments) -> None:
    """Measure, and print a table."""
    torch.set_num_threads(1)
    folder = arguments.model or bundled_model()
    recogniser = load_engine(folder, "auto", "cpu")
    rate = recogniser.config.features.sample_rate
    if arguments.manifest is None:
        sounds = [sound(MADE_UP)]
    else:
        plan = [[cut] for cut in load_cuts(arguments.manifest)]
        batches = load_batches(plan, recogniser.tokenizer, sample_rate=rate, loaders=0)
        sounds = [waveform for batch in batches for waveform in batch.sounds()]
    utterances = recogniser.log_probs(sounds) * (TIMES if arguments.manifest is None else 1)
    tuned = load_tuned(folder)
    base = tuned.decoding if tuned else DecodingConfig()
    ngram = arguments.lm or (tuned_models(folder)[0][0] if tuned and tuned.lm else None)

    ways: dict[str, Callable[[LogProbs], object]] = {"greedy": greedy}
    for beam in arguments.beams:
        ways[f"beam {beam}"] = Decoder(recogniser.tokenizer, replace(base, beam=beam))
    for beam in arguments.beams if ngram else ():
        searching = Decoder(recogniser.tokenizer, replace(base, beam=beam), ngram=ngram)
        ways |= {f"beam {beam}, n-grams": searching, f"beam {beam}, hot words": searching.with_hotwords(HOT)}

    def decoded(decode: Callable[[LogProbs], object]) -> None:
        for log_probs in utterances:
            decode(log_probs)

    frames, rows = sum(map(len, utterances)), []
    for name, decode in ways.items():
        decode(utterances[0])  # what is built once
        spent, _ = seconds(partial(decoded, decode), arguments.rounds)
        length = frames * recogniser.config.frame
        rows.append({"decoding": name, f"ms for {FRAMES} frames": 1000 * FRAMES * spent / frames})
        rows[-1]["x real time"] = length / spent
    report(f"{len(utterances)} utterances, {length:.0f} s of speech, one core", rows, arguments.json)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))

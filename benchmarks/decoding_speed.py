"""How many times faster than speech is decoding, on one core?

    python -m benchmarks.decoding_speed test.jsonl.gz --model DIR --lm lm.arpa

Measures greedy decoding, beam search, and beam search with an n-gram model. Log-probs are computed
first and not counted. Times are of the processor, so that other programs count little.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from asr.data.batches import load_batches, plan_batches
from asr.data.cuts import load_cuts
from asr.decoding.decoder import Decoder
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import DecodingConfig
from asr.model.labels import LogProbs
from asr.recogniser.model_folder import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--lm", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recogniser = load_model(options.model)
    cuts = load_cuts(options.manifest)
    utterances: list[LogProbs] = []
    plan = plan_batches(cuts, 60.0, seed=None)
    rate = recogniser.config.features.sample_rate
    for batch in load_batches(plan, recogniser.tokenizer, sample_rate=rate, loaders=0):
        found = recogniser.emissions(batch.waveforms, batch.num_samples)
        utterances += found.utterances()
    seconds = sum(cut.duration for cut in cuts)

    def measure(name: str, decode: Callable[[LogProbs], object]) -> None:
        decode(utterances[0])  # what is built once
        start = time.process_time()
        for log_probs in utterances:
            decode(log_probs)
        spent = time.process_time() - start
        print(f"{name:<28} {seconds / spent:9.0f} x real time {1000 * spent / len(utterances):8.2f} ms an utterance")

    print(f"{len(utterances)} utterances, {seconds:.0f} s of speech")
    measure("greedy", greedy)
    for beam in (10, 50):
        config = DecodingConfig(beam=beam)
        measure(f"beam {beam}", Decoder(recogniser.tokenizer, config))
        measure(f"beam {beam}, n-gram", Decoder(recogniser.tokenizer, config, ngram=options.lm))
        hot = {"zanzibar": 6.0, "new york": 6.0}
        measure(
            f"beam {beam}, n-gram, hot words", Decoder(recogniser.tokenizer, config, ngram=options.lm, hotwords=hot)
        )


if __name__ == "__main__":
    main()

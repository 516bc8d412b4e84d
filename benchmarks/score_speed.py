"""How long does it take to score 10,000 utterances and 100,000 words?

    python benchmarks/score_speed.py

With 1,000 bootstrap samples. Prints processor seconds of one core, and wall time.
"""

import random
import time

from asr.scoring.score import score

UTTERANCES = 10_000
WORDS = 10


def main() -> None:
    generator = random.Random(1)
    vocabulary = ["".join(generator.choices("abcdefghij", k=generator.randint(2, 8))) for _ in range(5000)]
    references, hypotheses = {}, {}
    for number in range(UTTERANCES):
        words = generator.choices(vocabulary, k=WORDS)
        heard = [generator.choice(vocabulary) if generator.random() < 0.1 else word for word in words]
        references[f"u{number}"] = " ".join(words)
        hypotheses[f"u{number}"] = " ".join(word for word in heard if generator.random() > 0.03)
    for costs in ("unit", "sclite"):
        processor, wall = time.process_time(), time.perf_counter()
        result = score(references, hypotheses, costs=costs)
        print(
            f"{costs} costs: {time.process_time() - processor:.2f} s of processor, {time.perf_counter() - wall:.2f} s in all; "
            f"{UTTERANCES:,} utterances, {result.words.reference_length:,} words, WER {100 * result.wer.value:.2f} %"
        )


if __name__ == "__main__":
    main()

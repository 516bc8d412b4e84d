"""How often does the bootstrap interval of a word error rate hold the true rate? 95 times in 100, if it is honest.

Test sets are drawn from a population whose word error rate is known by construction: utterances differ in length and
in difficulty, errors crowd in the difficult ones, and insertions come on top. Run it as
`python benchmarks/score_coverage.py`; it takes less than a minute on one core.

Expanded percentiles (Hesterberg 2015) and BCa (Efron 1987), tried on the same draws, held the true rate about as often:
at 130 utterances 93.2 and 93.2 % against 93.0 % for plain percentiles, at 50 utterances 92.8 and 92.0 % against 91.8 %.
"""

import numpy as np

from asr.interval import bootstrap

SEED = 20040517
REPETITIONS = 2000
SAMPLES = 1000
MEAN_EXTRA_WORDS = 7.0  # beyond the first; lengths are 1 + a geometric number, so short commands and long sentences mix
DIFFICULTY = (0.5, 3.5)  # Beta distribution of an utterance's chance that a word is wrong: most have none, some many
INSERTIONS = 0.02  # per reference word
TRUE_RATE = DIFFICULTY[0] / sum(DIFFICULTY) + INSERTIONS


def draw_test_set(generator: np.random.Generator, utterances: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw errors and reference lengths, (utterances,) each, in words."""
    lengths = generator.geometric(1 / (1 + MEAN_EXTRA_WORDS), size=utterances)
    wrong = generator.binomial(lengths, generator.beta(*DIFFICULTY, size=utterances))
    return wrong + generator.poisson(INSERTIONS * lengths), lengths


def coverage(utterances: int) -> tuple[float, float]:
    """Simulate, and return the share of intervals that hold the true rate, and their mean width."""
    generator = np.random.default_rng([SEED, utterances])
    rates = [
        bootstrap(*draw_test_set(generator, utterances), samples=SAMPLES, seed=repetition)
        for repetition in range(REPETITIONS)
    ]
    held = np.mean([rate.low <= TRUE_RATE <= rate.high for rate in rates])
    return float(held), float(np.mean([rate.high - rate.low for rate in rates]))


def main() -> None:
    for utterances in (50, 130, 500):
        held, width = coverage(utterances)
        print(
            f"{utterances} utterances, true WER {100 * TRUE_RATE:.2f} %: {REPETITIONS} intervals, "
            f"{100 * width:.1f} points wide on average, {100 * held:.1f} % hold the true rate"
        )


if __name__ == "__main__":
    main()

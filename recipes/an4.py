"""CMU AN4: people spell names and say numbers, dates and commands.

    python recipes/an4.py --source corpora/an4 --out runs/an4
    python recipes/an4.py --source corpora/an4 --out runs/an4-fast --fast
    python recipes/an4.py --source corpora/an4 --out runs/an4-english --english

948 utterances train; 130 of other speakers test. Characters are learnt first, then words. There are
about a hundred words: a letter that is spelled, a number, a month. Words alone are learnt slowly.
Characters alone misspell them. With the package's English model to begin with, words are learnt at
once, and better.
"""

from dataclasses import replace

from asr.audio.augment import LIGHT
from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import ConsistencyConfig, OptimiserConfig, TrainConfig

CHARACTERS = TrainConfig(
    acoustic=AcousticConfig(subsampling=2, layers=3, hidden=256, dropout=0.3, intermediate=(2,)),
    optimiser=OptimiserConfig(weight_decay=0.05),
    epochs=64,
    batch_seconds=48.0,
)
WORDS = replace(
    CHARACTERS,
    tokenizer=TokenizerConfig(units="words"),
    optimiser=OptimiserConfig(learning_rate=1.5e-3, warmup=0.1, weight_decay=0.05),
    consistency=ConsistencyConfig(weight=0.2),
    epochs=16,
)
FAST = tuple(
    replace(
        stage,
        acoustic=replace(stage.acoustic, subsampling=4, dropout=0.2),
        augment=replace(LIGHT, filter=6.0),
        consistency=ConsistencyConfig(),
        epochs=epochs,
        batch_seconds=36.0,
    )
    for stage, epochs in ((CHARACTERS, 15), (WORDS, 12))
)
ENGLISH = replace(
    WORDS,
    augment=replace(WORDS.augment, filter=6.0),
    optimiser=replace(WORDS.optimiser, learning_rate=1e-3),
)

if __name__ == "__main__":
    recipe("an4", CHARACTERS, WORDS, fast=FAST, english=(ENGLISH,))

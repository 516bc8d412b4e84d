"""CMU AN4: people spell names, say numbers, dates and commands; 948 training and 130 test utterances of other speakers.

    python recipes/an4.py --source ../shared/corpora/an4 --out runs/an4

Its 99 words, letters among them, are a closed vocabulary, so a token is a word. Letters differ by short consonants and
lend each other no context, so time masks are short.
"""

from asr.acoustic import AcousticConfig
from asr.augment import AugmentConfig
from asr.cli import recipe
from asr.tokenizer import TokenizerConfig
from asr.trainer import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    tokenizer=TokenizerConfig(units="words"),
    acoustic=AcousticConfig(layers=3, hidden=256, dropout=0.3, intermediate=(2,)),
    augment=AugmentConfig(speeds=(0.9, 0.95, 1.0, 1.05, 1.1), time_mask_frames=12),
    optimiser=OptimiserConfig(weight_decay=0.1),
    epochs=20,
    batch_seconds=32.0,
)

if __name__ == "__main__":
    recipe("an4", CONFIG)

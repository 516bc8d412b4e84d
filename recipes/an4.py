"""CMU AN4: people spell names, say numbers, dates and commands; 948 training and 130 test utterances of other speakers.

python recipes/an4.py --source ../shared/corpora/an4 --out runs/an4
"""

from asr.acoustic import AcousticConfig
from asr.augment import AugmentConfig
from asr.cli import recipe
from asr.settings import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(layers=3, hidden=256, dropout=0.3, intermediate=(2,)),
    augment=AugmentConfig(speeds=(0.85, 0.925, 1.0, 1.075, 1.15)),
    optimiser=OptimiserConfig(weight_decay=0.05),
    epochs=75,
    batch_seconds=72.0,
)

if __name__ == "__main__":
    recipe("an4", CONFIG)

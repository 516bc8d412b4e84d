"""Mozilla Common Voice: many people read short sentences, in over a hundred languages.

    python recipes/commonvoice.py --source cv-corpus/en --out runs/commonvoice

Mozilla asks for consent, so download it by hand.
"""

from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
from asr.training.settings import BpttConfig, OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(subsampling=3, layers=3, hidden=256, dropout=0.3, intermediate=(2,)),
    bptt=BpttConfig(segment=4.0),
    optimiser=OptimiserConfig(weight_decay=0.05),
    epochs=40,
    batch_seconds=48.0,
    average=0.998,
)

if __name__ == "__main__":
    recipe("commonvoice", CONFIG)

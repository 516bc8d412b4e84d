"""Mini LibriSpeech: five hours of read English books by 28 people.

python recipes/mini_librispeech.py --out runs/mini
python recipes/mini_librispeech.py --source corpora/mini-librispeech --out runs/mini
"""

from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
from asr.training.settings import BpttConfig, OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(subsampling=3, layers=3, hidden=256, dropout=0.3, intermediate=(2,)),
    bptt=BpttConfig(segment=4.0),
    optimiser=OptimiserConfig(weight_decay=0.05),
    epochs=60,
    batch_seconds=60.0,
    average=0.998,
)

if __name__ == "__main__":
    recipe("mini-librispeech", CONFIG)

"""The Free Spoken Digit Dataset: six speakers, ten digits, fifty times each, 8 kHz; the official test are indices 0 to 4.

python recipes/digits.py --source ../shared/corpora/fsdd --out runs/digits
"""

from asr.acoustic import AcousticConfig
from asr.cli import recipe
from asr.trainer import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(layers=2, hidden=128, subsampling=2),
    optimiser=OptimiserConfig(learning_rate=3e-3),
    epochs=30,
    batch_seconds=16.0,
)

if __name__ == "__main__":
    recipe("fsdd", CONFIG)

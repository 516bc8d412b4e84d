"""Mozilla Common Voice: many people read short sentences, in over a hundred languages.

python recipes/commonvoice.py --source cv-corpus/en --out runs/commonvoice
"""

from asr.acoustic import AcousticConfig
from asr.cli import recipe
from asr.settings import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(layers=4, hidden=320, intermediate=(2,), residual=True),
    optimiser=OptimiserConfig(learning_rate=1.5e-3),
    epochs=30,
    batch_seconds=96.0,
    average=0.998,
)

if __name__ == "__main__":
    recipe("commonvoice", CONFIG)

"""Kaldi's yesno: one speaker says eight words a file, each "ken" (yes) or "lo" (no) in Hebrew; six minutes in all.

    python recipes/yesno.py --source ../shared/corpora/yesno --out runs/yesno
"""

from asr.acoustic import AcousticConfig
from asr.cli import recipe
from asr.train import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(layers=2, hidden=64),
    optimiser=OptimiserConfig(learning_rate=5e-3),
    epochs=40,
    batch_seconds=30.0,
    average=0.95,
)

if __name__ == "__main__":
    recipe("yesno", CONFIG)

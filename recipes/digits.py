"""The Free Spoken Digit Dataset: six speakers, ten digits, fifty times each, 8 kHz.

    python recipes/digits.py --source corpora/fsdd --out runs/digits
    python recipes/digits.py --source corpora/fsdd --out runs/theo --held-out-speaker theo

The official test is indices 0 to 4. Ten words are a closed vocabulary, so a token is a word. The
recordings hold nothing above 4 kHz, so the mel filters stop there.

Five speakers do not suffice for a sixth whom training does not know. Begin with an English model
(`--init`, and its shape) and with `--augment.noise -10`: see RESULTS.md.
"""

from asr.audio.features import FeatureConfig
from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
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

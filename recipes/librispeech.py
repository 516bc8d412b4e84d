"""LibriSpeech: read audio books, up to the 960 hours of all training parts.

    python recipes/librispeech.py --source LibriSpeech --out runs/librispeech
    python recipes/librispeech.py --train dev-clean --out runs/dev-clean

`--train dev-clean` makes do with 5 hours.
"""

from asr.cli.recipe import recipe
from asr.model.shape import AcousticConfig
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    tokenizer=TokenizerConfig(units="sentencepiece", size=300),
    acoustic=AcousticConfig(layers=5, hidden=512, intermediate=(3,), residual=True),
    optimiser=OptimiserConfig(learning_rate=1e-3, warmup=0.1),
    epochs=30,
    batch_seconds=240.0,
    average=0.999,
)

if __name__ == "__main__":
    recipe("librispeech", CONFIG)

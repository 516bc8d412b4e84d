"""Asterisk's recorded prompts: about 25 minutes of one studio voice a language; English, Spanish, French, Italian, Russian.

python recipes/prompts.py --language it --out runs/prompts-it
"""

from asr.acoustic import AcousticConfig
from asr.cli import recipe
from asr.trainer import OptimiserConfig, TrainConfig

CONFIG = TrainConfig(
    acoustic=AcousticConfig(layers=2, hidden=192),
    optimiser=OptimiserConfig(learning_rate=4e-3),
    epochs=40,
    batch_seconds=30.0,
)

if __name__ == "__main__":
    recipe("prompts", CONFIG)

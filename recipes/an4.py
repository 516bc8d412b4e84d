"""CMU AN4: people spell names, say numbers, dates and commands; 948 training and 130 test utterances of other speakers.

python recipes/an4.py --source ../shared/corpora/an4 --out runs/an4
"""

from asr.acoustic import AcousticConfig
from asr.cli import recipe
from asr.trainer import TrainConfig

CONFIG = TrainConfig(acoustic=AcousticConfig(layers=3, hidden=256, intermediate=(2,)), epochs=44, batch_seconds=48.0)

if __name__ == "__main__":
    recipe("an4", CONFIG)

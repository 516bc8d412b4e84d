"""The model card: the README of a model folder, for people."""

from collections.abc import Sequence

from asr.data.cuts import LazyCut
from asr.training.goal import Purpose
from asr.training.trainer import Trainer
from asr.units import clock


def model_card(trainer: Trainer, cuts: Sequence[LazyCut], purpose: Purpose, result: str) -> str:
    """Describe a model in Markdown.

    It may be published, so it names no utterance, no transcript and no path of the training data.

    Args:
        trainer: what trained it; its position is within the epoch whose weights are kept.
        cuts: what it was trained on.
        purpose: what it was trained for.
        result: what it is worth on dev.
    """
    config, position = trainer.config, trainer.position
    shape = config.acoustic
    layers = f"{shape.layers} x {shape.hidden} {'bidirectional ' if shape.bidirectional else ''}{shape.cell.upper()}"
    hours = sum(cut.duration for cut in cuts) / 3600
    commands = "\n".join(f"    {command}" for command in purpose.commands)
    return f"""# {purpose.title}

{layers}{purpose.model}.

- trained on {len(cuts)} utterances, {hours:.2f} hours of {purpose.data}
- {config.bptt.mode} BPTT, seed {config.seed}, {position.epoch + 1} of {config.epochs} epochs \
({clock(position.seconds)} on {trainer.recogniser.device.type}, {trainer.workers.count} threads)
- {result}, {purpose.measure}

{commands}
"""

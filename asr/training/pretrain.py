"""Pretraining: audio without transcripts in, a model folder out.

A recogniser can begin with its weights (`--init`).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.data.cuts import LazyCut
from asr.errors import ConfigError, DataError
from asr.model.reading import Full
from asr.progress import SILENT, Progress
from asr.ranks import ALONE, Ranks
from asr.recogniser.emissions import in_turn
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import CharacterTokenizer
from asr.training.audio import read_audio
from asr.training.forecast import Forecaster, Forecasting
from asr.training.goal import Judgement, Purpose
from asr.training.objective import AugmentedBatch
from asr.training.run import run, usable_device
from asr.training.selection import long_enough
from asr.training.settings import PretrainConfig
from asr.training.trainer import Trainer

HELD_OUT = 20
"""One piece in so many is held out, where the user names none for that."""


def pretrain(
    config: PretrainConfig,
    sources: Sequence[Path],
    dev: Sequence[Path],
    out: Path,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
) -> Path:
    """Learn to forecast the audio of `sources`, choose by that of `dev`, write the run to `out`.

    Args:
        config: the settings.
        sources: lhotse cut manifests, audio files and folders of them. Transcripts are not read.
        dev: likewise; without any, every twentieth piece of the sources is held out.
        out: run folder, as `run.run` has it.
        progress: who is told how far it is.
        ranks: the processes that train together.

    Returns:
        The best model's folder, `out/best`: it knows no token, and is for `TrainConfig.init`.

    Raises:
        DataError: if a source cannot be read, or there is too little audio.
        ConfigError: if no source is named, or `out` holds a run with other settings or data.
        TrainingError: after too many non-finite steps in a row.
    """
    if not sources:
        raise ConfigError("no audio was named to pretrain on; name manifests, audio files or folders of them")
    rate = config.features.sample_rate
    cuts = long_enough(ranks.once(lambda: read_audio(sources, out, rate, progress)), config, progress)
    if dev:
        dev_cuts = ranks.once(lambda: read_audio(dev, out, rate, progress))
    else:
        cuts, dev_cuts = [c for i, c in enumerate(cuts) if (i + 1) % HELD_OUT], cuts[HELD_OUT - 1 :: HELD_OUT]
        if not dev_cuts:
            raise DataError(
                f"there are fewer than {HELD_OUT} pieces of audio, so none to hold out; name some with --dev"
            )
    device = usable_device(config)
    torch.manual_seed(config.seed)
    recogniser = Recogniser(config.recogniser, CharacterTokenizer(())).to(device)
    module = Forecaster(recogniser.acoustic, config.features.num_mels).to(device)
    trainer = Trainer(config, recogniser, Forecasting(module, recogniser.config.frames(config.ahead)), ranks)
    return run(trainer, ForecastGoal(trainer, config, dev_cuts, progress), cuts, dev_cuts, out, progress)


@dataclass(frozen=True)
class ForecastGoal:
    """The goal of forecasts that are little off."""

    trainer: Trainer
    config: PretrainConfig
    dev_cuts: Sequence[LazyCut]
    progress: Progress

    @property
    def forecaster(self) -> Forecaster:
        """The averaged model."""
        assert isinstance(self.trainer.averaged, Forecaster)
        return self.trainer.averaged

    @property
    def recogniser(self) -> Recogniser:
        """The recogniser with the averaged forecaster's weights; its output layer is untrained."""
        recogniser = self.trainer.recogniser
        weights = self.forecaster.state_dict().items()
        learnt = {name: tensor for name, tensor in weights if not name.startswith("heads.")}
        acoustic = copy.deepcopy(recogniser.acoustic)
        acoustic.load_state_dict(learnt, strict=False)
        return recogniser.with_acoustic(acoustic)

    @property
    def purpose(self) -> Purpose:
        """For the model card."""
        return Purpose(
            title="A pretrained acoustic model",
            model=f", which has learnt to forecast log-mel frames {1000 * self.config.ahead:.0f} ms ahead and back "
            "(autoregressive predictive coding). It knows no token yet: train it",
            data="audio, without transcripts",
            measure="mean absolute error",
            commands=("asr train DATA --out RUN --init FOLDER",),
        )

    @torch.no_grad()
    def judge(self) -> Judgement:
        """Forecast dev."""
        recogniser, forecaster = self.trainer.recogniser, self.forecaster.eval()
        forecasting = Forecasting(forecaster, recogniser.config.frames(self.config.ahead))
        ranks, losses = self.trainer.ranks, []
        for batch in in_turn(
            recogniser, self.dev_cuts, "forecasting", self.progress, loaders=self.config.loaders, ranks=ranks
        ):
            batch = batch.to(recogniser.device)
            log_mel, lengths = recogniser.features(batch.waveforms, batch.num_samples)
            loss = forecasting(AugmentedBatch(batch, log_mel, lengths, None), Full())
            losses.append((loss.value, loss.count))
        total, count = map(sum, zip((0.0, 0), *ranks.collect(losses), strict=True))
        if not count:
            raise DataError(
                f"no held-out piece is longer than {self.config.ahead:g} s, so none can be forecast; see --dev"
            )
        error = total / count
        return Judgement((error,), error, {"dev_loss": error}, f"dev forecasts off by {error:.4f} deviations")

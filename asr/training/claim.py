"""Whose a run folder is: the settings and the data with which its run began."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from lhotse.cut import Cut

from asr.config import differences, from_dict, to_dict
from asr.data.cuts import text_of
from asr.errors import ConfigError
from asr.files import atomic
from asr.training.settings import RunConfig


def digest(*splits: Sequence[Cut]) -> str:
    """A checksum of ids, transcripts and durations, wherever the recordings lie."""
    found = hashlib.sha256()
    for cuts in splits:
        found.update(json.dumps([[cut.id, text_of(cut), round(cut.duration, 3)] for cut in cuts]).encode())
    return found.hexdigest()


def claim(folder: Path, config: RunConfig, utterances: str, workers: int, *, begun: bool) -> int:
    """Write the run's settings; if it has begun, see first that they are those with which it began.

    Where a run was trained (device, loaders, checkpoint interval) may change; what decides its
    weights may not.

    Args:
        folder: the run's.
        config: its settings.
        utterances: from `digest`.
        workers: how many there are now.
        begun: whether there is a checkpoint to go on from.

    Returns:
        The number of workers with which it began.

    Raises:
        ConfigError: if it began with other settings or data; names them.
    """
    path = folder / "config.json"
    if begun and path.is_file():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            before = from_dict(type(config), stored["config"], where=str(path))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}: not the settings of a run; choose another --out") from None
        same_place = dataclasses.replace(
            before, device=config.device, loaders=config.loaders, checkpoint_every=config.checkpoint_every
        )
        changed = differences(same_place, config)
        if stored.get("utterances_sha256") != utterances:
            changed.append("the manifests hold other utterances")
        if changed:
            raise ConfigError(f"{folder} holds a run with other settings ({'; '.join(changed)}); choose another --out")
        workers = int(stored.get("workers", workers))
    with atomic(path) as temporary:
        values = {"config": to_dict(config), "utterances_sha256": utterances, "workers": workers}
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return workers

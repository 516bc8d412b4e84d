"""Whose a run folder is: the settings and the data with which its run began."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from asr.config import differences, from_dict, parse_json, to_dict
from asr.data.cuts import LazyCut
from asr.errors import ConfigError
from asr.files import atomic
from asr.ranks import Ranks
from asr.training.settings import RunConfig


def digest(*splits: Sequence[LazyCut]) -> str:
    """A checksum of ids, transcripts and durations, wherever the recordings lie."""
    found = hashlib.sha256()
    for cuts in splits:
        lines = (json.dumps([cut.id, cut.text, round(cut.duration, 3)]) for cut in cuts)
        found.update(b"[")  # a list of lists, never whole in memory
        for number, line in enumerate(lines):
            found.update(f"{', ' if number else ''}{line}".encode())
        found.update(b"]")
    return found.hexdigest()


def agree(ranks: Ranks, config: RunConfig, utterances: str) -> None:
    """See that all ranks have the same settings and data.

    Args:
        ranks: the run's.
        config: this one's settings.
        utterances: from `digest`.

    Raises:
        ConfigError: if they have not; names what differs.
    """
    found = ranks.gather((config, utterances))
    for number, (other, others) in enumerate(found):
        changed = differences(_in_place_of(config, found[0][0]), _in_place_of(config, other))
        changed += ["the manifests hold other utterances"] if others != found[0][1] else []
        if changed:
            raise ConfigError(
                f"process {number} of {len(found)} differs from the first ({'; '.join(changed)}); "
                "give every machine the same command and data"
            )


def _in_place_of(config: RunConfig, other: RunConfig) -> RunConfig:
    """Settings as they would be where `config` is run, which does not decide the weights.

    The number of workers decides some draws and last bits, and is written down beside the settings.
    """
    return dataclasses.replace(
        other,
        device=config.device,
        threads=config.threads,
        loaders=config.loaders,
        checkpoint_every=config.checkpoint_every,
    )


def claim(folder: Path, config: RunConfig, utterances: str, workers: int, *, begun: bool) -> list[str]:
    """Write the run's settings; if it has begun, see first that they are those with which it began.

    Where and how a run is trained (device, threads, loaders, checkpoint interval, recomputation)
    may change, and what it bears; what decides its weights may not.

    Args:
        folder: the run's.
        config: its settings.
        utterances: from `digest`.
        workers: how many there are now.
        begun: whether there is a checkpoint to go on from.

    Returns:
        What will make its weights differ from those of an undisturbed run, a line each.

    Raises:
        ConfigError: if it began with other settings or data; names them.
    """
    path, first, notes = folder / "config.json", workers, []
    if begun and path.is_file():
        try:
            stored = parse_json(path.read_text(encoding="utf-8"))
            before = from_dict(type(config), stored["config"], where=str(path))
            first = int(stored.get("workers", workers))
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
            raise ConfigError(f"{path}: not the settings of a run; choose another --out") from None
        with_choices = dataclasses.replace(
            _in_place_of(config, before),
            unreadable=config.unreadable,
            bptt=dataclasses.replace(before.bptt, recompute=config.bptt.recompute),
        )
        changed = differences(with_choices, config)
        if stored.get("utterances_sha256") != utterances:
            changed.append("the manifests hold other utterances")
        if changed:
            raise ConfigError(f"{folder} holds a run with other settings ({'; '.join(changed)}); choose another --out")
        if first != workers:
            notes.append(
                f"{folder} was begun by {first} workers and goes on with {workers}: its weights will be others than "
                f"those of an undisturbed run; {first} workers avoid it (--threads, times the processes of torchrun)"
            )
        if before.bptt.recompute != config.bptt.recompute:
            notes.append(
                f"{folder} goes on with --bptt.recompute {config.bptt.recompute}: its weights may differ in their last "
                "bits from those of an undisturbed run"
            )
    with atomic(path) as temporary:
        values = {"config": to_dict(config), "utterances_sha256": utterances, "workers": first}
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return notes

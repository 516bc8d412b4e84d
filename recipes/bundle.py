"""The English model as the package ships it: compact, with its graph, language model and card.

    python recipes/bundle.py runs/english/best --figures runs/english/figures.json

The model has its language model beside it: `asr tune` has put it there. The figures are JSON:

    {
      "speech": [{"name": "...", "hours": 5.3, "speakers": 28, "transcripts": "people",
                  "licence": "..."}],
      "text": [{"name": "...", "words": 13.9, "licence": "..."}],
      "scores": [{"domain": "...", "set": "...", "greedy": "a.json", "lm": "b.json"}],
      "core_hours": 20, "hardware": "...", "limits": ["..."], "commands": ["..."]
    }

`words` are in millions. `transcripts` is people, or what machine has written them. The files of
`scores` lie beside the figures: `asr evaluate MANIFEST --json` has printed them.
"""

import argparse
import json
from pathlib import Path
from string import Template
from typing import Any

from asr.cli import exit_codes
from asr.decoding.tuned import load_tuned
from asr.errors import ConfigError
from asr.files import atomic
from asr.lm.compact import is_compact, read_compact
from asr.recogniser.bundled import FOLDER
from asr.recogniser.checksums import write_sums
from asr.recogniser.model_folder import WEIGHTS_FILE, compact_model, load_model
from asr.recogniser.onnx_export import build
from asr.recogniser.onnx_runtime import INT8_FILE

TEMPLATE = Path(__file__).with_name("english_card.md")
MILLION = 1_000_000


def main() -> None:
    """Bundle the model that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()
    with exit_codes():
        bundle(options.model, options.figures, options.out)
        print(options.out)


def bundle(model: Path, figures: Path, out: Path) -> None:
    """Write a model folder of compact weights, graph of 8 bits, tuned language model and card.

    Raises:
        ConfigError: if the figures cannot be read or lack one, or the language model is not a
            compact one.
        AsrError: if the model cannot be read or the folder not be written.
    """
    tuned = load_tuned(model)
    if tuned is None or len(tuned.lm) != 1 or not is_compact(model / tuned.lm[0]):
        raise ConfigError(f"{model}: has no compact language model; run `asr tune --lm WORDS.ngram` with it first")
    try:
        values = facts(model, model / tuned.lm[0]) | described(json.loads(figures.read_text("utf-8")), figures.parent)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{figures}: cannot be used ({type(error).__name__}: {error})") from None
    compact_model(model, out)
    with atomic(out / INT8_FILE) as path:  # of the weights before they are rounded
        path.write_bytes(build(load_model(model), int8=True).SerializeToString())
    values["weights"], values["graph"] = (
        f"{(out / file).stat().st_size / MILLION:.1f}" for file in (WEIGHTS_FILE, INT8_FILE)
    )
    with atomic(out / "README.md") as path:
        path.write_text(Template(TEMPLATE.read_text("utf-8")).substitute(values), "utf-8")
    write_sums(out)


def facts(model: Path, lm: Path) -> dict[str, object]:
    """What the files themselves tell."""
    recogniser, ngrams = load_model(model), read_compact(lm)
    shape = recogniser.config.acoustic
    direction = "bidirectional " if shape.bidirectional else ""
    return {
        "shape": f"{shape.layers} x {shape.hidden} {direction}{shape.cell.upper()}",
        "tokens": recogniser.tokenizer.size - 1,
        "parameters": f"{recogniser.num_parameters / MILLION:.1f}",
        "order": ngrams.order,
        "words": f"{len(ngrams.vocabulary):,}",
        "ngrams": f"{len(ngrams) / MILLION:.1f}",
        "lm": f"{lm.stat().st_size / MILLION:.1f}",
    }


def described(figures: dict[str, Any], folder: Path) -> dict[str, object]:
    """The tables and lines of the card that figures make."""
    speech = figures["speech"]
    by_machine = [part for part in speech if part["transcripts"] != "people"]
    machine = "".join(
        f"\n{part['hours']:g} hours of them have transcripts that no one checked: {part['transcripts']} wrote them."
        for part in by_machine
    )
    rows = []
    for part in figures["scores"]:
        scores = [json.loads((folder / part[decoding]).read_text("utf-8")) for decoding in ("greedy", "lm")]
        rows.append((part["domain"], part["set"], f"{scores[0]['reference_words']:,}", *map(rate, scores)))
    return {
        "scores": table(rows),
        "speech": table(
            [(p["name"], f"{p['hours']:g}", p["speakers"], p["transcripts"], p["licence"]) for p in speech]
        ),
        "hours": f"{sum(part['hours'] for part in speech):.1f}",
        "machine": machine or "\nPeople have written or read all transcripts.",
        "text": table([(part["name"], f"{part['words']:g}", part["licence"]) for part in figures["text"]]),
        "core_hours": figures["core_hours"],
        "hardware": figures["hardware"],
        "limits": "\n".join(f"- {line}" for line in figures["limits"]),
        "commands": "\n".join(f"    {line}" for line in figures["commands"]),
    }


def rate(score: dict[str, Any]) -> str:
    """A word error rate and its interval, in percent."""
    wer = score["wer"]
    return f"{100 * wer['value']:.1f} [{100 * wer['low']:.1f}, {100 * wer['high']:.1f}]"


def table(rows: list[tuple[object, ...]]) -> str:
    """Rows of a Markdown table."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


if __name__ == "__main__":
    main()

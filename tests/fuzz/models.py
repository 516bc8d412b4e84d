"""Targets: each file of a model folder; what stopped jobs and runs leave; options."""

import contextlib
import io
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from fuzz.mutation import of_archive, of_header, of_json
from fuzz.targets import Target
from support.runs import PLAIN, trainer
from support.tiny import RATE, noise, recogniser, sine

from asr.cli import COMMANDS, command_of
from asr.cli.parse import parse
from asr.decoding.commands import Rejection, save_rejection
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import TunedDecoding, save_tuned
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.rnn import RnnLm, RnnLmConfig, save_rnn_lm
from asr.progress import SILENT
from asr.recogniser.model_folder import save_model
from asr.recogniser.onnx_export import export
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer
from asr.training.audio import Examined
from asr.training.checkpoint import save_checkpoint
from asr.training.claim import claim
from asr.training.logbook import read_metrics
from asr.training.run import go_on
from asr.transcription import parts
from asr.transcription.confidence import Calibration, save_calibration
from asr.transcription.journal import Journal, partial_files
from asr.transcription.transcribe import Transcriber

SOUND = np.concatenate([sine(pitch, 0.1) for pitch in (300, 900, 2400, 600)]) + noise(RATE * 4 // 10, level=0.01)
SPEECH = ["a b ab", "ba", "abc cab a", "b c b", "ca ab"]


@cache
def model(*, subwords: bool = False) -> dict[str, bytes]:
    """The files of a model folder with all that may lie in one."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        units = TokenizerConfig("sentencepiece", 8)
        tokenizer = train_tokenizer(units, SPEECH) if subwords else CharacterTokenizer(" abc")
        made = recogniser(tokenizer, layers=2, seed=24)
        save_model(folder, made, readme="")
        export(made, folder, int8=True)
        save_calibration(folder, Calibration())
        save_rejection(folder, Rejection(-3.0, 1.0, 2, 10.0, ""))
        train_ngram(SPEECH * 3, NgramConfig(2)).write(folder / "lm.arpa")
        save_rnn_lm(folder / "rnn_lm", RnnLm(RnnLmConfig(layers=1, hidden=4, embedding=4), CharacterTokenizer(" abc")))
        save_model(folder / "second", recogniser(tokenizer, seed=1), readme="")
        save_tuned(folder, TunedDecoding(("lm.arpa", "rnn_lm"), DecodingConfig(beam=4), second=True))
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def part(
    name: str, engine: str = "torch", *, lm: bool = False, commands: bool = False, subwords: bool = False, **options
) -> Target:
    """A file of a model folder that somebody else has made; a recording is transcribed with it."""

    def valid(room: Path) -> list[bytes]:
        for other, content in model(subwords=subwords).items():
            (room / other).parent.mkdir(exist_ok=True)
            (room / other).write_bytes(content)
        return [model(subwords=subwords)[name]]

    def read(room: Path, data: bytes) -> None:
        (room / name).write_bytes(data)
        loaded = Transcriber.load(room, engine=engine, lm=lm, commands=["a b", "c"] if commands else None)
        loaded.transcribe(SOUND, RATE)

    shown = f" ({engine})" if name == "config.json" and engine != "torch" else ""
    return Target(f"model folder: {name}{shown}", valid, read, **options)


def journal(which: int) -> Target:
    """What a stopped job has left of a recording: its parts, and the state after some of them."""

    def job(room: Path) -> tuple[Transcriber, Path]:
        parts.EVERY = 8.0
        path = room / "sound.wav"
        if not path.exists():
            soundfile.write(path, np.tile(SOUND, 40), RATE)
        return Transcriber(recogniser(seed=24, chunk=1.0, lookahead=0.2), min_confidence=0.0), path

    def go_on(room: Path) -> None:
        transcriber, path = job(room)
        with Journal(room / "job", ["a"]) as kept:
            transcript = transcriber.transcribe_file(path, kept, follow=lambda segments: list(segments))
            if transcript.error is not None:
                raise transcript.error
            list(kept.segments)

    def valid(room: Path) -> list[bytes]:
        go_on(room)
        return [partial_files(room / "job")[which].read_bytes()]

    def read(room: Path, data: bytes) -> None:
        partial_files(room / "job")[which].write_bytes(data)
        go_on(room)

    name, mutate = (("parts", of_json), ("state", of_header))[which]
    return Target(f"journals: {name}", valid, read, mutate, words=(b'"end": ', b'"counts": ', b'"segments": '))


def checkpoint(room: Path) -> list[bytes]:
    save_checkpoint(room / "last.pt", trainer(PLAIN).state())
    return [(room / "last.pt").read_bytes()]


def resume(room: Path, data: bytes) -> None:
    """As a run goes on."""
    (room / "last.pt").write_bytes(data)
    go_on(trainer(PLAIN), room, SILENT)


def settings(room: Path) -> list[bytes]:
    path = room / "config.json"
    path.unlink(missing_ok=True)
    claim(room, PLAIN, "digest", 1, begun=False)
    return [path.read_bytes()]


def claimed(room: Path, data: bytes) -> None:
    (room / "config.json").write_bytes(data)
    claim(room, PLAIN, "digest", 1, begun=True)


OPTIONS = [
    "transcribe a.wav b --format srt json --out d --min-confidence 0.5 --jobs 2 --beam 8 --skip-existing",
    "train data --out runs/a --epochs 3 --acoustic.hidden 64 --bptt.mode chunked --optimiser.clip 1.0",
    "prepare folder --out d --source s --language cy --check header",
    "score ref.txt hyp.txt --by speaker duration --samples 10 --costs sclite --json",
    "serve --port 8080 --model d --queue 3 --max-size 5",
    "lm train a.txt b.txt --out lm.arpa --order 3 --rnn-shape.layers 2",
    "tune dev.jsonl.gz --model d --lm lm.arpa --beam 5",
    "evaluate test.jsonl.gz --model d --device cpu",
]


def command_line(_room: Path, data: bytes) -> None:
    """Options are read, and nothing is done."""
    name, *arguments = data.decode(errors="surrogateescape").replace("\0", "").split(" ")
    if name in COMMANDS:
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
            parse(command_of(name), f"asr {name}", arguments)


EXAMINED = '{"recording": ["a", 1, 2, 16000], "sound": "a.wav", "info": {"sample_rate": 8000, "num_samples": 9, "num_channels": 1}}'


def logged(room: Path, data: bytes) -> None:
    (room / "metrics.jsonl").write_bytes(data)
    [record["step"] + record.get("epoch", 0) for record in read_metrics(room / "metrics.jsonl")]


def examined(room: Path, data: bytes) -> None:
    (room / "examined.jsonl").write_bytes(data)
    Examined(room / "examined.jsonl", RATE).recall(Path("a"))


def _without_numbers(data: bytes) -> bytes:
    """Tensors of NaN."""
    begin = 8 + int.from_bytes(data[:8], "little")
    return data[:begin] + (b"\0\0\xc0\x7f" * len(data))[: len(data) - begin]


LIES = {
    "layers that no file holds": lambda data: data.replace(b'"layers": 2', b'"layers": 1000000000000'),
    "channels that no file holds": lambda data: data.replace(b'"channels": 2', b'"channels": 2000000000'),
    "units that no file holds": lambda data: data.replace(b'"hidden": 6', b'"hidden": 65536'),
    "a chunk of ages": lambda data: data.replace(b'"chunk": null', b'"chunk": 1e308'),
    "lists in lists": lambda data: b"[" * 100_000,
}

TARGETS = [
    part(
        "config.json",
        mutate=of_json,
        words=(b'"layers": ', b'"hidden": ', b'"chunk": ', b'"subsampling": 3'),
        mended=LIES,
    ),
    part("config.json", "onnx", mutate=of_json, mended=LIES),
    part(
        "model.safetensors",
        mutate=of_header,
        mended={
            "two numbers of the front end": lambda data: data.replace(b'"shape":[],', b'"shape":[1],', 1),
            "weights that are no numbers": _without_numbers,
        },
    ),
    part("characters.json", mutate=of_json, words=(b'"a"', b", ")),
    part("sentencepiece.model", subwords=True),
    part(
        "confidence.json",
        mutate=of_json,
        words=(b'"scale": ',),
        mended={"a sigmoid that overflows": lambda data: data.replace(b"1.0", b"1e300")},
    ),
    part(
        "decoding.json",
        mutate=of_json,
        lm=True,
        words=(b'"beam": ', b'"../lm.arpa"', b'"second": ', b'"lm": '),
        mended={
            "more tokens than 32 bits count": lambda data: data.replace(
                b'"top_tokens": 10', b'"top_tokens": 4294967296'
            ),
            "lists in lists": lambda data: b"[" * 100_000,
            "a model elsewhere": lambda data: data.replace(b"lm.arpa", b"../../lm.arpa"),
        },
    ),
    part("commands.json", mutate=of_json, commands=True, words=(b'"threshold": ',)),
    part("lm.arpa", lm=True, words=(b"\\data\\", b"\\1-grams:", b"\\end\\", b"ngram 1=", b"\t")),
    part("rnn_lm/config.json", mutate=of_json, lm=True, words=(b'"layers": ', b'"embedding": ', b'"hidden": ')),
    part("rnn_lm/model.safetensors", lm=True, mutate=of_header),
    part("second/config.json", mutate=of_json, lm=True, words=(b'"layers": ', b'"sample_rate": ')),
    part("second/model.safetensors", lm=True, mutate=of_header),
    part("model.onnx", "onnx", mended={"a loop": lambda data: data.replace(b"LogSoftmax", b"Loop      ")}),
    part("model.int8.onnx", "int8"),
    journal(0),
    journal(1),
    Target("checkpoints", checkpoint, resume, of_archive),
    Target("runs: config.json", settings, claimed, of_json, words=(b'"config": ', b'"workers": ')),
    Target(
        "runs: metrics.jsonl",
        lambda _room: [b'{"kind": "step", "step": 1}\n{"kind": "epoch", "step": 1, "epoch": 1}\n'],
        lambda room, data: logged(room, data),
    ),
    Target("runs: examined.jsonl", lambda _room: [EXAMINED.encode()], lambda room, data: examined(room, data)),
    Target(
        "options",
        lambda _room: [one.encode() for one in OPTIONS],
        command_line,
        words=(b" --", b" -", b"=", b" none", b" --help", b" nan", b" inf"),
    ),
]

"""Targets: transcripts, lists of recordings, grammars, language models and other files of text."""

import gzip
import json
import lzma
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import soundfile
from fuzz.mutation import inside, of_header, of_json
from fuzz.targets import Target
from support.tones import write_corpus

from asr.cli.align import read_text as read_given_text
from asr.cli.options import read_hotwords
from asr.corpora.prompted import read_prompts
from asr.data.batches import load_batches
from asr.data.cuts import load_cuts
from asr.data.prepare import prepare
from asr.decoding.commands import UNFITTED, Commands
from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.lm.arpa import read_ngram
from asr.lm.compact import MAGIC, write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.train import read_sentences
from asr.scoring.assess import ScoreOptions, assess, read_test_set
from asr.scoring.page import write_page
from asr.text.grammar import read_grammar
from asr.text.pronunciation import read_pronunciations
from asr.text.tokenizer import CharacterTokenizer

TEXTS = ["a b ab", "ba", "abc cab a", "b c b", "ca ab"]
TOKENIZER = CharacterTokenizer(" abc")
_LOG_PROBS = np.log(np.random.default_rng(0).dirichlet(np.ones(5), 40)).astype(np.float32)


def text(*contents: str) -> Callable[[Path], Sequence[bytes]]:
    return lambda _room: [content.encode() for content in contents]


def lines(form: str, *more: str) -> Callable[[Path], Sequence[bytes]]:
    """A line an utterance, of its number and text."""
    return text("".join(form.format(n=n, text=one, begin=n, end=n + 0.9) + "\n" for n, one in enumerate(TEXTS)), *more)


def score(ending: str, reference: str = "", **options) -> Callable[[Path, bytes], None]:
    """As `asr score` reads references, and what was recognised."""
    choice = ScoreOptions(samples=10, **options)

    def read(room: Path, data: bytes) -> None:
        path = room / f"texts{ending}"
        path.write_bytes(data)
        other = room / (reference or f"other{ending}")
        if not reference:
            other.write_bytes(data)
        elif not other.exists():
            other.write_text("".join(f"a 1 s {n} {n + 0.9} {one}\n" for n, one in enumerate(TEXTS)))
        references, systems = read_test_set(*((other, [path]) if reference else (path, [other])), costs=choice.costs)
        found = assess(references, systems, choice)
        json.dumps(found.to_json())
        write_page(room / "page.html", "title", found)

    return read


def source(name: str) -> Callable[[Path, bytes], None]:
    """As `asr prepare` reads a folder with a list in it."""

    def read(room: Path, data: bytes) -> None:
        folder = room / "corpus"
        if not folder.exists():
            folder.mkdir()
            for n in range(5):
                soundfile.write(folder / f"{n}.wav", np.sin(np.arange(4000) / (3 + n)), 8000)
            for other, content in KALDI.items():
                if name in KALDI:
                    (folder / other).write_text(content)
        (folder / name).write_bytes(data)
        prepare("folder", room / "prepared", source=folder, check="header")

    return read


KALDI = {
    "wav.scp": "".join(f"u{n} {n}.wav\n" for n in range(5)),
    "text": "".join(f"r{n} {one}\n" for n, one in enumerate(TEXTS)),
    "segments": "".join(f"r{n} u{n} 0.0 0.4\n" for n in range(5)),
    "utt2spk": "".join(f"r{n} s{n % 2}\n" for n in range(5)),
}


def manifest(room: Path) -> list[bytes]:
    """lhotse's cuts, a line each."""
    write_corpus(room, train=3, dev=1)
    return [gzip.decompress((room / "train.jsonl.gz").read_bytes())]


def read_manifest(room: Path, data: bytes, name: str = "cuts.jsonl") -> None:
    """As `asr evaluate` reads utterances and their audio."""
    path = room / name
    path.write_bytes(data)
    cuts = load_cuts(path)
    for _ in load_batches([[cut] for cut in cuts[:3]], TOKENIZER, sample_rate=16_000, loaders=0):
        pass


def reads(name: str, function: Callable[[Path], object]) -> Callable[[Path, bytes], None]:
    """A function that takes a file of that name."""

    def read(room: Path, data: bytes) -> None:
        path = room / name
        path.write_bytes(data)
        function(path)

    return read


def listen(path: Path) -> None:
    """As `--commands` uses a grammar."""
    Commands(TOKENIZER, read_grammar(path, most=500), UNFITTED)(_LOG_PROBS)


def favour(path: Path) -> None:
    """As `--hotwords` uses phrases."""
    decoder = Decoder(TOKENIZER, DecodingConfig(beam=5), hotwords=read_hotwords(path))
    decoder(_LOG_PROBS)


def decode(path: Path) -> None:
    """As `--lm` uses an n-gram model."""
    decoder = Decoder(TOKENIZER, DecodingConfig(beam=5), ngram=path)
    decoder(_LOG_PROBS)


def arpa(room: Path) -> list[bytes]:
    model = train_ngram(TEXTS * 3, NgramConfig(3))
    model.write(room / "seed.arpa")
    return [(room / "seed.arpa").read_bytes()]


def compact(room: Path) -> list[bytes]:
    write_compact(train_ngram(TEXTS * 3, NgramConfig(3)), room / "seed.ngram")
    return [(room / "seed.ngram").read_bytes()]


def packed(data: bytes) -> bytes:
    return MAGIC + lzma.compress(data, preset=0)


GRAMMAR = """# lists
room = a | b ab -> ab | {other}
other = c | ca
light: a {state: b | c} [ab] {room} a
b: (a | b) [c] {to: {room}} {other}
cab
"""
JSON = (
    '{{"id": "u{n}", "text": "{text}", "pred_text": "{text}", "duration": 0.9, "speaker": "s{n}", "supervisions": []}}'
)
NEMO = '{{"audio_filepath": "{n}.wav", "text": "{text}", "offset": 0.0, "duration": 0.4, "speaker": "s"}}'
FIELDS = (b'"duration": ', b'"start": ', b'"offset": ', b'"recording": ', b'"channel": ', b'"id": ')


OTHER_TYPES = {
    "an id that is an object": lambda data: re.sub(rb'"id": "train-00"', b'"id": {}', data),
    "a text that is a number": lambda data: re.sub(rb'"text": "[^"]*"', b'"text": 1.5', data),
    "a file that is a number": lambda data: re.sub(rb'"source": "[^"]*"', b'"source": 1', data),
    "a file that is a command": lambda data: data.replace(b'"type": "file"', b'"type": "command"'),
    "a week in one cut": lambda data: re.sub(rb'"duration": [0-9.]+', b'"duration": 604800', data),
}


def _nested_lists(depth: int, form: str) -> bytes:
    """Each list is made of the one before."""
    inner = "".join(f"list{n} = {form.format(n - 1)}\n" for n in range(1, depth))
    return f"list0 = a | b\n{inner}{{list{depth - 1}}}\n".encode()


def _with(name: str, values: list[int]) -> Callable[[bytes], bytes]:
    """A compact model with other numbers in one of its tensors."""

    def changed(data: bytes) -> bytes:
        tensors = safetensors.numpy.load(lzma.decompress(data[len(MAGIC) :]))
        planes = np.array(values, np.uint8)[:, None].repeat(tensors[name].shape[1], axis=1)
        return packed(safetensors.numpy.save(tensors | {name: planes}))

    return changed


def _of_one_word(data: bytes) -> bytes:
    """A compact model whose words are `<unk>` but for the marks of sentences."""
    tensors = safetensors.numpy.load(lzma.decompress(data[len(MAGIC) :]))
    words = tensors["vocabulary"].tobytes().decode().split("\n")
    changed = "\n".join(word if word in ("<s>", "</s>") else "<unk>" for word in words)
    return packed(safetensors.numpy.save(tensors | {"vocabulary": np.frombuffer(changed.encode(), np.uint8)}))


TARGETS = [
    Target("transcripts id text", lines("u{n} {text}"), score("")),
    Target("transcripts TRN", lines("{text} (u{n})"), score(".trn"), words=(b"(", b")", b";;")),
    Target("transcripts STM", lines("a 1 s {begin} {end} <o,f0> {text}"), score(".stm"), words=(b";;", b"<o>", b" 1 ")),
    Target(
        "transcripts CTM",
        lines("a 1 {begin} 0.3 a", "a 1 * * <ALT_BEGIN>\na 1 0 1 b\na 1 * * <ALT>\na 1 * * <ALT_END>\n"),
        score(".ctm", "ref.stm", costs="sclite"),
        words=(b"<ALT_BEGIN>", b"<ALT>", b"<ALT_END>", b"*"),
        mended={"a time beyond all": lambda _: b"a 1 1e308 1e308 a\n"},
    ),
    Target(
        "transcripts tables",
        text('id,text,speaker\nu0,a b,s\n"u1","c, ""d",t\n'),
        score(".csv"),
        words=(b'"', b",", b";", b"\t"),
        mended={"a file without a name": lambda _: b"path,text\n.,a\n/,b\n"},
    ),
    Target(
        "transcripts JSON",
        lines(JSON),
        score(".jsonl", by=("duration", "speaker")),
        mutate=of_json,
        words=FIELDS,
        mended={
            "a number that no float holds": lambda data: data.replace(b"0.9", b"1" + b"0" * 400),
            "half a character in a field": lambda data: data.replace(b'"s0"', b'"\\ud800"'),
        },
    ),
    Target(
        "transcripts with alternatives",
        lines("u{n} {text} {{a / {{b / @}} c}} (uh)"),
        score("", alternatives=True),
        words=(b"{ a / b } ", b"{", b"}", b"/", b"@", b"(a)"),
        mended={
            "readings that double forty times": lambda _: b"u0 {" + b"{a / b} " * 40 + b"/ c}\n",
            "thousands of ways to say nothing": lambda _: b"u0 a {a " + b"/ " * 5000 + b"} b\n",
            "thousands of alternatives": lambda _: (
                b"u0 " + 2 * (b"{" + b" / ".join(b"%d" % n for n in range(9000)) + b"} ")
            ),
            "braces in braces": lambda _: b"u0 " + b"{" * 3000 + b"a" + b"}" * 3000 + b"\n",
        },
    ),
    Target("tables TSV", lines("{n}.wav\t{text}"), source("list.tsv"), words=(b"\t", b"path", b"sentence", b"split")),
    Target(
        "tables CSV",
        text('path,sentence,speaker,split,confidence\n0.wav,a b,s,train,0.5\n1.wav,"b, c",t,,1\n2.wav,c,u,dev,\n'),
        source("list.csv"),
        words=(b'"', b",", b";", b"|", b"logprob", b"-1.5"),
        mended={"a file without a name": lambda data: data + b".,a,s,train,0.5\n/,b,s,train,0.5\n"},
    ),
    Target(
        "tables JSON",
        lines(NEMO),
        source("list.jsonl"),
        mutate=of_json,
        words=FIELDS,
        mended={
            "an offset that no float holds": lambda data: data.replace(b'"offset": 0.0', b'"offset": 1' + b"0" * 400),
            "half a character in a text": lambda data: data.replace(b'"text": "ba"', b'"text": "\\ud800"'),
        },
    ),
    *(
        Target(f"tables Kaldi's {name}", text(content), source(name), words=(b"|", b" -1", b"/"))
        for name, content in KALDI.items()
    ),
    Target("texts beside recordings", text("a b c\n"), source("0.txt")),
    Target("manifests", manifest, read_manifest, of_json, words=FIELDS, mended=OTHER_TYPES),
    Target(
        "manifests, gzipped",
        lambda room: [gzip.compress(one) for one in manifest(room)],
        lambda room, data: read_manifest(room, data, "cuts.jsonl.gz"),
        mutate=inside(gzip.decompress, gzip.compress),
    ),
    Target(
        "grammars",
        text(GRAMMAR),
        reads("commands", listen),
        words=(b"{room}", b"[", b"]", b" | ", b" -> ", b" = ", b": "),
        mended={
            "a count of more digits than Python prints": lambda _: b"(a | b) " * 20_000,
            "lists of lists that double": lambda _: _nested_lists(60, "{{list{0}}} {{list{0}}}"),
            "lists in lists": lambda _: _nested_lists(3000, "{{list{0}}}"),
            "phrases of many words": lambda _: b"(a | b | c) " * 8 + b"a " * 100_000,
            "a long line": lambda _: b"a [" + b"b " * 120_000 + b"]",
        },
    ),
    Target("hot words", text("a b\nab\t3.5\nc\t-2\n"), reads("hotwords", favour), words=(b"\t",)),
    Target("prompts", text("# note\na b c\n\nab\n"), reads("prompts", read_prompts)),
    Target(
        "texts of language models",
        text("a b <s> c [laughs]\n(b)\n"),
        reads("texts", lambda path: read_sentences([path], "basic")),
    ),
    Target("given texts", text("a b\nc\n"), reads("given.txt", lambda path: read_given_text(str(path)))),
    Target(
        "pronunciations",
        text(";;; note\nhand HH AE1 N D\nhand(1) HH AE\ncart K AA1 R T\n"),
        reads("lexicon", lambda path: read_pronunciations(path).encode("handcart hand")),
    ),
    Target(
        "ARPA files",
        arpa,
        reads("lm.arpa", decode),
        words=(b"\\data\\", b"\\1-grams:", b"\\end\\", b"ngram 1=", b"\t"),
        mended={
            "a message that ends amid a character": lambda data: data.replace(
                b"</s>\t0.0", b"</s>\t0" + "\ufeff".encode() * 50 + b".0", 1
            ),
            "more n-grams than the file holds": lambda data: data.replace(b"ngram 2=", b"ngram 2=9999999999"),
        },
    ),
    Target(
        "n-grams that learn words",
        arpa,
        reads("lm.arpa", read_ngram),
        words=(b"\\data\\", b"\\2-grams:", b"\\end\\", b"\t", b" nan", b" 1e999"),
    ),
    Target(
        "compact language models",
        compact,
        reads("lm.ngram", decode),
        mutate=inside(lambda data: lzma.decompress(data[len(MAGIC) :]), packed, of_header),
        mended={
            "histories with billions of words": _with("children.2", [255, 255, 255, 127]),
            "words that are not there": _with("words.2", [255, 255]),
            "numbers of nine bytes": _with("children.2", [1] * 9),
            "one word many times": _of_one_word,
        },
    ),
]

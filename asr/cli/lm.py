"""`asr lm`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from asr.cli.output import TerminalProgress
from asr.cli.parse import NO_PREFIX
from asr.decoding.tuned import tuned_models
from asr.errors import ConfigError, ModelError
from asr.lm.arpa import read_ngram
from asr.lm.estimate import NgramConfig
from asr.lm.rnn import RnnLmConfig, RnnTraining
from asr.lm.train import read_sentences, train_arpa, train_recurrent
from asr.recogniser.bundled import bundled_model
from asr.text.normalise import TextForm
from asr.text.tokenizer import TokenizerConfig, load_tokenizer
from asr.workers import choose_device

BUNDLED = "english"


@dataclass(frozen=True)
class Lm:
    """Train a language model: word n-grams (modified Kneser-Ney), or with --rnn a recurrent one."""

    action: Positional[Literal["train"]]
    """train."""
    texts: Annotated[Positional[tuple[Path, ...]], arg(metavar="TEXT ...")]
    """Text files, a sentence a line, or lhotse cut manifests, whose transcripts are taken."""
    out: Path
    """ARPA file, smaller if it is named .ngram; or folder of the recurrent model."""
    held_out: tuple[Path, ...] = ()
    """Texts to measure perplexity on. Without any, a twentieth of the text is left out and used."""
    text: TextForm = "basic"
    """Form of plain text files, as in `asr prepare`; manifests have theirs."""
    language: str | None = None
    """Their language's code: in Turkish (tr) the small letter of I is ı."""
    ngram: Annotated[NgramConfig, NO_PREFIX] = field(default_factory=NgramConfig)
    base: Path | None = None
    """An n-gram file or model folder to mix with the texts' n-grams; `english`: the package's."""
    tokens: Path | None = None
    """A model folder, for n-grams of its tokens (any spelling); characters take order 6."""
    rnn: bool = False
    """Train a recurrent model, by truncated BPTT over the running text."""
    shape: Annotated[RnnLmConfig, arg(name="rnn-shape")] = field(default_factory=RnnLmConfig)
    training: RnnTraining = field(default_factory=RnnTraining)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    device: Annotated[str, arg(help="cpu, cuda, or (auto) the better one that is there; for --rnn.")] = "auto"

    def run(self) -> None:
        if self.rnn and self.tokens is not None:
            raise ConfigError(
                "--tokens is for n-grams; a recurrent model has a tokenizer of its own, see --tokenizer.units"
            )
        if self.rnn and self.base is not None:
            raise ConfigError("--base is for n-grams; a recurrent model stands beside them, see asr tune --lm")
        sentences = read_sentences(self.texts, self.text, self.language)
        held_out = read_sentences(self.held_out, self.text, self.language) if self.held_out else None
        if self.rnn:
            result = train_recurrent(
                sentences,
                self.out,
                held_out,
                shape=self.shape,
                training=self.training,
                units=self.tokenizer,
                device=choose_device(self.device),
                progress=TerminalProgress(),
            )
        else:
            tokenizer = load_tokenizer(self.tokens) if self.tokens else None
            base = read_ngram(_ngrams(self.base)) if self.base else None
            result = train_arpa(sentences, self.out, held_out, config=self.ngram, tokenizer=tokenizer, base=base)
        for name, prediction in result.items():
            print(
                f"{name}: perplexity {prediction.perplexity:.2f} "
                f"({prediction.words} held-out words with sentence ends, {prediction.unknown} unknown)"
            )
        print(self.out)


def _ngrams(base: Path) -> Path:
    """The n-gram file that is meant."""
    if str(base) == BUNDLED and not base.exists():
        base = bundled_model()
    if not base.is_dir():
        return base
    found = [path for path in tuned_models(base)[0] if path.is_file()]
    if not found:
        raise ModelError(f"{base}: has no n-gram model; name another --base")
    return found[0]

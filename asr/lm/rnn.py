"""A recurrent language model (Mikolov et al. 2010) of characters or subwords, and its training.

Text is one endless stream: sentences follow one another, token 0 between them. Training lays it out
as strands that are read side by side, a segment at a time. The next segment begins with the state
at the end of the one before, but passes no gradient back to it (truncated BPTT, Williams & Peng
1990). So the model sees far behind a segment, while a step costs one segment.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.config import POSITIVE, SEED, at_least, between, check, from_dict, parse_json, require_weights, to_dict
from asr.errors import ConfigError, DataError, ModelError
from asr.files import atomic
from asr.lm.ngram import Prediction
from asr.model.bptt import State
from asr.model.recurrent import RecurrentLayer
from asr.model.shape import Cell, recurrent_weights
from asr.progress import SILENT, Progress, track
from asr.text.tokenizer import Tokenizer, TokenizerConfig, load_tokenizer, train_tokenizer

BOUNDARY = 0
"""The token before, between and after sentences; no text contains it."""
READ_AT_ONCE = 1024
"""Tokens of a text that are scored at once; a longer one goes on from the state that is reached."""


@dataclass(frozen=True)
class RnnLmConfig:
    """Shape of a recurrent language model; what its folder's `config.json` holds.

    Raises:
        ConfigError: if a value is not allowed.
    """

    cell: Cell = "lstm"
    layers: int = 1
    embedding: int = 128
    """Features of a token."""
    hidden: int = 384
    """Units of a layer."""
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check(
            self,
            "rnn",
            layers=at_least(1),
            embedding=at_least(1),
            hidden=at_least(1),
            dropout=between(0, 1, below=True),
        )

    def least_weights(self, tokens: int) -> int:
        """How many weights a model of so many tokens has at least."""
        around = (self.embedding + self.hidden) * tokens + self.embedding * self.hidden
        return recurrent_weights(self.cell, self.layers, self.hidden) + around


@dataclass(frozen=True)
class RnnTraining:
    """How a recurrent language model is trained.

    Raises:
        ConfigError: if a value is not allowed.
    """

    epochs: int = 4
    segment: int = 32
    """Tokens over which gradients reach back."""
    strands: int = 16
    """How many parts of the text are read side by side."""
    learning_rate: float = 4e-3
    """Highest; a quarter wave of cosine leads from there to zero."""
    clip: float = 1.0
    """Global norm of the gradient at most."""
    seed: int = 0

    def __post_init__(self) -> None:
        check(
            self,
            "training",
            epochs=at_least(1),
            segment=at_least(1),
            strands=at_least(1),
            learning_rate=POSITIVE,
            clip=POSITIVE,
            seed=SEED,
        )


class RnnLm(nn.Module):
    """ln p(next token | all tokens before it).

    Args:
        config: the shape.
        tokenizer: what the tokens mean.
    """

    def __init__(self, config: RnnLmConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.embedding = nn.Embedding(tokenizer.size, config.embedding)
        sizes = [config.embedding] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(
            RecurrentLayer(
                config.cell,
                size,
                config.hidden,
                bidirectional=False,
                merge="concat",
                layer_norm=True,
                dropout=config.dropout,
            )
            for size in sizes
        )
        self.output = nn.Linear(config.hidden, tokenizer.size)

    def forward(self, tokens: Tensor, states: Sequence[State] | None = None) -> tuple[Tensor, list[State]]:
        """Predict the next token after each one.

        Args:
            tokens: (B, T).
            states: of each layer, after what came before; None begins anew.

        Returns:
            (B, T, V) log-probs, and the states at the end, without gradient.
        """
        length = tokens.shape[1]
        lengths = torch.full((len(tokens),), length, device=tokens.device)
        frames = self.embedding(tokens)
        reached = []
        for layer, state in zip(self.layers, states or [None] * len(self.layers), strict=True):
            frames, state = layer.window(frames, lengths, length, state)  # type: ignore[operator]
            reached.append(state)
        return self.output(frames).log_softmax(dim=-1), reached

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    @torch.no_grad()
    def log_probs(self, texts: Sequence[str]) -> list[float]:
        """Score each text by itself: ln P(text and its end).

        Characters that the tokenizer does not have are left out. Long texts are read in parts, so
        that no more than `READ_AT_ONCE` tokens of each are in the network at once.
        """
        self.eval()
        spelt = [torch.tensor([BOUNDARY, *self.tokenizer.encode(text), BOUNDARY]) for text in texts]
        lengths = torch.tensor([len(tokens) - 1 for tokens in spelt])
        tokens = torch.nn.utils.rnn.pad_sequence(spelt, batch_first=True).to(self.device)
        states: list[State] | None = None
        parts = []
        for start in range(0, int(lengths.max()), READ_AT_ONCE):
            part = tokens[:, start : start + READ_AT_ONCE + 1]
            found, states = self(part[:, :-1], states)
            parts.append(found.gather(2, part[:, 1:, None]).squeeze(2).cpu())
        chosen = torch.cat(parts, dim=1)
        valid = torch.arange(chosen.shape[1]) < lengths[:, None]
        return chosen.double().masked_fill(~valid, 0.0).sum(dim=1).tolist()

    @torch.no_grad()
    def predict(self, sentences: Iterable[str], knows: Callable[[str], bool], *, running: bool = True) -> Prediction:
        """Measure a text word by word.

        A word's log-probability is that of its tokens, the separator before it included.

        Args:
            sentences: the text.
            knows: which words to count. The others are only read, and words that the tokens cannot
                spell are left out.
            running: whether a sentence is read after all those before it, or by itself.
        """
        self.eval()
        nats, words, unknown = 0.0, 0, 0
        stream: list[int] = [BOUNDARY]
        owners: list[int] = []  # of each token after the first: its word's number, or -1
        pieces: dict[str, list[int]] = {}
        for sentence in sentences:
            for position, word in enumerate(sentence.split()):
                text = f" {word}" if position else word
                if text not in pieces:
                    found = self.tokenizer.encode(text)
                    pieces[text] = found if self.tokenizer.decode(found) == word else []
                counted = bool(pieces[text]) and knows(word)
                words, unknown = words + counted, unknown + (not counted)
                stream += pieces[text]
                owners += [words if counted else -1] * len(pieces[text])
            words += 1
            stream.append(BOUNDARY)
            owners.append(words)
        if not running:
            ends = [place for place, token in enumerate(stream) if token == BOUNDARY]
            parts = list(pairwise(ends))
        else:
            parts = [(start, min(start + READ_AT_ONCE, len(owners))) for start in range(0, len(owners), READ_AT_ONCE)]
        states: list[State] | None = None
        for start, stop in parts:
            tokens = torch.tensor(stream[start : stop + 1], device=self.device)
            found, states = self(tokens[None, :-1], states if running else None)
            chosen = found[0].gather(1, tokens[1:, None]).squeeze(1).double().cpu()
            nats -= float(chosen[torch.tensor(owners[start:stop]) >= 0].sum())
        return Prediction(nats, words, unknown)


def train_rnn_lm(
    config: RnnLmConfig,
    training: RnnTraining,
    units: TokenizerConfig,
    sentences: Sequence[str],
    device: torch.device | None = None,
    progress: Progress = SILENT,
) -> RnnLm:
    """Train a model on a text, whose order is kept, and tell how each epoch went.

    The same text, settings and device give the same model.

    Raises:
        DataError: if the text is too short for so many strands.
        ConfigError: if the text is too small for so many subwords.
    """
    tokenizer = train_tokenizer(units, sentences)
    stream = torch.tensor([BOUNDARY, *(token for s in sentences for token in (*tokenizer.encode(s), BOUNDARY))])
    length = (len(stream) - 1) // training.strands
    if length < 1:
        raise DataError(f"the text has only {len(stream) - 1} tokens, fewer than --training.strands {training.strands}")
    inputs = stream[: training.strands * length].view(training.strands, length)
    targets = stream[1 : training.strands * length + 1].view(training.strands, length)
    torch.manual_seed(training.seed)
    model = RnnLm(config, tokenizer).to(device or torch.device("cpu"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    starts = range(0, length, training.segment)
    steps = training.epochs * len(starts)
    step = 0
    for epoch in range(training.epochs):
        model.train()
        states: list[State] | None = None
        total = 0.0
        for start in track(starts, f"epoch {epoch + 1}", len(starts), progress):
            segment = slice(start, min(start + training.segment, length))
            found, states = model(inputs[:, segment].to(model.device), states)
            wanted = targets[:, segment].to(model.device)
            loss = F.nll_loss(found.flatten(0, 1), wanted.flatten())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), training.clip)
            optimiser.param_groups[0]["lr"] = training.learning_rate * math.cos(math.pi / 2 * step / steps)
            optimiser.step()
            total += float(loss.detach()) * wanted.numel()
            step += 1
        bits = total / math.log(2) / targets.numel()
        progress.say(f"epoch {epoch + 1} of {training.epochs}: {bits:.3f} bits a token")
    return model.eval()


def save_rnn_lm(folder: Path, model: RnnLm) -> None:
    """Write a folder of `config.json`, `model.safetensors` and the tokenizer.

    Raises:
        AsrError: if it cannot be written.
    """
    with atomic(folder / "config.json") as path:
        path.write_text(json.dumps({"rnn_lm": to_dict(model.config)}, indent=2) + "\n", encoding="utf-8")
    model.tokenizer.save(folder)
    with atomic(folder / "model.safetensors") as path:
        path.write_bytes(safetensors.torch.save({name: t.contiguous().cpu() for name, t in model.state_dict().items()}))


def load_rnn_lm(folder: Path, device: torch.device | None = None) -> RnnLm:
    """Read what `save_rnn_lm` wrote.

    Raises:
        ModelError: if the folder is no language model's. Also if a part is missing, damaged or does
            not fit the others.
    """
    try:
        values = parse_json((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(values, dict) or "rnn_lm" not in values:
            raise ModelError(f"{folder}: not a recurrent language model's folder; `asr lm train --rnn` writes one")
        config = from_dict(RnnLmConfig, values["rnn_lm"], where=str(folder / "config.json"))
        tokenizer, weights = load_tokenizer(folder), folder / "model.safetensors"
        require_weights(weights, config.least_weights(tokenizer.size))
        model = RnnLm(config, tokenizer)
        model.load_state_dict(safetensors.torch.load_file(weights))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        ConfigError,
        safetensors.SafetensorError,
        RuntimeError,
    ) as error:
        reason = str(error).strip().split("\n")[-1].strip()
        raise ModelError(f"{folder}: this language model cannot be read ({reason}); train or copy it again") from None
    return model.to(device or torch.device("cpu")).eval()

"""Texts -> a language model, and its perplexity on text that it has not seen."""

from collections.abc import Sequence
from pathlib import Path

import torch

from asr.data.cuts import load_cuts
from asr.errors import ConfigError, DataError
from asr.files import read_text
from asr.lm.arpa import write_ngram
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.mix import best_share, mixed
from asr.lm.ngram import END, START, UNKNOWN, NgramModel, Prediction
from asr.lm.rnn import RnnLmConfig, RnnTraining, save_rnn_lm, train_rnn_lm
from asr.progress import SILENT, Progress
from asr.text.normalise import TextForm, normalise
from asr.text.remarks import without_remarks
from asr.text.tokenizer import Tokenizer, TokenizerConfig

READABLE_ORDERS = range(2, 7)
"""Of n-gram models: what KenLM reads, as flashlight-text has it."""
LEAST_SHARE = 0.01
"""Of either model in a mixture, so that it knows the words of both."""
HELD_OUT = 20
"""One sentence in so many is held out, where the user has no text for that."""


def read_sentences(paths: Sequence[Path], form: TextForm, language: str | None = None) -> list[str]:
    """Read sentences in their order.

    They are the lines of text files, normalised, or the transcripts of cut manifests. Remarks are
    left out of lines, and in verbatim text `<s>`, `</s>` and `<unk>`.

    Args:
        paths: text files, or manifests whose names end in .jsonl or .jsonl.gz.
        form: the form of normalised text.
        language: of the text files, as in `normalise`.

    Raises:
        DataError: if a file cannot be read, or holds no sentence.
    """
    sentences = []
    for path in paths:
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            found = [cut.text for cut in load_cuts(path)]
        else:
            found = [normalise(_spoken(line, form), form, language) for line in read_text(path).splitlines()]
        found = [sentence for sentence in found if sentence]
        if not found:
            raise DataError(f"{path}: holds no text")
        sentences += found
    if not sentences:
        raise DataError("no text was named to train a language model on")
    return sentences


def _spoken(line: str, form: TextForm) -> str:
    """Leave out what no language model should take for a word."""
    if form == "basic":
        return without_remarks(line)[0]
    return " ".join(word for word in line.split() if word.lower() not in (START, END, UNKNOWN))


def train_arpa(
    sentences: Sequence[str],
    out: Path,
    held_out: Sequence[str] | None,
    *,
    config: NgramConfig,
    tokenizer: Tokenizer | None = None,
    base: NgramModel | None = None,
) -> dict[str, Prediction]:
    """Write a model of all the sentences: ARPA text, or the compact form if it is named .ngram.

    Args:
        sentences: the text.
        out: the file.
        held_out: another text to predict. Without it, a model of the other sentences first predicts
            every twentieth one.
        config: what the model keeps of it.
        tokenizer: whose tokens are counted in place of words.
        base: a model to mix with that of the sentences, in the shares that predict best what was
            held out.

    Returns:
        How well what was predicted, by name; empty if there was too little text to hold some out.

    Raises:
        ConfigError: if no decoder could read a model of that order.
        DataError: if there is a base, and nothing to find the shares by.
        AsrError: if the file cannot be written.
    """
    if config.order not in READABLE_ORDERS:
        raise ConfigError(
            f"--order {config.order} is not allowed: KenLM, which decoders read models by, takes "
            f"{READABLE_ORDERS[0]} to {READABLE_ORDERS[-1]}; 3 is usual for words, 6 for characters"
        )
    train, unseen = _split(sentences, held_out)
    if base is not None and not unseen:
        raise DataError("too little text to find shares of a mixture by; name some with --held-out")
    if tokenizer is not None:
        train, unseen, sentences = (spelt(part, tokenizer) for part in (train, unseen, sentences))
    results, share = {}, 0.0
    if unseen:
        model = train_ngram(train, config)
        results[f"{config.order}-gram of {'words' if tokenizer is None else 'tokens'}"] = model.predict(unseen)
        if base is not None:
            share = min(max(best_share(base, model, unseen), LEAST_SHARE), 1 - LEAST_SHARE)
            both = mixed(base, model, share)
            results["base"], results[f"{100 * share:.0f} % the texts"] = (m.predict(unseen) for m in (base, both))
    model = model if held_out is not None else train_ngram(sentences, config)
    if base is not None:
        model = both if held_out is not None else mixed(base, model, share)
    write_ngram(model, out)
    return results


def train_recurrent(
    sentences: Sequence[str],
    out: Path,
    held_out: Sequence[str] | None,
    *,
    shape: RnnLmConfig,
    training: RnnTraining,
    units: TokenizerConfig,
    device: torch.device,
    progress: Progress = SILENT,
) -> dict[str, Prediction]:
    """Write the folder of a recurrent model.

    Args:
        sentences: the text.
        out: the folder.
        held_out: another text to predict; without it, the model does not learn every twentieth
            sentence, but predicts it.
        shape: of the model.
        training: how it is trained.
        units: its tokens.
        device: where it is trained.
        progress: is told how far training is.

    Returns:
        How well it predicts held-out words, and how well a trigram model of the same text does.
        Only words that both know count.

    Raises:
        DataError, ConfigError: as `train_rnn_lm`.
        AsrError: if the folder cannot be written.
    """
    train, unseen = _split(sentences, held_out)
    model = train_rnn_lm(shape, training, units, train, device, progress)
    save_rnn_lm(out, model)
    if not unseen:
        return {}
    known = {word for sentence in train for word in sentence.split()}
    trigrams: NgramModel = train_ngram(train, NgramConfig(3))
    return {
        "recurrent, running text": model.predict(unseen, known.__contains__),
        "recurrent, sentences alone": model.predict(unseen, known.__contains__, running=False),
        "3-gram of words": trigrams.predict(unseen),
    }


def _split(sentences: Sequence[str], held_out: Sequence[str] | None) -> tuple[Sequence[str], Sequence[str]]:
    """Part a text into what is learnt and what is predicted."""
    if held_out is not None:
        return sentences, held_out
    last = HELD_OUT - 1
    return [s for i, s in enumerate(sentences) if i % HELD_OUT != last], sentences[last::HELD_OUT]


def spelt(sentences: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """Write sentences as tokens, with white space between them."""
    pieces = tokenizer.pieces
    return [" ".join(pieces[token - 1] for token in tokenizer.encode(sentence)) for sentence in sentences]

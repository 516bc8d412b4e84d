"""Commands: the phrase that was said, exactly scored; changed while they are in use; fitted."""

import math

import pytest
import torch
from support.lattices import lattice

from asr.config import read_settings
from asr.decoding.commands import CANDIDATES, UNFITTED, Commands, Rejection, load_commands, save_rejection
from asr.decoding.likelihood import log_likelihoods
from asr.errors import ConfigError, DataError, ModelError
from asr.text.grammar import parse_grammar
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer

LETTERS = CharacterTokenizer(" abcdefghijklmnopqrstuvwxyz")
TEXTS = ["turn on the kitchen light", "turn off the hall light", "go to sleep", "stop at once"]
SUBWORDS = train_tokenizer(TokenizerConfig(units="sentencepiece", size=24), TEXTS)
WORDS = train_tokenizer(TokenizerConfig(units="words"), TEXTS)
GRAMMAR = parse_grammar(
    "light: turn {state: on | off} the {room: kitchen | hall} light\nsleep: go to sleep\nstop at once"
)


def said(text, tokenizer, *, sure=0.9):
    """Log-probs in which each token has a frame of its own, between blanks."""
    tokens = tokenizer.encode(text)
    probs = torch.full((2 * len(tokens) + 1, tokenizer.size), (1 - sure) / (tokenizer.size - 1))
    probs[::2, 0] = sure
    probs[range(1, len(probs), 2), tokens] = sure
    return probs.log()


@pytest.mark.parametrize("tokenizer", [LETTERS, SUBWORDS, WORDS], ids=["characters", "subwords", "words"])
@pytest.mark.parametrize("phrase", GRAMMAR, ids=lambda phrase: phrase.text)
def test_what_was_said_is_found_with_its_exact_score(tokenizer, phrase):
    log_probs = said(phrase.text, tokenizer)
    best, *others = Commands(tokenizer, GRAMMAR)(log_probs)
    assert best.phrase == phrase and [word for word, _ in best.spelling.words] == phrase.text.split()
    tokens = tokenizer.encode(phrase.text)
    assert best.spelling.tokens == tuple(tokens)
    (exact,) = log_likelihoods(log_probs, [tokens])
    assert best.log_prob == pytest.approx(exact, abs=1e-6)
    assert best.score == pytest.approx(exact / len(tokens), abs=1e-6)
    assert [best.score, *(o.score for o in others)] == sorted([best.score, *(o.score for o in others)], reverse=True)


@pytest.mark.parametrize("tokenizer", [LETTERS, SUBWORDS, WORDS], ids=["characters", "subwords", "words"])
def test_a_command_is_accepted_and_another_sentence_is_not(tokenizer):
    commands = Commands(tokenizer, GRAMMAR)
    (best, *_) = commands(said("turn on the hall light", tokenizer))
    assert commands.accepts(best)
    assert not any(commands.accepts(found) for found in commands(said("stop the kitchen", tokenizer)))


def test_a_score_is_a_log_likelihood_ratio_against_everything_else():
    """All sequences together have probability 1, so no score exceeds 0, however many phrases."""
    phrases = parse_grammar("(a | b | c | a b | b a | c a | a b c)")
    found = Commands(CharacterTokenizer(" abc"), phrases)(lattice(5, 5, seed=1))
    assert len(found) == 7 and sum(math.exp(one.log_prob) for one in found) < 1
    assert (
        len(Commands(LETTERS, parse_grammar(f"({' | '.join('abcdefghijklmnop')})"))(said("a", LETTERS))) == CANDIDATES
    )


def test_no_frame_is_no_command():
    assert Commands(LETTERS, GRAMMAR)(torch.zeros(0, LETTERS.size)) == []


def test_phrases_change_while_they_are_in_use():
    """Whoever holds the commands listens for the new ones; a mistake leaves the old ones."""
    commands = Commands(LETTERS, GRAMMAR)
    before, log_probs = commands.digest, said("open the window", LETTERS)
    assert not commands.accepts(commands(log_probs)[0])
    commands.change(parse_grammar("{verb: open | close} the window"))
    assert commands.accepts(commands(log_probs)[0]) and commands(log_probs)[0].phrase.slots == (("verb", "open"),)
    after = commands.digest
    with pytest.raises(ConfigError, match="no tokens for 'öffne'"):
        commands.change(parse_grammar("öffne the window"))
    assert commands.digest == after != before


def test_capitals_and_points_are_spelt_as_the_tokens_can():
    (best, *_) = Commands(LETTERS, parse_grammar("Go to Sleep, please!"))(said("go to sleep please", LETTERS))
    assert best.phrase.text == "Go to Sleep, please!" and best.score > -1


def test_what_sounds_alike_must_mean_the_same():
    with pytest.raises(ConfigError, match=r"'go' \(x 1 of a\) and 'Go' \(x 2 of a\) are said alike"):
        Commands(LETTERS, parse_grammar("a: {x: go -> 1 | Go -> 2}"))
    assert len(Commands(LETTERS, parse_grammar("(go | Go) now")).phrases) == 1
    with pytest.raises(ConfigError, match="no command"):
        Commands(LETTERS, [])


def test_a_text_is_found_if_it_is_a_command():
    commands = Commands(LETTERS, GRAMMAR)
    assert commands.find("Stop at once.") == GRAMMAR[-1]
    assert commands.find("stop") is None and commands.find("größe") is None and commands.find("") is None


def test_the_threshold_lies_in_the_models_folder(tmp_path):
    assert load_commands(["go"], tmp_path, LETTERS).rejection == UNFITTED
    fitted = Rejection(-0.5, 2.0, 1, 3600.0, "x")
    save_rejection(tmp_path, fitted)
    (tmp_path / "c.txt").write_text("go\n")
    for grammar in (tmp_path / "c.txt", str(tmp_path / "c.txt"), ["go"]):
        assert load_commands(grammar, tmp_path, LETTERS).rejection == fitted
    assert read_settings(Rejection, tmp_path / "commands.json", remedy="") == fitted
    (tmp_path / "commands.json").write_text("{")
    with pytest.raises(ModelError, match="asr calibrate --commands"):
        load_commands(["go"], tmp_path, LETTERS)
    with pytest.raises(DataError, match="cannot be read"):
        load_commands(tmp_path / "none.txt", tmp_path, LETTERS)

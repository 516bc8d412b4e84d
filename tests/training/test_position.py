"""What an epoch counts for, and when patience ends."""

import pytest

from asr.training.goal import Judgement
from asr.training.position import Position

BLANK = (1.0, 1.0)


def stale_after(*epochs: tuple[float, ...], loss: float = 1.0) -> list[int]:
    """Stale epochs after each of some epochs with these errors.

    In an epoch (1, 1) nothing is decoded.
    """
    position, found = Position(), []
    for number, errors in enumerate(epochs):
        judgement = Judgement(errors, loss - 1e-3 * number, {}, "", silent=errors == BLANK, untaught=errors[0] >= 1)
        position.judge(judgement)
        position.begin_epoch()
        found.append(position.stale)
    return found


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        ([BLANK] * 5, [0, 0, 0, 0, 0]),
        ([BLANK, BLANK, (0.9, 0.9), (0.9, 0.8), (0.9, 0.8)], [0, 0, 0, 0, 1]),
        ([(0.5, 0.2), (0.5, 0.1), (0.6, 0.05), (0.4, 0.3)], [0, 0, 1, 0]),
        ([(0.97, 0.9), BLANK, BLANK], [0, 0, 0]),
        ([(1.0, 1.4), BLANK, BLANK], [0, 0, 0]),
    ],
    ids=[
        "nothing decoded yet",
        "letters before words",
        "characters count between equal words",
        "a word by chance",
        "babble",
    ],
)
def test_patience_counts_epochs_whose_errors_do_not_fall_once_something_is_decoded(epochs, expected):
    """The loss falls in each of them, by hairs."""
    assert stale_after(*epochs) == expected


def test_while_no_word_is_right_the_loss_decides_and_patience_waits_for_it():
    """Dev of a small corpus at 100 %: epochs 2 and 4 have less loss, 3 and 5 to 7 do not."""
    position, better, stale = Position(), [], []
    for loss in (3.0, 2.5, 2.6, 2.4, 2.4, 2.5, 2.6):
        better.append(position.judge(Judgement((1.0,), loss, {}, "", untaught=True)))
        position.begin_epoch()
        stale.append(position.stale)
    assert better == [True, True, False, True, False, False, False]
    assert stale == [0, 0, 1, 0, 1, 2, 3]
    assert position.judge(Judgement((0.9, 0.9), 9.0, {}, "")), "a word that is right is better than any loss"
    assert position.stale == 0


def test_the_best_epoch_has_the_fewest_errors_and_among_equals_the_least_loss():
    position = Position()
    better = []
    for errors, loss in (((0.5, 0.2), 2.0), ((0.5, 0.2), 1.9), ((0.5, 0.3), 0.1), ((0.4, 0.9), 5.0), ((0.4, 0.9), 5.0)):
        better.append(position.judge(Judgement(errors, loss, {}, "")))
        position.begin_epoch()
    assert better == [True, True, False, True, False]
    assert position.best_epoch == 4


def test_an_epoch_of_skipped_steps_has_no_loss():
    position = Position(steps=3, skipped=3)
    assert position.mean_loss is None
    assert Position(steps=3, skipped=2, loss=6.0, tokens=4).mean_loss == 1.5


def test_a_model_that_loses_its_words_and_its_loss_is_out_of_patience():
    position = Position()
    for number, (errors, loss) in enumerate([((0.5, 0.2), 1.0), ((1.0,), 1.2), ((1.0,), 1.1)]):
        position.judge(Judgement(errors, loss, {}, "", untaught=errors[0] >= 1))
        position.begin_epoch()
        assert position.stale == number


def test_patience_waits_while_the_loss_clearly_falls():
    position, stale = Position(), []
    for loss in (1.0, 0.9, 0.895, 0.8, 0.795, 0.79):
        position.judge(Judgement((0.5, 0.2) if loss == 1.0 else (0.6, 0.2), loss, {}, ""))
        position.begin_epoch()
        stale.append(position.stale)
    assert stale == [0, 0, 1, 0, 1, 2]

"""What crosses between ranks arrives whole and in order, and an end of one is an end of all."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from support.ranks import together

from asr.errors import DataError
from asr.ranks import ALONE, Ranks
from asr.workers import sum_in_pairs


def values(number: int) -> list[torch.Tensor]:
    """What a rank has: sizes that no number of ranks divides, values whose sums are rounded."""
    draw = torch.Generator().manual_seed(number)
    return [torch.randn(size, generator=draw) for size in ((7, 3), (1,), (5,))]


@pytest.mark.parametrize("count", [2, 3])
def test_what_crosses_arrives_in_the_order_of_ranks(count: int, tmp_path: Path):
    def work(ranks: Ranks) -> None:
        tensors = values(ranks.number)
        ranks.add_up(tensors)
        expected = sum_in_pairs([values(number) for number in range(count)])
        assert all(map(torch.equal, tensors, expected)), "other bits"
        assert ranks.gather(ranks.number) == list(range(count))
        for size in range(8):
            items = list(range(size))
            assert ranks.collect([str(item) for item in ranks.deal(items)]) == list(map(str, items))
        called = ranks.once(lambda: (os.getpid(), torch.ones(2)))
        assert (called[0] == os.getpid()) == ranks.first and called[1].tolist() == [1, 1]
        print("done", file=__import__("sys").stderr)

    assert together(count, work, tmp_path) == [(0, "done\n")] * count


def test_a_process_alone_is_all_ranks():
    tensors = values(0)
    ALONE.add_up(tensors)
    assert all(map(torch.equal, tensors, values(0)))
    assert ALONE.gather(5) == [5] and ALONE.once(lambda: 6) == 6
    assert ALONE.collect(ALONE.deal([1, 2, 3])) == [1, 2, 3] and ALONE.first and ALONE.speaks()


@pytest.mark.parametrize("faulty", [0, 1])
def test_an_error_of_one_rank_is_told_once_and_ends_all(faulty: int, tmp_path: Path):
    def work(ranks: Ranks) -> None:
        ranks.gather(None)
        if ranks.number == faulty:
            raise DataError("a.wav: cannot be read")
        ranks.gather(None)

    found = together(2, work, tmp_path)
    assert [code for code, _ in found] == [1, 1]
    assert [said for _, said in found] == ["asr: a.wav: cannot be read\n" if n == faulty else "" for n in range(2)]


def test_an_error_that_all_meet_is_told_once(tmp_path: Path):
    def work(ranks: Ranks) -> None:
        ranks.gather(None)
        raise DataError("a.wav: cannot be read")

    found = together(3, work, tmp_path)
    assert [code for code, _ in found] == [1, 1, 1]
    assert "".join(said for _, said in found) == "asr: a.wav: cannot be read\n"


def test_an_error_before_a_meeting_ends_those_that_wait_for_it(tmp_path: Path):
    def work(ranks: Ranks) -> None:
        def fail() -> None:
            raise DataError("a.wav: cannot be read")

        ranks.once(fail)

    found = together(2, work, tmp_path)
    assert [code for code, _ in found] == [1, 1]
    assert found[0][1] == "asr: a.wav: cannot be read\n"


def test_a_killed_rank_is_told_of_once(tmp_path: Path):
    def work(ranks: Ranks) -> None:
        ranks.gather(None)
        if ranks.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        ranks.gather(None)

    found = together(3, work, tmp_path)
    assert [code for code, _ in found] == [1, -signal.SIGKILL, 1]
    said = "".join(said for _, said in found)
    assert said.count("\n") == 1 and "another process of this run has ended" in said


def test_a_rank_that_does_not_answer_is_given_up(tmp_path: Path):
    def work(ranks: Ranks) -> None:
        ranks.gather(None)
        if ranks.number == 1:
            time.sleep(3)
        ranks.gather(None)

    found = together(2, work, tmp_path, TIMEOUT=1.0)
    assert [code for code, _ in found] == [1, 1]
    said = "".join(said for _, said in found)
    assert said.count("\n") == 1 and "did not answer for 1 seconds" in said


@pytest.mark.parametrize(
    ("threads", "says"),
    [(3, "lower --nproc-per-node or --threads"), (2, None), (1, "raise --nproc-per-node or --threads")],
)
def test_threads_that_do_not_fit_the_cores_are_told(threads: int, says: str | None, monkeypatch):
    monkeypatch.setattr("asr.ranks.num_cores", lambda: 4)
    line = Ranks(0, 2, neighbours=2).misfit(threads, "--threads")
    assert (line is None) if says is None else (line is not None and line.endswith(says))
    assert Ranks().misfit(threads, "--threads") is None

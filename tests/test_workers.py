"""Workers share the work without changing what is computed."""

import os
import signal
import threading
import time

import pytest
import torch

from asr import workers
from asr.errors import AsrError, ConfigError, DataError
from asr.workers import Workers, choose_device, core_quota, map_ahead, num_cores, num_workers

CPU = torch.device("cpu")


def test_results_keep_the_shares_order_whoever_finishes_first():
    def slow_first(worker, pause):
        time.sleep(pause)
        return worker, pause

    assert Workers(slow_first, CPU, 3).run([0.05, 0, 0.03]) == [(0, 0.05), (1, 0), (2, 0.03)]


def test_each_worker_is_a_process_and_this_one_is_the_first():
    workers = Workers(lambda worker, share: os.getpid(), CPU, 3)
    processes = workers.run([None] * 3)
    assert processes[0] == os.getpid()
    assert len(set(processes)) == 3
    assert workers.run([None] * 3) == processes


def test_workers_follow_tensors_in_shared_memory():
    shared = torch.zeros(2)
    shared.share_memory_()
    workers = Workers(lambda worker, share: shared.add_(share).tolist()[worker], CPU, 2)
    shared[1] = 5.0
    assert sum(workers.run([1.0, 2.0])) > 5
    assert shared.tolist() == [3.0, 8.0]


def test_tensors_are_handed_over_by_value():
    workers = Workers(lambda worker, share: share * 2, CPU, 2)
    shares = [torch.arange(6.0).reshape(2, 3).T, torch.arange(100.0)[::7]]
    for share, result in zip(shares, workers.run(shares), strict=True):
        assert torch.equal(result, share * 2)


def test_kernels_use_one_thread():
    assert Workers(lambda worker, share: torch.get_num_threads(), CPU, 2).run([None, None]) == [1, 1]
    assert torch.get_num_threads() == 1


def test_an_accelerator_is_driven_by_this_process_alone():
    cuda = torch.device("cuda")  # names a device, touches none
    assert num_workers(cuda, 4) == 1
    assert Workers(lambda worker, share: (os.getpid(), share), cuda, 1).run([7]) == [(os.getpid(), 7)]


def test_by_default_a_cpu_has_a_worker_a_core():
    assert num_workers(CPU, None) >= 1
    assert num_workers(CPU, 5) == 5


@pytest.mark.parametrize("faulty", [0, 1])
def test_a_workers_error_reaches_the_caller_and_leaves_it_at_work(faulty):
    workers = Workers(lambda worker, share: 1 / share, CPU, 2)
    with pytest.raises(ZeroDivisionError):
        workers.run([0 if worker == faulty else 1 for worker in range(2)])
    assert workers.run([1, 2]) == [1, 0.5]


def test_a_worker_that_was_killed_is_a_clear_error():
    def die(worker, share):
        if worker == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(AsrError, match="a worker process died"):
        Workers(die, CPU, 2).run([None, None])


def test_forked_workers_end_when_they_are_let_go():
    workers = Workers(lambda worker, share: os.getpid(), CPU, 3)
    children = workers.run([None] * 3)[1:]
    workers.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(_runs(child) for child in children):
        time.sleep(0.01)
    assert not any(_runs(child) for child in children)


def _runs(process):
    """Whether a child still runs; one that has ended may have been reaped already."""
    try:
        return os.waitpid(process, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def test_a_device_that_is_not_there_is_named():
    assert choose_device("cpu") == CPU
    with pytest.raises(ConfigError, match="there is no device abacus here"):
        choose_device("abacus")


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_is_mapped_ahead_comes_in_order_and_is_not_taken_long_before(jobs):
    taken, running, most = [], set(), []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    def square(number):
        running.add(number)
        most.append(len(running))
        time.sleep(0.002 * (number % 3))
        running.discard(number)
        return number * number

    for number, found in enumerate(map_ahead(square, items(), jobs)):
        assert found == number * number
        assert len(taken) <= number + 2 + jobs
    assert number == 19 and max(most) <= jobs


def test_an_error_of_one_item_ends_the_others():
    def fails(number):
        if number == 2:
            raise ValueError("two")
        return number

    found = map_ahead(fails, range(100), 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(found)


def test_the_next_items_are_worked_on_while_the_last_one_is_used():
    begun, second = [], threading.Event()

    def negative(number):
        begun.append(number)
        if number == 1:
            second.set()
        return -number

    found = map_ahead(negative, range(4), 1, ahead=2)
    assert next(found) == 0 and second.wait(10)
    assert list(found) == [-1, -2, -3] and begun == [0, 1, 2, 3]
    assert list(map_ahead(negative, [], 1, ahead=2)) == []


@pytest.mark.parametrize(("jobs", "ahead"), [(1, None), (1, 1), (1, 9), (3, None), (3, 9)])
def test_what_was_taken_before_an_item_fails_is_given(jobs, ahead):
    def items():
        yield from (1, 2)
        raise DataError("three")

    found = map_ahead(str, items(), jobs, ahead=ahead)
    assert [next(found), next(found)] == ["1", "2"]
    with pytest.raises(DataError, match="three"):
        next(found)


def test_only_a_few_are_called_after_one_failed_or_the_caller_left():
    called = []

    def fails(number):
        called.append(number)
        if number == 1:
            raise ValueError("one")
        return number

    found = map_ahead(fails, range(100), 1, ahead=4)
    assert next(found) == 0
    with pytest.raises(ValueError, match="one"):
        next(found)
    assert called == list(range(len(called))) and len(called) <= 6
    called.clear()
    found = map_ahead(called.append, range(100), 1, ahead=4)
    next(found)
    found.close()
    assert len(called) <= 6


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups, of the process in /box/inner."""

    def make(own="0::/box/inner\n", **files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "groups" / name.replace("__", "/").replace("_", ".", 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(workers, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(workers, "OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return make


def test_without_a_limit_all_cores_are_used(groups):
    assert (core_quota(), num_cores()) == (None, 8)
    groups(box__inner__cpu_max="max 100000\n")
    assert (core_quota(), num_cores()) == (None, 8)


def test_the_smallest_quota_around_a_process_counts(groups):
    groups(box__inner__cpu_max="400000 100000\n", box__cpu_max="150000 100000\n", cpu_max="max 100000\n")
    assert (core_quota(), num_cores()) == (1.5, 2)
    groups(box__cpu_max="1600000 100000\n", box__inner__cpu_max="20000 100000\n")
    assert (core_quota(), num_cores()) == (0.2, 1)


def test_a_quota_of_the_first_version_of_control_groups(groups, tmp_path):
    groups(own="1:cpu:/\n")
    (tmp_path / "groups" / "cpu").mkdir(parents=True)
    for name, text in (("cpu.cfs_quota_us", "300000\n"), ("cpu.cfs_period_us", "100000\n")):
        (tmp_path / "groups" / "cpu" / name).write_text(text)
    assert (core_quota(), num_cores()) == (3.0, 3)
    (tmp_path / "groups" / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert (core_quota(), num_cores()) == (None, 8)

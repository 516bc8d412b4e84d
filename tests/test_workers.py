"""Workers share a batch without changing what is computed."""

import threading
import time

import pytest
import torch

from asr.workers import Workers

CPU = torch.device("cpu")


def test_results_keep_the_items_order_whoever_finishes_first():
    def slow_first(item, pause):
        time.sleep(pause)
        return item

    assert Workers(CPU, 3).map(slow_first, range(6), [0.05, 0, 0.03, 0, 0.01, 0]) == list(range(6))


def test_as_many_items_as_workers_run_at_once():
    """Each waits for all the others: fewer threads would break the barrier."""
    barrier = threading.Barrier(3, timeout=10)
    assert sorted(Workers(CPU, 3).map(lambda _: barrier.wait(), range(3))) == [0, 1, 2]


def test_kernels_use_one_thread():
    workers = Workers(CPU, 2)
    assert workers.map(lambda _: torch.get_num_threads(), range(4)) == [1] * 4
    assert torch.get_num_threads() == 1


def test_an_accelerator_is_driven_by_the_calling_thread_alone():
    workers = Workers(torch.device("cuda"), 4)  # names a device, touches none
    assert workers.count == 1
    assert workers.map(lambda a, b: (a + b, threading.current_thread()), [1, 2], [10, 20]) == [
        (11, threading.current_thread()),
        (22, threading.current_thread()),
    ]


def test_by_default_a_cpu_has_a_worker_a_core():
    assert Workers(CPU).count >= 1
    assert Workers(CPU, 5).count == 5


@pytest.mark.parametrize("device", [CPU, torch.device("cuda")], ids=str)
def test_a_workers_error_reaches_the_caller(device):
    with pytest.raises(ZeroDivisionError):
        Workers(device, 2).map(lambda item: 1 / item, [1, 0, 1])

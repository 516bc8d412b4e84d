"""What crashes or hangs in a sandbox process is told in a line, and the next call works."""

import os

import pytest
from support import dying

from asr.checkup.packages import import_package
from asr.checkup.sandbox import Sandbox, SandboxError


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


def test_calls_go_to_one_other_process_that_prints_nothing(sandbox, capfd):
    first, second = (sandbox.call(dying.say, word, limit=60).split() for word in ("one", "two"))
    assert (first[0], second[0]) == ("one", "two")
    assert first[1] == second[1] != str(os.getpid())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (dying.die, (), "died of SIGKILL; perhaps for want of memory"),
        (dying.leave, (), "ended with code 3"),
        (dying.refuse, ("ann",), ".../a.wav: is not audio"),
        (dying.stumble, (), "ValueError: the first line"),
    ],
)
def test_a_failure_is_told_and_the_next_call_works(sandbox, function, arguments, message):
    with pytest.raises(SandboxError) as failure:
        sandbox.call(function, *arguments, limit=60)
    assert str(failure.value) == message
    assert sandbox.call(dying.say, "on", limit=60).startswith("on ")


def test_a_call_that_hangs_ends_with_its_process():
    with Sandbox() as sandbox:
        process = int(sandbox.call(dying.say, "here", limit=60).split()[1])
        with pytest.raises(SandboxError, match=r"did not end within 0.1 s"):
            sandbox.call(dying.hang, limit=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_process_goes_with_its_owner():
    with Sandbox() as sandbox:
        process = int(sandbox.call(dying.say, "here", limit=60).split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_an_error_that_nobody_foresaw_names_its_place_in_the_package(sandbox):
    with pytest.raises(SandboxError, match=r"^AttributeError: .* \(packages\.py:\d+\)$"):
        sandbox.call(import_package, None, limit=60)

"""What a child process may be asked to do, and does badly."""

import os
import signal
import time

from asr.errors import DataError


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(3)


def hang() -> None:
    time.sleep(600)


def refuse(name: str) -> None:
    raise DataError(f"/home/{name}/a.wav: is not audio")


def stumble() -> None:
    raise ValueError("the first line\nthe second")


def say(word: str) -> str:
    os.write(1, b"on standard output\n")
    os.write(2, b"on standard error\n")
    print("again")
    return f"{word} {os.getpid()}"

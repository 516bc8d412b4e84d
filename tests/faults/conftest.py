"""What disturbed trainings are compared with; nobody looks at their pictures."""

import pytest
from support.undisturbed import corpus, finished

from asr.training.logbook import Logbook

__all__ = ["corpus", "finished"]


@pytest.fixture(autouse=True, scope="module")
def no_pictures():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Logbook, "draw", lambda _: None)
        yield

"""What trainings are compared with."""

from support.undisturbed import corpus, finished

__all__ = ["corpus", "finished"]

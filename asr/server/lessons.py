"""Sentences that somebody reads, and a model that learns from them: one at a time."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np

from asr.audio.reader import open_recording
from asr.audio.take import LONGEST, faults
from asr.audio.waveform import save_flac
from asr.corpora.prompted import LEAST_SENTENCES, read_prompts
from asr.errors import AsrError, DataError
from asr.files import atomic
from asr.recogniser.bundled import bundled_model
from asr.server.failure import ApiError
from asr.server.learning import Learnt, Tell, learn
from asr.server.service import Service
from asr.transcription.transcribe import Transcriber

Stage: TypeAlias = Literal["reading", "learning", "learnt"]
Learn: TypeAlias = Callable[[Path, Path, Path, Tell, threading.Event], Learnt]

RATE = 16_000
MOST = 200
"""Sentences of a lesson."""
OPEN = 100
"""Lessons that are known at a time; beyond, one of which nothing is read is forgotten."""
HELD_OUT = 10
"""Of so many sentences one is kept apart to choose by and one to judge by, but two at least."""


@dataclass
class Lesson:
    """Where somebody's lesson stands."""

    id: str
    model: str
    """To begin with."""
    sentences: Sequence[str]
    folder: Path
    stage: Stage = "reading"
    kept: set[int] = field(default_factory=set)
    """Sentences that are read, by number."""
    share: float = 0.0
    """Of learning that is done."""
    doing: str = ""
    error: str | None = None
    name: str = ""
    """Of the new model."""
    learnt: Learnt | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> dict[str, Any]:
        """What the page is told."""
        result = None
        if self.learnt is not None:
            result = asdict(self.learnt) | {"name": self.name, "folder": str(self.folder / "model")}
        return {
            "id": self.id,
            "model": self.model,
            "stage": self.stage,
            "sentences": list(self.sentences),
            "kept": sorted(self.kept),
            "least": LEAST_SENTENCES,
            "share": self.share,
            "doing": self.doing,
            "error": self.error,
            "result": result,
        }


class Lessons:
    """The lessons of a server.

    Args:
        service: gets the new models.
        bases: the folder of each model, None for the package's.
        folder: for readings and new models.
        learn: how a model is taught.
    """

    def __init__(self, service: Service, bases: Mapping[str, Path | None], folder: Path, learn: Learn = learn) -> None:
        self._service, self._bases, self._folder, self._learn = service, dict(bases), folder, learn
        self._lessons: dict[str, Lesson] = {}
        self._lock = threading.Lock()
        self._learner: threading.Thread | None = None

    def begin(self, model: str | None, sentences: Sequence[str] | None) -> Lesson:
        """Begin a lesson of some sentences, or of the bundled ones.

        Raises:
            ApiError: if there is no such model (404), the sentences are too few or many (422), or
                the lessons too many (429).
        """
        self._service.model(model)
        found = list(dict.fromkeys(" ".join(line.split()) for line in sentences or read_prompts(None)))
        found = [line for line in found if line]
        if not LEAST_SENTENCES <= len(found) <= MOST:
            wrong = f"{len(found)} different sentences; write {LEAST_SENTENCES} to {MOST}"
            raise ApiError(422, wrong, "invalid_value", param="sentences")
        id = f"{time.strftime('%Y%m%d')}-{secrets.token_hex(12)}"
        lesson = Lesson(id, model or next(iter(self._service.models)), found, self._folder / id)
        with self._lock:
            if len(self._lessons) >= OPEN:
                unread = next((one for one in self._lessons.values() if not one.kept), None)
                if unread is None:
                    raise ApiError(429, "too many lessons are open; delete readings first", "too_many", retry_after=60)
                del self._lessons[unread.id]
            self._lessons[id] = lesson
        return lesson

    def find(self, id: str) -> Lesson:
        """The lesson of an id.

        Raises:
            ApiError: if there is none (404).
        """
        try:
            return self._lessons[id]
        except KeyError:
            raise ApiError(404, "no such lesson; begin another one", "lesson_not_found") from None

    def read(self, lesson: Lesson, number: int, file: BinaryIO, *, keep: bool) -> list[str]:
        """Take a reading of a sentence, and keep it if nothing is wrong with it.

        Args:
            lesson: whose it is.
            number: of the sentence, from 0.
            file: the recording.
            keep: whatever is wrong with it.

        Returns:
            What is wrong with it.

        Raises:
            ApiError: if there is no such sentence, or no such sound (422); if it is too late (409).
        """
        if lesson.stage != "reading":
            raise ApiError(409, "this lesson is read already; begin another one", "lesson_over")
        if not 0 <= number < len(lesson.sentences):
            raise ApiError(422, f"number: is one of 0 to {len(lesson.sentences) - 1}", "invalid_value", param="number")
        try:
            with open_recording(file) as recording:
                blocks = list(recording.blocks(sample_rate=RATE, duration=LONGEST + 1))
        except DataError as error:
            raise ApiError(422, str(error), "invalid_audio", param="file") from None
        waveform, text = np.concatenate(blocks), lesson.sentences[number]
        wrong = faults(waveform, RATE, text)
        if wrong and not keep:
            return wrong
        try:
            _private(lesson.folder / "recordings")
            with atomic(lesson.folder / "recordings" / f"{number + 1:04d}.flac") as path:
                save_flac(path, waveform, RATE)
            with atomic(lesson.folder / "recordings" / f"{number + 1:04d}.txt") as path:
                path.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise ApiError(500, f"the reading cannot be kept ({error.strerror})", "internal_error") from None
        lesson.kept.add(number)
        return wrong

    def teach(self, lesson: Lesson) -> None:
        """Let a model learn from what was read, in the background.

        Raises:
            ApiError: if too little is read (422), or another one is learning (409).
        """
        if len(lesson.kept) < LEAST_SENTENCES:
            raise ApiError(
                422, f"{len(lesson.kept)} sentences are read; read {LEAST_SENTENCES}", "too_few", param="readings"
            )
        with self._lock:
            if self._learner is not None and self._learner.is_alive():
                raise ApiError(
                    409, "a model is learning now, one at a time; try again in some minutes", "busy", retry_after=60
                )
            if lesson.stage != "reading":
                raise ApiError(409, "this lesson is over; begin another one", "lesson_over")
            lesson.stage, lesson.share, lesson.doing, lesson.error = "learning", 0.0, "starting", None
            lesson.stopped.clear()
            self._learner = threading.Thread(target=self._work, args=(lesson,), name="learning")
            self._learner.start()

    def stop(self, lesson: Lesson) -> None:
        """Let a model learn no more; what was read stays."""
        lesson.stopped.set()
        self._wait(lesson)

    def forget(self, lesson: Lesson) -> None:
        """Delete what was read, and what came of it but for the new model."""
        self.stop(lesson)
        with self._lock:
            self._lessons.pop(lesson.id, None)
        if lesson.learnt is None:
            shutil.rmtree(lesson.folder, ignore_errors=True)
            return
        (lesson.folder / TABLE).unlink(missing_ok=True)
        for name in ("recordings", "model/data", "model/general", "model/run"):
            shutil.rmtree(lesson.folder / name, ignore_errors=True)

    def close(self) -> None:
        """Stop whatever is learning."""
        for lesson in list(self._lessons.values()):
            self.stop(lesson)

    def _wait(self, lesson: Lesson) -> None:
        if lesson.stage == "learning" and self._learner is not None:
            self._learner.join()

    def _work(self, lesson: Lesson) -> None:
        def tell(share: float, doing: str) -> None:
            lesson.share, lesson.doing = share, doing

        out = lesson.folder / "model"
        try:
            shutil.rmtree(out, ignore_errors=True)
            table = write_table(lesson)
            learnt = self._learn(table, self._bases[lesson.model] or bundled_model(), out, tell, lesson.stopped)
            lesson.name = self._join(lesson.model, out)
            lesson.learnt, lesson.share, lesson.stage = learnt, 1.0, "learnt"
        except Exception as error:
            is_known = isinstance(error, AsrError)
            lesson.error = str(error) if is_known else f"learning has failed ({type(error).__name__})"
            lesson.stage = "reading"
            if not is_known:
                raise  # for the log

    def _join(self, base: str, out: Path) -> str:
        """Let a new model be served beside the others, and give its name.

        It keeps its base's decoder if the tokens are the same.
        """
        old, new = self._service.model(base), Transcriber.load(out, lm=False)
        if old.recogniser.tokenizer.pieces == new.recogniser.tokenizer.pieces:
            new = replace(old, recogniser=new.recogniser)
        first = base.partition("-taught")[0] + "-taught"
        names = (first, *(f"{first}-{n}" for n in range(2, len(self._service.models) + 2)))
        with self._lock:
            name = next(name for name in names if name not in self._service.models)
            self._bases[name] = out
            self._service.models = {**self._service.models, name: new}
        return name


TABLE = "readings.tsv"


def write_table(lesson: Lesson) -> Path:
    """Write which readings are learnt from, chosen by and judged by."""
    held_out = max(2, len(lesson.kept) // HELD_OUT)
    numbers = sorted(lesson.kept)
    splits = ["test"] * held_out + ["dev"] * held_out + ["train"] * (len(numbers) - 2 * held_out)
    order = sorted(range(len(numbers)), key=lambda n: 7 * n % 11)  # spread: the last ones are read with less care
    rows = [
        f"recordings/{numbers[n] + 1:04d}.flac\t{lesson.sentences[numbers[n]]}\t{split}"
        for n, split in zip(order, splits, strict=True)
    ]
    with atomic(lesson.folder / TABLE) as path:
        path.write_text("\n".join(["path\tsentence\tsplit", *rows]) + "\n", encoding="utf-8")
    return lesson.folder / TABLE


def _private(folder: Path) -> None:
    """Make a folder that nobody else on this machine reads."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o700)
    folder.mkdir(exist_ok=True)

"""`asr serve`: models behind an HTTP server."""

import contextlib
import ipaddress
import signal
import socket
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from asr.cli.options import Device, Engine, Search, chosen_jobs
from asr.cli.output import complain
from asr.cli.parse import NO_PREFIX
from asr.errors import ConfigError, MissingExtra
from asr.server.settings import ServeConfig
from asr.transcription.transcribe import Transcriber


@dataclass(frozen=True)
class Serve:
    """Answer requests as OpenAI's API does, on this machine; Ctrl-C ends it."""

    model: Annotated[tuple[str, ...], arg(metavar="[NAME=]DIR ...")] = ()
    """Model folders, and the names that clients ask for. Without any, the package's, as english."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is all of this machine's."""
    port: int = 8000
    tokens: Path | None = None
    """A file of tokens, a line each, of which a client has to send one."""
    origins: tuple[str, ...] = ()
    """Sites whose pages may use it, such as https://example.org."""
    teach: bool | None = None
    """Let the page teach models. Without it, only where this machine alone is served, tokenless."""
    lessons: Path = Path("lessons")
    """Folder for what people read to teach a model, and for the new models."""
    limits: Annotated[ServeConfig, NO_PREFIX] = field(default_factory=ServeConfig)
    search: Annotated[Search, NO_PREFIX] = field(default_factory=Search)
    device: Device = "auto"
    engine: Engine = "auto"
    jobs: int | None = None
    """Recordings that are worked on at the same time. Without it, one a core."""

    def run(self) -> None:
        try:
            import python_multipart  # noqa: F401  (FastAPI looks for it when a form is declared)
            import uvicorn

            from asr.server.app import create_app
            from asr.server.lessons import Lessons
            from asr.server.service import Service
        except ImportError as error:
            if (error.name or "").startswith("asr"):
                raise
            raise MissingExtra("asr serve", "serve") from None
        tokens = read_tokens(self.tokens) if self.tokens else ()
        named = named_folders(self.model)
        with listening(self.host, self.port) as bound:
            models = {name: self.search.transcriber(path, self.device, self.engine) for name, path in named.items()}
            jobs = min([chosen_jobs(model.recogniser, self.jobs) for model in models.values()])
            models = {name: searching(model, jobs) for name, model in models.items()}
            host, port = bound.getsockname()[:2]
            is_private = ipaddress.ip_address(host).is_loopback
            service = Service(models, self.limits, jobs)
            teaches = self._teaches(is_private and not tokens)
            app = create_app(
                service,
                tokens=tokens,
                origins=self.origins,
                lessons=Lessons(service, named, self.lessons) if teaches else None,
                anywhere=bool(self.teach),
            )
            complain(f"http://{f'[{host}]' if ':' in host else host}:{port} answers for {', '.join(models)}")
            if not tokens and not is_private:
                complain("everybody who reaches this address may use it; --tokens FILE asks for a token")
            if teaches:
                complain(f"the page may teach models, and keeps what is read in {self.lessons}; --no-teach forbids it")
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    log_level="warning",
                    timeout_keep_alive=30,
                    ws_ping_timeout=self.limits.patience,
                    server_header=False,
                )
            )
            before = signal.signal(signal.SIGTERM, lambda *_: None)  # the server raises it again at its end
            try:
                with contextlib.suppress(KeyboardInterrupt):
                    server.run(sockets=[bound])
            finally:
                signal.signal(signal.SIGTERM, before)

    def _teaches(self, alone: bool) -> bool:
        """Whether the page may teach; by itself it does where nobody else can ask.

        Raises:
            ConfigError: if that is asked for without what training needs.
        """
        can = find_spec("torch") is not None
        if self.teach and not can:
            raise ConfigError("--teach needs PyTorch, which this installation leaves out: pip install asr")
        return can and (alone if self.teach is None else self.teach)


def searching(model: Transcriber, jobs: int) -> Transcriber:
    """A model that searches as many recordings at a time, while the server goes on answering."""
    return model if model.decoder is None else replace(model, decoder=model.decoder.in_processes(jobs))


def named_folders(models: tuple[str, ...]) -> dict[str, Path | None]:
    """The name of each model folder; `best` in a run is called as the run.

    Raises:
        ConfigError: if two have the same.
    """
    found: dict[str, Path | None] = {}
    for model in models:
        name, sign, folder = model.partition("=")
        path = Path(folder if sign else model)
        resolved = path.resolve()
        name = name if sign else resolved.parent.name if resolved.name == "best" else resolved.name
        if not name or name in found:
            raise ConfigError(f"--model {model}: needs a name of its own, such as --model other={path}")
        found[name] = path
    return found or {"english": None}


def read_tokens(path: Path) -> tuple[str, ...]:
    """Read tokens, a line each.

    Raises:
        ConfigError: if there are none to read.
    """
    try:
        tokens = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: no tokens to read ({error}); write a token a line") from None
    if not tokens:
        raise ConfigError(f"{path}: no tokens to read (the file is empty); write a token a line")
    return tokens


def listening(host: str, port: int) -> socket.socket:
    """Take an address, before models are read.

    Raises:
        ConfigError: if it cannot be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--host {host} --port {port}: cannot be listened on ({reason}); choose another") from None

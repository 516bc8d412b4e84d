"""Asterisk's core sounds: some 570 telephone prompts in each of five languages, at 8 kHz.

One studio speaker reads each language: en, es, fr, it, ru. The text files were written for people
who choose prompts, not for recognisers. `spoken` turns a line into the words of the recording, or
says why that cannot be done. What is not certain is left out, and counted.
"""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from asr.corpora.download import fetch_archive
from asr.corpora.lines import read_lines
from asr.corpora.split import by_text, complete
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import ConfigError, DataError
from asr.progress import SILENT, Progress

URL = "http://downloads.asterisk.org/pub/telephony/sounds/releases/asterisk-core-sounds-{language}-wav-1.6.1.tar.gz"

DIGITS = {
    "en": "zero one two three four five six seven eight nine",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "ru": "ноль один два три четыре пять шесть семь восемь девять",
}
"""The languages, and how "press 1" is read in each."""


class Unclear(Exception):  # noqa: N818  (a reason for leaving out, not an error)
    """The words of a recording cannot be told from its line; the text is the reason."""


def download(folder: Path, language: str = "en", *, progress: Progress = SILENT) -> Path:
    """Fetch one language (some 20 MB) into `folder`.

    Where apt is at hand, it downloads and checks Debian's packages, which are unpacked, not
    installed. Elsewhere it is the publisher's archive, for which no checksum is stated.
    """
    _require_language(language)
    target = folder / f"prompts-{language}"
    if target.is_dir():
        return target
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        try:
            return _unpack_packages(folder / f"prompts-{language}.packages", target, language)
        except subprocess.CalledProcessError:
            pass  # no such package in this system's lists: the archive has the same content
    return fetch_archive(URL.format(language=language), target, progress=progress)


def read(source: Path, language: str = "en") -> Splits:
    """Read one language, in Debian's layout or the publisher's.

    A tenth of the prompts is test and 7 % are dev, by text. A file's name may differ in letter case
    from the text's id, as it does in Spanish and Italian.

    Raises:
        DataError: if the text file or the recordings are not under `source`.
        ConfigError: if the language is none of `DIGITS`.
    """
    _require_language(language)
    listing = _find_listing(source, language)
    sounds = _find_sounds(source, listing, language)
    wavs = sorted(sounds.rglob("*.wav"))
    files = {path.relative_to(sounds).with_suffix("").as_posix().lower(): path for path in wavs}
    lines, problems = read_lines(listing)
    utterances: dict[str, Utterance] = {}
    unclear: Counter[str] = Counter()
    for number, line in lines:
        where = f"{listing}:{number}"
        name, colon, text = line.partition(":")
        name = name.strip()
        if line.startswith(";"):
            continue
        if not colon or not name or " " in name:
            problems.append(Problem(where, "not of the form `id: sentence`"))
            continue
        if name in utterances:
            problems.append(Problem(where, f"{name} was listed before; the first is kept"))
            continue
        try:
            words = spoken(text, language)
        except Unclear as reason:
            unclear[str(reason)] += 1
            continue
        audio = files.get(name.lower(), sounds / f"{name}.wav")
        utterances[name] = Utterance(name, audio, words, where, speaker=sounds.name, language=language)
    parts = complete(list(utterances.values()), key=by_text, dev_share=0.07)
    notes = [f"left out {count}: {reason}" for reason, count in unclear.most_common()]
    return Splits(*parts, tuple(problems), tuple(notes))


def spoken(text: str, language: str) -> str:
    """Turn a listed sentence into the words of its recording.

    A remark in parentheses at the end goes ("IAX (note: does not say "2")"). So does a bracketed
    sign ("dash [-]"). A single digit is spelled.

    Raises:
        Unclear: if there is no speech, or its words cannot be told.
    """
    text = re.sub(r"\[[^\w\[\]]*\]", " ", text)
    text = re.sub(r"\([^()]*\)[\s.]*$", "", text)
    if not re.search(r"\w", re.sub(r"\[[^\]]*\]|<[^>]*>", "", text)):
        raise Unclear("no speech (a sound, silence or an empty line)")
    if re.search(r"[\[\](){}<>]", text):
        raise Unclear("words in brackets, which may or may not be read")
    if re.search(r"[*#/@$]", text):
        raise Unclear("a sign stands for a word")
    if re.search(r"\d\d|\d[.,]\d", text):
        raise Unclear("a number of several digits, which can be read in many ways")
    if re.search(r"\w-\w+:\s", text):
        raise Unclear("two prompts on one line")
    if re.search(r"\?\s*[a-zà-ÿ]", text):
        raise Unclear("a question mark stands for a lost letter")
    digits = DIGITS[language].split()
    return " ".join(re.sub(r"\d", lambda match: f" {digits[int(match[0])]} ", text).split())


def _require_language(language: str) -> None:
    if language not in DIGITS:
        raise ConfigError(f"language is {language}; the prompts are in {', '.join(DIGITS)}")


def _find_listing(source: Path, language: str) -> Path:
    for name in (f"core-sounds-{language}.txt", f"core-sounds-{language}.txt.gz"):
        for path in sorted(source.rglob(name)):
            return path
    raise DataError(f"{source}: holds no core-sounds-{language}.txt or .txt.gz, at any depth")


def _find_sounds(source: Path, listing: Path, language: str) -> Path:
    """Find the folder that prompt ids are relative to.

    Debian has one for each voice; the archive puts all at its top.
    """
    for folder in (*sorted(source.glob(f"**/sounds/{language}*")), listing.parent):
        if any(folder.rglob("*.wav")):
            return folder
    raise DataError(
        f"{source}: holds no recordings, neither beside {listing.name} nor in sounds/{language}*; "
        f"they are in the package asterisk-core-sounds-{language}-wav"
    )


def _unpack_packages(packages: Path, target: Path, language: str) -> Path:
    packages.mkdir(parents=True, exist_ok=True)
    unpacked = packages / "unpacked"
    for name in (f"asterisk-core-sounds-{language}", f"asterisk-core-sounds-{language}-wav"):
        _download_package(packages, name)
        for package in packages.glob(f"{name}_*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True, capture_output=True)
    unpacked.rename(target)
    shutil.rmtree(packages)
    return target


def _download_package(packages: Path, name: str) -> None:
    """Let apt fetch a package.

    Where the system's lists do not know it (a fresh machine), it does so with lists of our own.
    """
    if subprocess.run(["apt-get", "download", name], cwd=packages, capture_output=True).returncode == 0:
        return
    lists = packages.resolve() / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-o", f"Dir::State::lists={lists}"]
    if not (lists / "lock").exists():
        subprocess.run([*apt, "update"], cwd=packages, check=True, capture_output=True)
    subprocess.run([*apt, "download", name], cwd=packages, check=True, capture_output=True)

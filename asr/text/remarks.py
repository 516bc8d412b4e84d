"""Remarks in transcripts: what stands there and nobody says, such as <unk>, [noise], (laughs)."""

import re

_SOUNDS = "|".join(
    (
        *(
            "laugh(?:s|ter|ing|ed)?",
            "chuckl(?:e|es|ing)",
            "giggl(?:e|es|ing)",
            "cough(?:s|ing|ed)?",
            "sneez(?:e|es|ing)",
        ),
        *("sniff(?:s|ing)?", "sigh(?:s|ing)?", "breath(?:s|e|es|ing)?", "inhal(?:e|es|ing)", "exhal(?:e|es|ing)"),
        *("gasp(?:s|ing)?", "cry(?:ing)?", "cries", "sob(?:s|bing)?", "yawn(?:s|ing)?", "whisper(?:s|ing|ed)?"),
        *("clears? throat", "throat clearing", "lip ?smacks?", "applause", "clap(?:s|ping)?", "cheer(?:s|ing)?"),
        *("noises?", "music", "singing", "sings", "humming", "beeps?", "clicks?", "silence", "pauses?", "static"),
        *("inaudible", "unintelligible", "indistinct", "incomprehensible", "crosstalk", "overlap(?:ping)?", "foreign"),
        *("unk", "unknown", "noisy", "nsn", "spn", "sil"),
    )
)
_REMARK = re.compile(
    r"<[^<>\s](?:[^<>]*[^<>\s])?>"
    r"|\[[^\[\]]*\]"
    r"|\+\+[^+\s]+\+\+"
    r"|(?<!\S)!sil(?!\S)"
    rf"|\((?:\w+[ _-])?(?:{_SOUNDS})(?:[ _-]\w+)?\)"
    rf"|\*(?:\w+[ _-])?(?:{_SOUNDS})(?:[ _-]\w+)?\*",
    re.IGNORECASE,
)


def without_remarks(text: str) -> tuple[str, tuple[str, ...]]:
    """Take the remarks out of a transcript, and give them too.

    Whatever stands in angle or square brackets is a remark, and so are words that name a sound
    (English ones) in round brackets or asterisks. Other words in round brackets are spoken:
    "(uh)", "(as I said)".

    Example:
        >>> without_remarks("well [noise] (uh) yes (laughs)")
        ('well (uh) yes', ('[noise]', '(laughs)'))
    """
    found = tuple(match[0] for match in _REMARK.finditer(text))
    return (" ".join(_REMARK.sub(" ", text).split()), found) if found else (text, ())

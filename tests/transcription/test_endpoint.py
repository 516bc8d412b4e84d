"""Where live segments end: in silence, at a length, and as soon as it is certain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import sure, unhurried

from asr.errors import ConfigError
from asr.transcription.endpoint import LiveConfig, find_endpoint

RULES = {"silence": 4, "longest": 20, "idle": 8}


@pytest.mark.parametrize(
    ("path", "cut"),
    [
        ([], None),
        ([1, 0, 0, 0], None),
        ([1, 0, 0, 0, 0], 3),
        ([0] * 7, None),
        ([0] * 8, 4),
        ([0] * 7 + [1, 0, 0, 0, 0], 10),
        ([1, 0, 0, 2, 0, 0, 0, 0, 0], 6),
        ([1, 2] * 7 + [0, 0, 0], 15),  # after 17 of 20 frames two blanks are enough
        ([1, 2] * 9 + [1, 0], 19),
        ([1, 2] * 10, None),
        ([1, 2] * 12, 20),  # nobody pauses
        ([1] * 25, None),
        ([1] * 25 + [2], 25),
        ([1] * 25 + [0], 25),
    ],
)
def test_a_segment_ends_in_silence_or_at_its_length(path, cut):
    assert find_endpoint(sure(path), **RULES) == cut


@unhurried
@given(st.lists(st.integers(0, 2), max_size=60))
def test_a_cut_is_certain_as_soon_as_it_is_known_and_parts_no_token(path):
    """It is not before the last token of what was known before, nor inside a run of one."""
    log_probs = sure(path, 3)
    known = next((n for n in range(len(path) + 1) if find_endpoint(log_probs[:n], **RULES) is not None), None)
    cut = find_endpoint(log_probs, **RULES)
    if known is None:
        assert cut is None
    else:
        assert cut == find_endpoint(log_probs[:known], **RULES)
        assert 0 < cut <= known
        tokens = [place for place in range(known - 1) if path[place]]
        assert not tokens or tokens[-1] < cut
        assert cut == len(path) or path[cut - 1] == 0 or path[cut] != path[cut - 1]


def test_settings_are_checked():
    for field in ("silence", "longest", "idle", "settle", "chunk"):
        with pytest.raises(ConfigError, match=field):
            LiveConfig(**{field: 0.0})
    with pytest.raises(ConfigError, match="lookahead"):
        LiveConfig(lookahead=-0.1)

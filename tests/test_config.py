"""Settings survive the way through JSON, and every mistake in them is named."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.audio.augment import AugmentConfig
from asr.config import differences, from_dict, to_dict
from asr.errors import ConfigError
from asr.model.acoustic import AcousticConfig
from asr.training.settings import BpttConfig, OptimiserConfig, TrainConfig

shares = st.floats(0, 0.99)
configs = st.builds(
    TrainConfig,
    acoustic=st.builds(
        AcousticConfig,
        subsampling=st.sampled_from([2, 3, 4]),
        layers=st.just(4),
        projection=st.none() | st.integers(1, 99),
        bidirectional=st.booleans(),
        dropout=shares,
        intermediate=st.sets(st.integers(1, 3)).map(sorted).map(tuple),
    ),
    augment=st.builds(AugmentConfig, speeds=st.lists(st.floats(0.5, 2), min_size=1, max_size=4).map(tuple)),
    optimiser=st.builds(OptimiserConfig, warmup=shares),
    patience=st.none() | st.integers(1, 9),
    precision=st.sampled_from(["float32", "bfloat16"]),
    device=st.text(),
)


def read(values):
    return from_dict(TrainConfig, values, where="run/config.json")


@unhurried
@given(configs)
def test_settings_survive_the_way_through_json(config):
    assert read(json.loads(json.dumps(to_dict(config)))) == config


def test_absent_fields_take_their_defaults():
    assert read({}) == TrainConfig()
    assert read({"acoustic": {"layers": 5}}) == TrainConfig(acoustic=AcousticConfig(layers=5))


def test_a_whole_number_may_stand_for_a_float():
    assert read({"batch_seconds": 30}).batch_seconds == 30


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "no such field: epoch; did you mean epochs?"),
        ({"acoustic": {"hiden": 3}}, "no such field: acoustic.hiden; did you mean acoustic.hidden?"),
        ({"xyz": 3}, "no such field: xyz"),
        ({"epochs": "30"}, "epochs cannot be '30'"),
        ({"epochs": 30.0}, "epochs cannot be 30.0"),
        ({"epochs": True}, "epochs cannot be True"),
        ({"epochs": None}, "epochs cannot be None"),
        ({"batch_seconds": "60"}, "batch_seconds cannot be '60'"),
        ({"batch_seconds": False}, "batch_seconds cannot be False"),
        ({"patience": 1.5}, "patience cannot be 1.5"),
        ({"precision": "int8"}, "precision cannot be 'int8'"),
        ({"device": 0}, "device cannot be 0"),
        ({"acoustic": {"bidirectional": 1}}, "acoustic.bidirectional cannot be 1"),
        ({"acoustic": {"intermediate": [1, "2"]}}, "acoustic.intermediate cannot be (1, '2')"),
        ({"acoustic": {"intermediate": 1}}, "acoustic.intermediate cannot be 1"),
        ({"acoustic": 3}, "acoustic must be an object of fields"),
        ({"acoustic": None}, "acoustic must be an object of fields"),
        ([], "the file must be an object of fields"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_field(values, message):
    with pytest.raises(ConfigError) as caught:
        read(values)
    assert str(caught.value) == f"run/config.json: {message}"


def test_a_value_outside_its_range_is_refused_by_its_own_class():
    with pytest.raises(ConfigError, match=r"acoustic.dropout must lie in \[0, 1\), got 1.0"):
        read({"acoustic": {"dropout": 1.0}})


def test_differences_are_named_with_both_values():
    after = dataclasses.replace(
        TrainConfig(), epochs=7, bptt=BpttConfig(mode="full"), augment=AugmentConfig(speeds=(1.0,))
    )
    assert differences(TrainConfig(), after) == [
        "bptt.mode was truncated, is full",
        "augment.speeds was (0.85, 0.925, 1.0, 1.075, 1.15), is (1.0,)",
        "epochs was 30, is 7",
    ]
    assert differences(after, after) == []

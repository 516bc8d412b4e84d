"""Settings survive the way through JSON, and every mistake in them is named."""

import dataclasses
import importlib
import json
import pkgutil
import typing
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

import asr
from asr.audio.augment import AugmentConfig
from asr.audio.features import FeatureConfig
from asr.cli import main
from asr.config import POSITIVE, at_least, between, check, differences, from_dict, to_dict
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import TunedDecoding
from asr.errors import ConfigError
from asr.lm.estimate import NgramConfig
from asr.lm.rnn import RnnLmConfig, RnnTraining
from asr.model.shape import AcousticConfig
from asr.recogniser.config import RecogniserConfig
from asr.scoring.assess import ScoreOptions
from asr.server.settings import ServeConfig
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import BpttConfig, OptimiserConfig, PretrainConfig, RunConfig, TrainConfig
from asr.transcription.confidence import Calibration
from asr.transcription.endpoint import LiveConfig

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


# ---- every class of settings


SETTINGS = [TrainConfig, PretrainConfig, RecogniserConfig, RnnLmConfig, RnnTraining, TunedDecoding, Calibration]
SETTINGS += [TokenizerConfig, ScoreOptions, NgramConfig, LiveConfig, ServeConfig]
"""Those that nothing holds; `settings_classes` adds what they hold."""


def settings_classes():
    found, waiting = [], list(SETTINGS)
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.append(kind)
            waiting += [hint for hint in typing.get_type_hints(kind).values() if dataclasses.is_dataclass(hint)]
    return found


def wrong_values():
    """(class, field, a value that it cannot have) for every float and every choice."""
    for kind in settings_classes():
        for field, hint in typing.get_type_hints(kind).items():
            if typing.get_origin(hint) is typing.Literal:
                yield kind, field, "nonsense"
            elif hint is float or float in typing.get_args(hint):
                is_tuple = typing.get_origin(hint) is tuple
                yield from ((kind, field, (value,) if is_tuple else value) for value in (nan, inf, -inf))


def test_every_class_of_settings_is_walked():
    modules = [importlib.import_module(name) for _, name, _ in pkgutil.walk_packages(asr.__path__, "asr.")]
    named = {
        kind
        for module in modules
        for name, kind in vars(module).items()
        if name.endswith("Config") and dataclasses.is_dataclass(kind)
    }
    assert named <= {*settings_classes(), RunConfig}  # the common part of two of them
    assert {AugmentConfig, FeatureConfig, DecodingConfig, TokenizerConfig} <= named


@pytest.mark.parametrize(("kind", "field", "value"), wrong_values())
def test_what_is_no_number_or_no_choice_is_refused(kind, field, value):
    with pytest.raises(ConfigError) as caught:
        kind(**{field: value})
    words = f"{field} must be one of " if value == "nonsense" else f"{field} must be a finite number"
    assert words in str(caught.value) and str(caught.value).endswith(f", got {value}")


def test_nan_in_a_file_of_settings_is_refused():
    with pytest.raises(ConfigError, match=r"optimiser\.learning_rate must be a finite number, got nan"):
        read(json.loads('{"optimiser": {"learning_rate": NaN}}'))
    with pytest.raises(ConfigError, match=r"batch_seconds must be a finite number"):
        read({"batch_seconds": 10**400})


@pytest.mark.parametrize("option", ["--optimiser.weight-decay", "--optimiser.learning-rate", "--bptt.segment"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_nan_on_the_command_line_is_one_line(option, value, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["asr", "train", str(tmp_path), "--out", str(tmp_path / "run"), option, value])
    with pytest.raises(SystemExit) as caught:
        main()
    field = option.removeprefix("--").replace("-", "_")
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"asr: {field} must be a finite number, got {value}\n"


# ---- the helper itself


@dataclasses.dataclass(frozen=True)
class Sample:
    share: float = 0.5
    sizes: tuple[int, ...] = (1, 2)
    limit: float | None = None

    def __post_init__(self):
        check(self, "sample", share=between(0, 1, below=True, unit="s"), sizes=at_least(1), limit=POSITIVE)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"share": 1}, "sample.share must lie in [0, 1) s, got 1"),
        ({"share": -0.1}, "sample.share must lie in [0, 1) s, got -0.1"),
        ({"sizes": (1, 0)}, "sample.sizes must be at least 1, got (1, 0)"),
        ({"limit": 0.0}, "sample.limit must be positive, or none, got 0.0"),
        ({"limit": inf}, "sample.limit must be a finite number, or none, got inf"),
    ],
)
def test_a_check_names_field_value_and_what_is_allowed(fields, message):
    with pytest.raises(ConfigError) as caught:
        Sample(**fields)
    assert str(caught.value) == message


def test_values_at_the_ends_of_their_range_pass():
    Sample(share=0, sizes=(), limit=None)
    Sample(share=0.999, sizes=(1,), limit=1e-300)

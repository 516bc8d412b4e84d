"""From manifests to batches: every utterance once, in bounds, in order, and every fault named."""

import copy
import dataclasses
import errno
import gzip
import json
import os
import signal
import time

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from lhotse import MonoCut, Recording, SupervisionSegment
from support.tiny import RATE, noise, recogniser, sine, unhurried
from support.told import Told
from support.tones import write_cut

from asr.audio.waveform import load
from asr.child import Child
from asr.data import batches as module
from asr.data import cuts as module_cuts
from asr.data.batches import Batch, collate, load_batches, plan_batches, plan_pieces
from asr.data.cuts import LazyCut, load_cuts, perturb_speeds, save_cuts, text_of
from asr.decoding.greedy import greedy
from asr.errors import DataError
from asr.text.tokenizer import CharacterTokenizer

TOKENIZER = CharacterTokenizer(" abc")
TEXTS = ("a cab", "", "b", "cc")

durations = st.lists(st.integers(50, 40_000).map(lambda milliseconds: milliseconds / 1000), max_size=12)


def bare_cuts(seconds):
    """Cuts without audio: enough to plan with."""
    return [LazyCut.of(MonoCut(f"u{number}", 0.0, duration, channel=0)) for number, duration in enumerate(seconds)]


def corpus(folder, sizes=(9_000, 5_000, 20_000, 700)):
    """Cuts with audio, of given lengths in samples, their texts from TEXTS in turn."""
    return [
        write_cut(folder, f"u{number}", TEXTS[number % 4], noise(size, seed=number), subtype="FLOAT")
        for number, size in enumerate(sizes)
    ]


# ---- pieces of recordings


@given(sizes=st.lists(st.integers(1, 4), max_size=6), seed=st.integers(0, 9) | st.none())
def test_the_pieces_of_each_recording_come_in_order_and_in_batches_of_their_own(sizes, seed):
    cuts = [
        LazyCut.of(
            MonoCut(
                f"{recording} {piece}", 3.0 * piece, 2.0 + recording, channel=0, recording=bare_recording(recording)
            )
        )
        for recording, pieces in enumerate(sizes)
        for piece in range(pieces)
    ]
    plan = plan_pieces(cuts, 9.0, seed=seed)
    assert sorted(cut.id for batch in plan for cut in batch) == sorted(cut.id for cut in cuts)
    for batch in plan:
        assert len({cut.recording_id for cut in batch}) == len(batch)
        assert len(batch) == 1 or len(batch) * max(cut.duration for cut in batch) <= 9.0
    for recording in range(len(sizes)):
        heard = [cut.start for batch in plan for cut in batch if cut.recording_id == str(recording)]
        assert heard == sorted(heard)


def bare_recording(number):
    return Recording(str(number), sources=[], sampling_rate=RATE, num_samples=60 * RATE, duration=60.0)


# ---- manifests


@pytest.mark.parametrize("name", ["train.jsonl.gz", "train.jsonl"])
def test_a_manifest_gives_back_its_cuts_in_order(tmp_path, name):
    cuts = corpus(tmp_path)
    save_cuts(cuts, tmp_path / "train.jsonl.gz")
    if name == "train.jsonl":
        (tmp_path / name).write_bytes(gzip.decompress((tmp_path / "train.jsonl.gz").read_bytes()) + b"\n\n")
    found = load_cuts(tmp_path / name)
    assert [cut.cut() for cut in found] == [cut.cut() for cut in cuts]
    for cut, written in zip(found, cuts, strict=True):
        assert planned(cut) == planned(written)
    assert [cut.text for cut in found] == list(TEXTS)


def planned(cut):
    """What plans need of a cut."""
    return cut.id, cut.start, cut.duration, cut.text, cut.recording_id, cut.speed


@pytest.mark.parametrize("count", [1, module_cuts.BLOCK, 2 * module_cuts.BLOCK + 1])
def test_each_line_is_found_again_in_its_block_with_blank_lines_between(tmp_path, count):
    cuts = [
        dataclasses.replace(cut.cut(), recording=bare_recording(cut.id))
        for cut in bare_cuts([1.0 + n for n in range(count)])
    ]
    save_cuts(cuts, tmp_path / "a.jsonl.gz")
    lines = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).replace(b"\n", b"\n\n")
    (tmp_path / "b.jsonl").write_bytes(lines)
    for path in (tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"):
        found = load_cuts(path)
        assert [cut.cut() for cut in found] == cuts
        save_cuts(reversed(found), tmp_path / "again.jsonl.gz")
        assert [cut.cut() for cut in load_cuts(tmp_path / "again.jsonl.gz")] == cuts[::-1]


PLAIN = {
    "id": "a",
    "start": 0.5,
    "duration": 1.0,
    "channel": 0,
    "supervisions": [
        {"id": "s", "recording_id": "r", "start": 0.0, "duration": 1.0, "channel": 0, "text": "a cab", "speaker": "x"}
    ],
    "recording": {
        "id": "r",
        "sources": [{"type": "file", "channels": [0], "source": "r.wav"}],
        "sampling_rate": RATE,
        "num_samples": 3 * RATE,
        "duration": 3.0,
        "channel_ids": [0],
    },
    "type": "MonoCut",
}
"""A line as `asr prepare` writes them."""
WRONG = (None, 3, -1.0, 0, "", "b", [], {}, True, float("inf"), 10**400, [{}], {"sources": []}, "\ud800")


def places(values, at=()):
    """Where something stands in a value made of lists and objects."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


@pytest.mark.parametrize("place", places(PLAIN), ids=str)
def test_lines_that_are_read_quickly_say_what_lhotse_says_of_them(place):
    """Whatever stands in a field, or if it is missing: the same cut, or the same refusal."""
    for wrong in (*WRONG, "missing"):
        values = copy.deepcopy(PLAIN)
        inner = values
        for key in place[:-1]:
            inner = inner[key]
        if wrong == "missing":
            del inner[place[-1]]
        else:
            inner[place[-1]] = wrong
        text = json.dumps(values).encode()
        assert outcome(module_cuts._read_line, text, b"", 0) == outcome(through_lhotse, text), wrong


def through_lhotse(text):
    return LazyCut.of(module_cuts._parse_cut(text))


def outcome(read, *arguments):
    try:
        return planned(read(*arguments))
    except Exception:  # load_cuts names it
        return "refused"


def test_most_lines_need_no_lhotse(monkeypatch):
    monkeypatch.setattr(module_cuts, "deserialize_item", None)
    cut = module_cuts._read_line(json.dumps(PLAIN).encode(), b"", 0)
    assert planned(cut) == ("a", 0.5, 1.0, "a cab", "r", 1.0)


def line(**changes):
    return json.dumps({**bare_cuts([1.0])[0].to_dict(), **changes}).encode() + b"\n"


def wrong_manifests():
    """(file name, content, message) of manifests that cannot be used."""
    whole = gzip.compress(line() * 50, mtime=0)
    scrambled = whole[:12] + bytes([whole[12] ^ 0xFF]) + whole[13:]
    cases = {
        "missing": ("m.jsonl.gz", None, ": no such manifest; `asr prepare` writes"),
        "empty": ("m.jsonl", b"", ": holds no utterance"),
        "blank lines": ("m.jsonl", b"\n \n", ": holds no utterance"),
        "no bytes": ("m.jsonl.gz", b"", ": holds no utterance"),
        "empty archive": ("m.jsonl.gz", gzip.compress(b""), ": holds no utterance"),
        "not gzip": ("m.jsonl.gz", line(), ": is not a whole gzip file"),
        "cut-off gzip": ("m.jsonl.gz", whole[:-9], ": is not a whole gzip file"),
        "damaged gzip": ("m.jsonl.gz", scrambled, ": is not a whole gzip file"),
        "gzip without its ending": ("m.jsonl", whole, ":1: not UTF-8 ("),
        "cut-off line": ("m.jsonl", line() + b"\n" + line()[:-9], ":3: not JSON ("),
        "text": ("m.jsonl", line() + b"u1 a cab\n", ":2: not JSON ("),
        "an id of two lines": ("m.jsonl", line() + line(id="u\n1"), ":2: its id has several lines"),
    }
    recording = b'{"id": "r", "sources": [], "sampling_rate": 16000, "num_samples": 1, "duration": 1.0}'
    for wrong in (b"[]", b"3", b"null", b'"cut"', b"{}", b'{"type": "Nope"}', line(supervisions=3), recording):
        cases[wrong.decode()[:20]] = ("m.jsonl", line() + wrong, ":2: not a lhotse cut")
    return [pytest.param(*case, id=name) for name, case in cases.items()]


@pytest.mark.parametrize(("name", "content", "message"), wrong_manifests())
def test_a_manifest_that_cannot_be_used_is_named_with_its_line(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_cuts(path)
    assert str(caught.value).startswith(f"{path}{message}") and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["command", "url", "shar"])
@pytest.mark.parametrize("place", ["recording", "track", "effect"])
def test_a_manifest_runs_and_fetches_nothing(tmp_path, kind, place):
    """lhotse would: the source of a command goes to a shell, and an address may be one, too."""
    cut = write_cut(tmp_path, "a", "ab", noise(RATE)).to_dict()
    source = {"type": kind, "channels": [0], "source": f"pipe:touch {tmp_path}/run"}
    recording = cut["recording"] | {"sources": [source]}
    if place == "track":
        cut = {"type": "MixedCut", "id": "b", "tracks": [{"type": "MonoCut", "cut": cut | {"recording": recording}}]}
    elif place == "effect":
        cut["recording"]["transforms"] = [{"name": "ReverbWithImpulseResponse", "kwargs": {"rir": recording}}]
    else:
        cut["recording"] = recording
    (tmp_path / "cuts.jsonl").write_text(json.dumps(cut) + "\n")
    with pytest.raises(DataError, match=rf"cuts.jsonl:1: its audio comes from a {kind}, and none is run or fetched"):
        list(load_batches([load_cuts(tmp_path / "cuts.jsonl")], CharacterTokenizer("ab"), sample_rate=RATE, loaders=0))
    assert not (tmp_path / "run").exists()


def test_a_text_is_that_of_all_supervisions_in_order_of_time():
    cut = bare_cuts([3.0])[0].cut()
    for start, text in ((2.0, "cab"), (0.0, "a"), (1.0, None)):
        cut.supervisions.append(SupervisionSegment(f"s{start}", "r", start, 1.0, text=text))
    assert text_of(cut) == LazyCut.of(cut).text == "a cab"
    assert bare_cuts([1.0])[0].text == ""


# ---- plans


@unhurried
@given(durations, st.floats(0.5, 100), st.none() | st.integers(0, 99))
def test_every_cut_is_in_one_batch_longest_first_and_no_batch_exceeds_its_bound(seconds, longest, seed):
    plan = plan_batches(bare_cuts(seconds), longest, seed=seed)
    assert sorted(cut.id for batch in plan for cut in batch) == sorted(cut.id for cut in bare_cuts(seconds))
    for batch in plan:
        assert len(batch) == 1 or len(batch) * batch[0].duration <= longest
        assert [cut.duration for cut in batch] == sorted((cut.duration for cut in batch), reverse=True)


@unhurried
@given(durations, st.floats(0.5, 100), st.integers(0, 99))
def test_a_seed_decides_the_plan(seconds, longest, seed):
    assert plan_batches(bare_cuts(seconds), longest, seed=seed) == plan_batches(bare_cuts(seconds), longest, seed=seed)


def test_other_seeds_give_other_batches_and_another_order():
    seconds = np.random.default_rng(0).uniform(1, 9, 200)
    plans = [
        [frozenset(cut.id for cut in batch) for batch in plan_batches(bare_cuts(seconds), 40, seed=seed)]
        for seed in (0, 1)
    ]
    assert len(set(plans[0]) & set(plans[1])) < len(plans[0]) / 2
    longest_first = plan_batches(bare_cuts(seconds), 40, seed=None)
    assert plan_batches(bare_cuts(seconds), 40, seed=0) != longest_first


def test_without_a_seed_the_longest_come_first():
    """Then a batch that is too large for the memory fails at once."""
    seconds = np.random.default_rng(0).uniform(1, 9, 50)
    planned = [cut.duration for batch in plan_batches(bare_cuts(seconds), 40, seed=None) for cut in batch]
    assert planned == sorted(seconds, reverse=True)


def test_little_of_a_batch_is_padding():
    seconds = np.random.default_rng(0).uniform(1, 15, 1000)
    for seed in (None, 0):
        plan = plan_batches(bare_cuts(seconds), 60, seed=seed)
        padded = sum(len(batch) * max(cut.duration for cut in batch) for batch in plan)
        assert sum(seconds) / padded > 0.9
        assert padded / len(plan) > 0.8 * 60


def test_batches_of_equal_cuts_are_full():
    plan = plan_batches(bare_cuts([2.0] * 32), 10.0, seed=0)
    assert sorted(map(len, plan)) == [2, 5, 5, 5, 5, 5, 5]


# ---- speed


def test_speed_changes_duration_and_sound_but_no_name_or_text(tmp_path):
    cuts = [write_cut(tmp_path, f"u{n}", "a cab", sine(1000, 1.0), subtype="FLOAT") for n in range(12)]
    perturbed = perturb_speeds(cuts, (0.8, 1.0, 1.25), seed=0, epoch=0)
    assert {cut.duration for cut in perturbed} == {1.25, 1.0, 0.8}
    for cut in perturbed:
        assert cut.cut().duration == pytest.approx(cut.duration, abs=1 / RATE)
        (batch,) = load_batches([[cut]], TOKENIZER, sample_rate=RATE, loaders=0)
        waveform = batch.waveforms[0, 1000:-1000].numpy()
        pitch = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))).argmax() * RATE / len(waveform)
        assert abs(len(batch.waveforms[0]) - cut.duration * RATE) <= 1
        assert pitch == pytest.approx(1000 / cut.duration, rel=0.01)
    assert [(cut.id, cut.text) for cut in perturbed] == [(cut.id, "a cab") for cut in cuts]


def test_a_speed_of_one_is_the_cut_itself(tmp_path):
    cuts = corpus(tmp_path)
    assert all(a is b for a, b in zip(perturb_speeds(cuts, (1.0,), seed=0, epoch=0), cuts, strict=True))


# ---- batches


def make_batch(sizes, texts=TEXTS):
    waveforms = [torch.from_numpy(noise(size, seed=number)) for number, size in enumerate(sizes)]
    texts = [texts[number % len(texts)] for number in range(len(sizes))]
    return collate([f"u{number}" for number in range(len(sizes))], texts, waveforms, TOKENIZER)


def test_collating_pads_waveforms_and_tokens_with_zeros():
    batch = make_batch([5, 3, 8, 1])
    assert batch.ids == ("u0", "u1", "u2", "u3") and batch.texts == TEXTS
    assert batch.num_samples.tolist() == [5, 3, 8, 1] and batch.waveforms.shape == (4, 8)
    assert batch.tokens.tolist() == [[2, 1, 4, 2, 3], [0] * 5, [3, 0, 0, 0, 0], [4, 4, 0, 0, 0]]
    assert batch.num_tokens.tolist() == [5, 0, 1, 2]
    for number, (row, size) in enumerate(zip(batch.waveforms, batch.num_samples, strict=True)):
        assert torch.equal(row[:size], torch.from_numpy(noise(int(size), seed=number)))
        assert not row[size:].any()


def rows(batch):
    """What a batch holds of each utterance, padding stripped."""
    return {
        name: (text, waveform[:samples].tolist(), tokens[:count].tolist())
        for name, text, waveform, samples, tokens, count in zip(
            batch.ids,
            batch.texts,
            batch.waveforms,
            batch.num_samples.tolist(),
            batch.tokens,
            batch.num_tokens.tolist(),
            strict=True,
        )
    }


@unhurried
@given(st.lists(st.integers(1, 50), min_size=1, max_size=9), st.integers(1, 5))
def test_splitting_deals_every_utterance_to_one_trimmed_and_balanced_part(sizes, shards):
    """Balanced where the longest come first, as they do in plans."""
    whole = make_batch(sorted(sizes, reverse=True))
    parts = whole.split(shards)
    assert len(parts) == min(shards, len(sizes))
    held = [rows(part) for part in parts]
    assert sum(map(len, held)) == len(sizes)
    assert {name: row for part in held for name, row in part.items()} == rows(whole)
    for part in parts:
        assert part.waveforms.shape[1] == part.num_samples.max()
        assert part.tokens.shape[1] == part.num_tokens.max()
    assert max(map(len, held)) - min(map(len, held)) <= 1
    work = [int(part.num_samples.sum()) for part in parts]
    assert max(work) - min(work) <= max(sizes)


def test_splitting_changes_no_score():
    whole = make_batch([16_000, 4_000, 9_000, 300, 12_345])
    model = recogniser(layers=2)
    expected = model.emissions(whole.waveforms, whole.num_samples)
    alone = dict(zip(whole.ids, expected.utterances(), strict=True))
    for part in whole.split(2):
        found = model.emissions(part.waveforms, part.num_samples)
        for name, log_probs in zip(part.ids, found.utterances(), strict=True):
            torch.testing.assert_close(log_probs, alone[name], atol=1e-4, rtol=0)
            assert greedy(log_probs).tokens == greedy(alone[name]).tokens


def test_moving_to_a_device_moves_every_tensor():
    moved = make_batch([5, 3]).to(torch.device("meta"))
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 4 and all(tensor.is_meta for tensor in tensors)


# ---- loading


@pytest.mark.parametrize("loaders", [0, 1])
def test_batches_come_in_the_order_of_the_plan_with_the_sound_of_their_files(tmp_path, loaders):
    cuts = corpus(tmp_path)
    plan = [[cuts[2]], [cuts[3], cuts[0]], [cuts[1]]]
    batches = list(load_batches(plan, TOKENIZER, sample_rate=RATE, loaders=loaders))
    assert [batch.ids for batch in batches] == [("u2",), ("u3", "u0"), ("u1",)]
    assert all(isinstance(batch, Batch) for batch in batches)
    expected = make_batch([9_000, 5_000, 20_000, 700])
    assert {name: row for batch in batches for name, row in rows(batch).items()} == rows(expected)


def test_an_empty_plan_has_no_batch():
    assert list(load_batches([], TOKENIZER, sample_rate=RATE, loaders=0)) == []


def test_channels_are_averaged_and_other_rates_resampled(tmp_path):
    stereo = np.stack([sine(500, 0.5, 8_000), np.zeros(4_000, np.float32)], axis=1)
    cut = write_cut(tmp_path, "stereo", "a", stereo, subtype="FLOAT")  # the helper's rate: 16 kHz
    (batch,) = load_batches([[cut]], TOKENIZER, sample_rate=RATE, loaders=0)
    np.testing.assert_allclose(batch.waveforms[0].numpy(), stereo.mean(axis=1), atol=1e-7)
    (half,) = load_batches([[cut]], TOKENIZER, sample_rate=8_000, loaders=0)
    assert half.num_samples.tolist() == [2_000]


def test_peaks_that_were_cut_off_are_restored_before_the_rate_changes(tmp_path):
    loud = np.clip(np.stack([sine(500, 0.5, 8_000, level=4.0), sine(300, 0.5, 8_000)], axis=1), -1, 1)
    cut = write_cut(tmp_path, "loud", "a", loud)
    for rate in (RATE, 8_000):
        (batch,) = load_batches([[cut]], TOKENIZER, sample_rate=rate, loaders=0)
        expected = load(tmp_path / "loud.wav", sample_rate=rate)
        np.testing.assert_allclose(batch.waveforms[0].numpy(), expected, atol=1e-6)
        assert np.abs(expected).max() > 1


def test_segments_of_an_mp3_begin_with_their_own_sound(tmp_path):
    """libsndfile alone begins them with silence: it does not know the bits of earlier frames."""
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.concatenate([sine(400, 3.0), sine(800, 3.0)]), RATE)
    whole = soundfile.read(path, dtype="float32")[0]
    recording = Recording.from_file(path).to_cut()
    for offset in (0.0, 1.25, 5.3):
        cut = LazyCut.of(recording.truncate(offset=offset, duration=0.5))
        (batch,) = load_batches([[cut]], TOKENIZER, sample_rate=RATE, loaders=0)
        first = round(offset * RATE)
        np.testing.assert_allclose(batch.waveforms[0].numpy(), whole[first : first + RATE // 2], atol=1e-6)


@pytest.mark.parametrize("loaders", [0, 1])
@pytest.mark.parametrize("content", [None, b"", b"not audio\n" * 99], ids=["missing", "empty", "text"])
def test_audio_that_cannot_be_read_names_its_utterance(tmp_path, loaders, content):
    cuts = corpus(tmp_path)
    (tmp_path / "u1.wav").unlink()
    if content is not None:
        (tmp_path / "u1.wav").write_bytes(content)
    batches = load_batches([[cuts[0]], [cuts[2], cuts[1]]], TOKENIZER, sample_rate=RATE, loaders=loaders)
    assert next(batches).ids == ("u0",)
    with pytest.raises(DataError) as caught:
        next(batches)
    message = str(caught.value)
    assert message.startswith("utterance u1: its audio cannot be read (") and "\n" not in message
    assert str(tmp_path / "u1.wav") in message


@pytest.mark.parametrize(("form", "kept"), [("wav", 0.5), ("wav", 0.7), ("flac", 0.5), ("ogg", 0.5)])
@pytest.mark.parametrize("speed", [1.0, 1.1])
def test_a_file_that_was_cut_short_after_preparing_says_so(tmp_path, form, kept, speed):
    path = tmp_path / f"u.{form}"
    soundfile.write(path, noise(3 * RATE), RATE)
    cut = LazyCut.of(Recording.from_file(path, recording_id="u").to_cut())
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    cut = cut.at_speed(speed)
    with pytest.raises(DataError) as caught:
        next(load_batches([[cut]], TOKENIZER, sample_rate=RATE, loaders=0))
    message = str(caught.value)
    assert f"{path} is shorter than when it was prepared" in message and "of 3.00 s" in message
    assert "\n" not in message and "lhotse" not in message.lower() and len(message) < 250


def test_loaders_need_no_shared_memory_for_batches(tmp_path):
    """A container has 64 MB of it, and a loader that finds none would hang."""
    batch = next(load_batches([corpus(tmp_path)], TOKENIZER, sample_rate=RATE, loaders=1))
    assert not batch.waveforms.is_shared() and not batch.tokens.is_shared()


@pytest.mark.parametrize("after", [0, 1])
def test_where_no_loader_can_be_started_this_process_loads(tmp_path, monkeypatch, after):
    def start(*arguments):
        if after == len(started):
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        started.append(Child(*arguments))
        return started[-1]

    started, told, plan = [], Told(), [[cut] for cut in corpus(tmp_path)]
    plain = list(load_batches(plan, TOKENIZER, sample_rate=RATE, loaders=0))
    monkeypatch.setattr(module, "Child", start)
    found = list(load_batches(plan, TOKENIZER, sample_rate=RATE, loaders=2, progress=told))
    assert [batch.ids for batch in found] == [batch.ids for batch in plain]
    assert all(torch.equal(a.waveforms, b.waveforms) for a, b in zip(found, plain, strict=True))
    [line] = told.lines
    assert "no loader can be started (Resource temporarily unavailable)" in line and "--loaders 0" in line


def test_a_loader_that_is_killed_is_an_error(tmp_path, monkeypatch):
    class Killed(module.BatchDataset):
        def __getitem__(self, index):
            if index == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(index)

    monkeypatch.setattr(module, "BatchDataset", Killed)
    batches = load_batches([[cut] for cut in corpus(tmp_path)], TOKENIZER, sample_rate=RATE, loaders=1)
    with pytest.raises(DataError, match="a loader process died"):
        list(batches)


def test_a_loader_makes_a_few_batches_ahead_and_not_all(tmp_path, monkeypatch):
    class Slow(module.BatchDataset):
        def __getitem__(self, index):
            (tmp_path / f"made-{index}").touch()
            return super().__getitem__(index)

    monkeypatch.setattr(module, "BatchDataset", Slow)
    long = write_cut(tmp_path, "long", "a", noise(10 * RATE))  # a pipe does not hold it
    batches = load_batches(20 * [[long]], TOKENIZER, sample_rate=RATE, loaders=1)
    next(batches)
    last = 1 + module.AHEAD  # beside the second, which waits in the pipe
    deadline = time.monotonic() + 60
    while not (tmp_path / f"made-{last}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(list(tmp_path.glob("made-*"))) == 1 + last


def test_a_cut_without_a_recording_names_itself():
    with pytest.raises(DataError, match="utterance u0: its audio cannot be read"):
        next(load_batches([bare_cuts([1.0])], TOKENIZER, sample_rate=RATE, loaders=0))


def test_loaders_give_way_a_little_and_not_to_everybody(tmp_path, monkeypatch):
    """At the lowest priority they, and training, would starve beside other busy programs."""

    def collate_niceness(ids, *_, **__):
        return dataclasses.replace(make_batch([5]), ids=(str(os.nice(0)),))

    monkeypatch.setattr("asr.data.batches.collate", collate_niceness)
    plan = [[cut] for cut in corpus(tmp_path)[:1]]
    (here,), (there,) = (load_batches(plan, TOKENIZER, sample_rate=RATE, loaders=n) for n in (0, 1))
    assert 0 < int(there.ids[0]) - int(here.ids[0]) <= 5

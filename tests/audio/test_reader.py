"""Recordings of every kind: the right samples to their true end, or one line that names the file.

Each input is made here. A recording is recognised by tones: which pitch is where.
"""

import contextlib
import io
import os
import shutil
import struct
import sys
import threading
import types

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.media import write_media
from support.tiny import RATE, noise, sine, unhurried

from asr.audio import media, reader
from asr.audio.media import LONGEST_GAP, MOST_FILLED, _Clock
from asr.audio.reader import open_recording
from asr.audio.waveform import info, load, resample
from asr.data.recording import examine
from asr.errors import DataError


def read(source, sample_rate=RATE, **options):
    """All samples, and the warnings."""
    with open_recording(source, **options) as recording:
        waveform = np.concatenate(list(recording.blocks(1.0, sample_rate=sample_rate)))
        assert recording.seconds == pytest.approx(len(waveform) / sample_rate, abs=1e-3)
        return waveform, recording.warnings


def pitch(waveform, start, end):
    """The strongest frequency of a stretch, in Hz; 0 for silence."""
    stretch = waveform[round(start * RATE) : round(end * RATE)]
    if np.abs(stretch).max() < 1e-3:
        return 0
    spectrum = np.abs(np.fft.rfft(stretch * np.hanning(len(stretch))))
    return spectrum.argmax() * RATE / len(stretch)


def has_pitches(waveform, stretches):
    for start, end, expected in stretches:
        assert pitch(waveform, start, end) == pytest.approx(expected, abs=12), (start, end)


def patched(path, place, content):
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    path.write_bytes(data)
    return path


def torn(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def message(source, **options):
    with pytest.raises(DataError) as caught:
        read(source, **options)
    text = str(caught.value)
    assert text.startswith(f"{source}: ") and "\n" not in text
    return text.removeprefix(f"{source}: ")


# ---- blocks


@unhurried
@given(seconds=st.floats(0.01, 3.0), rate=st.sampled_from([8_000, 16_000, 22_050, 44_100]))
def test_blocks_together_are_the_whole_whatever_their_size(tmp_path_factory, seconds, rate):
    path = tmp_path_factory.getbasetemp() / f"blocks{rate}.wav"
    whole = noise(2 * rate + 123)
    if not path.exists():
        soundfile.write(path, whole, rate, subtype="FLOAT")
    with open_recording(path) as recording:
        blocks = list(recording.blocks(seconds, sample_rate=RATE))
        np.testing.assert_array_equal(np.concatenate(blocks), resample(whole, rate, RATE))
    sizes = {len(block) for block in blocks[:-1]}
    assert sizes <= {int(seconds * RATE + 0.5)} and 0 < len(blocks[-1]) <= max([*sizes, len(blocks[-1])])


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "m4a", "webm"])
def test_ten_minutes_are_never_held(tmp_path, monkeypatch, kind):
    """Before the first block is taken nothing is decoded, and after it a block."""
    path, minutes = tmp_path / f"a.{kind}", 10 if kind == "wav" else 1
    minute = noise(RATE * 60, level=0.05)
    rate = 48_000 if kind == "webm" else RATE
    if kind in ("m4a", "webm"):
        write_media(path, np.tile(minute, 3)[: 60 * rate], rate, {"m4a": "aac", "webm": "libopus"}[kind])
    else:
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            for start in range(0, minutes * len(minute), RATE):
                file.write(minute[start % len(minute) :][:RATE])
    decoded = 0
    by_second = reader._by_second

    def counted(blocks):
        def count():
            nonlocal decoded
            for samples, now in blocks:
                assert len(samples) <= now
                decoded += len(samples)
                yield samples, now

        return by_second(count())

    monkeypatch.setattr(reader, "_by_second", counted)
    with open_recording(path) as recording:
        blocks, taken = recording.blocks(5.0), 0
        assert decoded == 0
        for _ in range(4):
            taken += len(next(blocks))
            assert taken <= decoded <= taken + 2 * rate
        decoded -= taken
        for block in blocks:
            decoded -= len(block)
            assert abs(decoded) <= 2 * rate
        assert recording.seconds == pytest.approx(60 * minutes, abs=0.2)


def test_a_recording_is_read_again_from_its_beginning(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(RATE), RATE)
    with open_recording(tmp_path / "a.wav") as recording:
        next(recording.blocks(0.1))
        once, again = (np.concatenate(list(recording.blocks())) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("kind", ["m4a", "gsm.wav", "chain.ogg"])
def test_a_stretch_lies_where_it_lies_in_the_whole_where_nothing_can_be_sought(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "m4a":
        write_media(path, sine(440, 3.0), RATE, "aac")
    elif kind == "gsm.wav":
        soundfile.write(path, sine(440, 3.0, 8_000), 8_000, subtype="GSM610")
    else:
        for number in (1, 2):
            soundfile.write(tmp_path / f"{number}.ogg", sine(300 * number, 1.5), RATE)
        joined(path, tmp_path / "1.ogg", tmp_path / "2.ogg")
    rate = info(path).sample_rate
    whole = load(path, sample_rate=rate)
    stretch = load(path, sample_rate=rate, start=1.25, duration=1.0)
    np.testing.assert_array_equal(stretch, whole[int(1.25 * rate) : int(2.25 * rate)])


# ---- lengths that lie


def vbr_mp3(path, seconds=60):
    """Noise first, at a bit rate that follows: the first frames promise too short a file."""
    sound = np.concatenate([noise(5 * RATE), sine(440, seconds - 6), sine(880, 1.0)])
    soundfile.write(path, sound, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.3)
    return path


def first_frame(path):
    """Where an MP3's first frame begins, which only tells how many there are, and its length."""
    data = path.read_bytes()
    tag = max(data.find(b"Xing"), data.find(b"Info"))
    start = data.rfind(b"\xff", 0, tag)
    return start, data.find(data[start : start + 2], start + 4), tag


def test_an_mp3_that_does_not_tell_its_length_is_read_to_its_end(tmp_path):
    path = vbr_mp3(tmp_path / "a.mp3")
    _, second, _ = first_frame(path)
    path.write_bytes(path.read_bytes()[second:])
    assert soundfile.info(path).duration < 57, "what libsndfile believes"
    waveform, warnings = read(path)
    assert len(waveform) / RATE == pytest.approx(60, abs=0.3) and warnings == []
    has_pitches(waveform, [(10, 12, 440), (59.3, 59.8, 880)])


@pytest.mark.parametrize(("frames", "warned"), [(100, False), (10**6, True)])
def test_an_mp3_that_lies_about_its_length_is_read_to_its_end(tmp_path, frames, warned):
    path = vbr_mp3(tmp_path / "a.mp3")
    patched(path, first_frame(path)[2] + 8, struct.pack(">I", frames))
    waveform, warnings = read(path)
    assert len(waveform) / RATE == pytest.approx(60, abs=0.3)
    has_pitches(waveform, [(10, 12, 440), (59.3, 59.8, 880)])
    assert [("breaks off after 6" in line or "breaks off after 59" in line) for line in warnings] == [True] * warned


@pytest.mark.parametrize("start", [0.0, 0.3, 1.25, 2.6])
def test_an_mp3_has_no_silence_at_borders_of_blocks_and_stretches(tmp_path, start):
    """Tones need few bits, so frames borrow many of earlier ones."""
    tones = np.concatenate([sine(pitch, 1.0) for pitch in (400, 800, 1200, 1600)])
    soundfile.write(tmp_path / "a.mp3", tones, RATE)
    whole = soundfile.read(tmp_path / "a.mp3", dtype="float32")[0]
    found = load(tmp_path / "a.mp3", sample_rate=RATE, start=start)
    np.testing.assert_allclose(found, whole[round(start * RATE) :], atol=1e-6)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_ogg_is_read_link_by_link(tmp_path, subtype):
    """Even where the rate changes from link to link, and the number of channels."""
    parts = []
    for number, (rate, channels) in enumerate(((16_000, 1), (16_000, 1), (48_000, 2)), start=1):
        tone = np.stack([sine(300 * number, 2.0, rate)] * channels, axis=1)
        parts.append(tmp_path / f"{number}.ogg")
        soundfile.write(parts[-1], tone, rate, format="OGG", subtype=subtype)
    waveform, warnings = read(joined(tmp_path / "chain.ogg", *parts))
    assert len(waveform) == 6 * RATE and warnings == []
    has_pitches(waveform, [(0.2, 1.8, 300), (2.2, 3.8, 600), (4.2, 5.8, 900)])


def test_flac_from_a_pipe_has_no_total_and_is_read_whole(tmp_path):
    soundfile.write(tmp_path / "a.flac", sound := noise(5 * RATE), RATE)
    expected = load(tmp_path / "a.flac", sample_rate=RATE)
    patched(tmp_path / "a.flac", 22, bytes(4))  # STREAMINFO's count of samples
    waveform, warnings = read(tmp_path / "a.flac")
    assert len(expected) == len(sound) and warnings == []
    np.testing.assert_array_equal(waveform, expected)


@pytest.mark.parametrize("riff", [None, 0, 100, 0xFFFFFFFF])
@pytest.mark.parametrize("size", [None, 0, 1000, 0xFFFFFFFF])
@pytest.mark.parametrize("quiet", [False, True], ids=["sound", "silence"])
def test_wrong_sizes_in_a_wav_header_lose_nothing(tmp_path, riff, size, quiet):
    path = tmp_path / "a.wav"
    sound = np.concatenate([np.zeros(RATE, np.float32) if quiet else noise(RATE), noise(RATE)])
    soundfile.write(path, sound, RATE)
    expected = soundfile.read(path, dtype="float32")[0]
    data = path.read_bytes().index(b"data")
    for place, value in ((4, riff), (data + 4, size)):
        if value is not None:
            patched(path, place, struct.pack("<I", value))
    waveform, warnings = read(path)
    np.testing.assert_array_equal(waveform, expected)
    assert warnings == []


@pytest.mark.parametrize("tail", [b"LIST\x04\0\0\0INFO" + b"note\xf0\x0f\0\0" + b"x" * 4080, b"ID3\x03" + bytes(4000)])
def test_what_follows_the_samples_of_a_wav_is_no_sound(tmp_path, tail):
    soundfile.write(tmp_path / "a.wav", noise(RATE), RATE)
    with (tmp_path / "a.wav").open("ab") as file:
        file.write(tail)
    assert len(read(tmp_path / "a.wav")[0]) == RATE


@pytest.mark.parametrize("form", ["RF64", "W64", "CAF", "AU", "AIFF", "NIST", "WAVEX"])
def test_large_and_rare_headers_are_read(tmp_path, form):
    soundfile.write(tmp_path / "a", sound := noise(RATE), RATE, format=form, subtype="PCM_16")
    waveform, warnings = read(tmp_path / "a")
    np.testing.assert_allclose(waveform, sound, atol=1e-4)
    assert warnings == []


@pytest.mark.parametrize("form", ["WAV", "RF64", "AIFF", "AU", "W64", "NIST", "FLAC", "MP3"])
def test_of_a_file_that_breaks_off_there_is_what_there_is_and_a_warning(tmp_path, form):
    path = tmp_path / "a.bin"
    soundfile.write(path, noise(5 * RATE, level=0.2), RATE, format=form, subtype=None if form == "MP3" else "PCM_16")
    whole = load(path, sample_rate=RATE)
    waveform, (warning,) = read(torn(path))
    seconds = len(waveform) / RATE
    assert 2.5 < seconds < 3.1
    assert warning == f"{path}: breaks off after {seconds:.2f} s of 5.00 s; copy or fetch it again"
    if form != "MP3":  # of which FFmpeg reads what is left, by its own decoder
        np.testing.assert_array_equal(waveform, whole[: len(waveform)])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_that_breaks_off_promised_nothing_but_has_no_end(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(20 * RATE), RATE, format="OGG", subtype=subtype)
    assert read(path)[1] == []
    waveform, (warning,) = read(torn(path))
    seconds = len(waveform) / RATE
    assert 10 < seconds < 13
    assert warning == f"{path}: has no end; {seconds:.2f} s were read, if there was more it is lost"


def test_a_film_that_breaks_off_is_read_as_far_as_it_goes(tmp_path):
    path = write_media(tmp_path / "a.mp4", noise(5 * RATE), RATE, "aac", muxer={"movflags": "faststart"})
    waveform, (warning,) = read(torn(path))
    assert 2.5 < len(waveform) / RATE < 3.2 and "breaks off after" in warning and "of 5.0" in warning
    path = write_media(tmp_path / "b.mp4", noise(5 * RATE), RATE, "aac")
    assert "not readable as audio" in message(torn(path)), "its index comes last"


def test_what_ffmpeg_decodes_of_damage_is_told(tmp_path):
    """libsndfile refuses such a frame, so training could not read it."""
    soundfile.write(tmp_path / "a.flac", noise(4 * RATE), RATE)
    content = (tmp_path / "a.flac").read_bytes()
    middle = len(content) // 2
    waveform, (warning,) = read(patched(tmp_path / "a.flac", middle, bytes([content[middle] ^ 1])))
    assert len(waveform) == 4 * RATE and "a.flac: a part is damaged" in warning
    with pytest.raises(DataError, match=r"a.flac: a part is damaged"):
        examine(tmp_path / "a.flac", check="decode", rewritten=tmp_path, sample_rate=RATE)


def test_what_is_damaged_is_left_out_and_counted(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(20 * RATE), RATE)
    patched(path, path.stat().st_size // 2, bytes(3000))
    waveform, (warning,) = read(path)
    assert (18.5 < len(waveform) / RATE < 20 and "breaks off after" in warning) or "damaged and left out" in warning


# ---- kinds of samples


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        *(("WAV", kind) for kind in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
        *(("WAV", kind) for kind in ("IMA_ADPCM", "MS_ADPCM")),
        *(("AIFF", kind) for kind in ("PCM_S8", "PCM_24", "FLOAT")),
        *(("FLAC", kind) for kind in ("PCM_S8", "PCM_16", "PCM_24")),
    ],
)
def test_every_kind_of_sample_is_read(tmp_path, form, subtype):
    soundfile.write(tmp_path / "a", sine(440, 1.0), RATE, format=form, subtype=subtype)
    waveform, warnings = read(tmp_path / "a")
    assert abs(len(waveform) - RATE) <= 1024 and warnings == []  # ADPCM fills its last block
    has_pitches(waveform, [(0.1, 0.9, 440)])
    assert np.abs(waveform).max() == pytest.approx(0.5, abs=0.03)


def test_gsm_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(440, 2.0, 8_000), 8_000, subtype="GSM610")
    waveform, warnings = read(tmp_path / "a.wav")
    assert len(waveform) / RATE == pytest.approx(2.0, abs=0.05) and warnings == []
    has_pitches(waveform, [(0.1, 1.9, 440)])


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_averaged_or_chosen(tmp_path, channels):
    sounds = np.stack([noise(RATE, seed=seed) for seed in range(channels)], axis=1)
    soundfile.write(tmp_path / "a.wav", sounds, RATE, subtype="FLOAT")
    waveform, warnings = read(tmp_path / "a.wav")
    np.testing.assert_allclose(waveform, sounds.mean(axis=1), atol=1e-6)
    assert warnings == []
    for channel in range(channels):
        np.testing.assert_array_equal(read(tmp_path / "a.wav", channel=channel)[0], sounds[:, channel])
    assert message(tmp_path / "a.wav", channel=channels) == (
        f"has no channel {channels}; it has {channels}, counted from 0"
    )


def test_channels_that_cancel_each_other_are_not_averaged(tmp_path):
    left = np.concatenate([np.zeros(RATE // 2, np.float32), noise(3 * RATE)])
    soundfile.write(tmp_path / "a.wav", np.stack([left, -0.98 * left], axis=1), RATE, subtype="FLOAT")
    waveform, (warning,) = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(waveform, left)
    assert warning == (
        f"{tmp_path / 'a.wav'}: its channels cancel each other at 0.00 s; from there on channel 0 is read"
    )
    assert read(tmp_path / "a.wav", channel=1)[1] == []


@pytest.mark.parametrize("gain", [1.0, 0.7])
@pytest.mark.parametrize("rest", [0.01, 0.03])
def test_a_voice_is_kept_where_inverse_channels_have_noise_of_their_own(tmp_path, gain, rest):
    """The average has only the noise."""
    voice = noise(4 * RATE, seed=9)
    channels = np.stack([voice + noise(4 * RATE, seed=1, level=rest), noise(4 * RATE, level=rest) - gain * voice])
    soundfile.write(tmp_path / "a.wav", channels.T, RATE, subtype="FLOAT")
    waveform, (warning,) = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(waveform, channels[0])
    assert "cancel each other at 0.00 s" in warning


def test_the_other_voice_of_a_call_is_kept_behind_a_second_that_cancels(tmp_path):
    """Hum on both wires, in a pause of one who has an echo; then the other one talks."""
    voice, hum = noise(4 * RATE, level=0.2), sine(50, 1.0, level=0.001)
    left = np.concatenate([voice, hum, 0 * voice])
    right = np.concatenate([-0.1 * voice, -hum, noise(4 * RATE, seed=3)])
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    waveform, warnings = read(tmp_path / "a.wav")
    np.testing.assert_allclose(waveform, (left + right) / 2, atol=1e-7)
    assert warnings == []


def test_the_average_is_kept_where_a_single_channel_sounds(tmp_path):
    sounds = np.zeros((RATE, 8), np.float32)
    sounds[:, 3] = noise(RATE)
    soundfile.write(tmp_path / "a.wav", sounds, RATE, subtype="FLOAT")
    waveform, warnings = read(tmp_path / "a.wav")
    np.testing.assert_allclose(waveform, sounds[:, 3] / 8, atol=1e-7)
    assert warnings == []


@pytest.mark.parametrize("rate", [1, 999, 10_000_000])
def test_a_rate_that_no_recording_has_is_named(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", noise(RATE), RATE)
    patched(tmp_path / "a.wav", 24, struct.pack("<I", rate))
    assert message(tmp_path / "a.wav") == (
        f"says that it has {rate} samples a second, which no recording has; correct its header, "
        "or convert it again from its source"
    )


def test_a_header_without_channels_or_rate_is_named(tmp_path):
    for place, size in ((22, 2), (24, 4)):
        soundfile.write(tmp_path / "a.wav", noise(RATE), RATE)
        patched(tmp_path / "a.wav", place, bytes(size))
        assert message(tmp_path / "a.wav").startswith("not readable as audio (")


def test_a_single_sample_that_is_no_number_of_sound_is_named(tmp_path):
    for value in (np.nan, np.inf, -np.inf, 1e20):
        sound = noise(3 * RATE)
        sound[-5] = value
        soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
        assert message(tmp_path / "a.wav") == (
            "holds samples that are not numbers of sound; convert it again from its source"
        )


# ---- containers


@pytest.mark.parametrize(
    ("ending", "codec", "form"),
    [
        ("ts", "aac", "mpegts"),
        ("mka", "aac", "matroska"),
        ("mkv", "flac", "matroska"),
        ("avi", "mp2", "avi"),
        ("m4b", "aac", "mp4"),
        ("m4a", "alac", "ipod"),
        ("mp4", "aac", "mp4"),
        ("mov", "aac", "mov"),
        ("ac3", "ac3", "ac3"),
        ("aac", "aac", "adts"),
        ("webm", "libopus", "webm"),
        ("3gp", "aac", "3gp"),
        ("wma", "wmav2", "asf"),
    ],
)
def test_every_container_gives_back_its_sound(tmp_path, ending, codec, form):
    """By its content: the ending is another one's, or none."""
    sound = np.stack([np.concatenate([sine(440, 2.0, 48_000), sine(880, 2.0, 48_000)])] * 2)
    path = write_media(tmp_path / f"a.{ending}", sound, 48_000, codec, form)
    for name in (path.name, "a.wav", "a.mp3", "nothing"):
        copy = tmp_path / name
        if copy != path:
            shutil.copy(path, copy)
        waveform, warnings = read(copy)
        assert len(waveform) / RATE == pytest.approx(4.0, abs=0.1) and warnings == []
        has_pitches(waveform, [(0.2, 1.8, 440), (2.2, 3.8, 880)])


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.raw", "a.txt", "a"])
def test_a_wav_may_be_called_anything(tmp_path, name):
    soundfile.write(tmp_path / "a.wav", sound := noise(RATE), RATE, subtype="FLOAT")
    (tmp_path / "a.wav").rename(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name)[0], sound)


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "aac"), ("mkv", "aac"), ("ts", "aac"), ("mov", "aac")])
def test_sound_that_starts_late_in_a_film_is_late(tmp_path, ending, codec):
    form = {"ts": "mpegts", "mkv": "matroska"}.get(ending)
    path = write_media(tmp_path / f"a.{ending}", sine(440, 2.0), RATE, codec, form, video=True, start=2.0)
    waveform, warnings = read(path)
    assert len(waveform) / RATE == pytest.approx(4.0, abs=0.15) and warnings == []
    has_pitches(waveform, [(0.1, 1.85, 0), (2.2, 3.8, 440)])


def test_a_recording_without_picture_begins_where_its_sound_does(tmp_path):
    path = write_media(tmp_path / "a.mkv", sine(440, 2.0), RATE, "aac", "matroska", start=100.0)
    assert len(read(path)[0]) / RATE == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("ending", ["mkv", "webm", "ts"])
def test_gaps_are_silence(tmp_path, ending):
    codec, form = {"mkv": ("aac", "matroska"), "webm": ("libopus", "webm"), "ts": ("aac", "mpegts")}[ending]
    path = write_media(
        tmp_path / f"a.{ending}", sine(440, 3.0, 48_000), 48_000, codec, form, gaps=[(1.0, 3.0), (2.0, 0.5)]
    )
    waveform, warnings = read(path)
    assert len(waveform) / RATE == pytest.approx(6.5, abs=0.15) and warnings == []
    has_pitches(waveform, [(0.1, 0.9, 440), (1.15, 3.85, 0), (4.2, 4.85, 440), (5.15, 5.4, 0), (5.65, 6.4, 440)])


@pytest.mark.parametrize(("ending", "codec", "rate"), [("mka", "pcm_s16le", RATE), ("webm", "libopus", 48_000)])
def test_sound_alone_that_begins_late_is_no_less_than_promised(tmp_path, ending, codec, rate):
    path = write_media(tmp_path / f"a.{ending}", sine(440, 2.0, rate), rate, codec, start=2.0)
    waveform, warnings = read(path)
    assert len(waveform) / RATE == pytest.approx(2.0, abs=0.1) and warnings == []


def test_a_playlist_has_no_other_file_read(tmp_path, monkeypatch):
    """FFmpeg joins the files that such a list names, wherever it came from."""
    soundfile.write(tmp_path / "secret.wav", noise(RATE), RATE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"ffconcat version 1.0\n#\x01\x02\nfile secret.wav\n")
    assert "not readable as audio" in message(tmp_path / "a.wav")


def test_time_that_begins_anew_in_a_broadcast_is_no_gap():
    clock = media._Clock(1.4)
    assert clock.gap(1.4, 10.0) == 0
    clock.position = 5.0
    assert clock.gap(6.4, 10.0) == 0
    assert clock.gap(8.4, 10.0) == pytest.approx(2.0)
    assert clock.gap(26 * 3600, 10.0) == 0
    assert clock.gap(26 * 3600, 10.0) == 0, "time goes on from there"
    assert clock.gap(0.0, 10.0) == 0
    assert clock.gap(3.0, 10.0) == pytest.approx(3.0)


@pytest.mark.parametrize("default", [0, 1])
def test_of_several_tracks_there_is_the_default_one_or_the_chosen_one(tmp_path, default):
    path = write_media(
        tmp_path / "a.mkv", sine(300, 2.0), RATE, "flac", "matroska", others=[sine(900, 2.0)], default=default
    )
    pitches = (300, 900)
    has_pitches(read(path)[0], [(0.2, 1.8, pitches[default])])
    for track in (0, 1):
        has_pitches(read(path, track=track)[0], [(0.2, 1.8, pitches[track])])
    assert message(path, track=2) == "has no sound track 2; it has 2, counted from 0"


def test_a_film_without_sound_and_a_wav_with_one_track_are_named(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for made in (av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"), None):
            container.mux(stream.encode(made))
    assert message(tmp_path / "a.mp4") == "has no sound track"
    soundfile.write(tmp_path / "a.wav", noise(RATE), RATE)
    assert message(tmp_path / "a.wav", track=1) == "has no sound track 1; it has 1, counted from 0"
    assert len(read(tmp_path / "a.wav", track=0)[0]) == RATE


def test_two_formats_in_one_stream_are_one_recording(tmp_path):
    """Mono at 16 kHz, then stereo at 44.1 kHz."""
    one = write_media(tmp_path / "1.aac", sine(440, 2.0), RATE, "aac", "adts")
    two = write_media(tmp_path / "2.aac", np.stack([sine(880, 3.0, 44_100)] * 2), 44_100, "aac", "adts")
    waveform, warnings = read(joined(tmp_path / "a.aac", one, two))
    assert len(waveform) / RATE == pytest.approx(5.1, abs=0.15) and warnings == []
    has_pitches(waveform, [(0.2, 1.9, 440), (2.5, 4.9, 880)])
    assert message(tmp_path / "a.aac", channel=1) == "has no channel 1; it has 1, counted from 0"


# ---- names, and what is no file


@pytest.mark.parametrize("name", ["12:30:00.wav", "http:a.wav", "50%d.wav", "pipe:0", "ü ' \".wav", "e" * 246 + ".wav"])
@pytest.mark.parametrize("kind", ["wav", "m4a"])
def test_names_mean_nothing(tmp_path, name, kind):
    path = tmp_path / "a"
    if kind == "wav":
        soundfile.write(path, noise(RATE), RATE, format="WAV")
    else:
        write_media(path, noise(RATE), RATE, "aac", "ipod")
    path.rename(tmp_path / name)
    assert len(read(tmp_path / name)[0]) == pytest.approx(RATE, abs=0.1 * RATE)


def test_a_name_of_another_encoding_is_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    soundfile.write(tmp_path / "a.wav", noise(RATE), RATE)
    try:
        os.rename(tmp_path / "a.wav", path)  # noqa: PTH104
    except OSError:
        pytest.skip("this file system takes no such names")
    assert len(read(os.fsdecode(path))[0]) == RATE


def test_what_is_no_recording_is_named(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    for name, content, reason in (
        ("empty.wav", b"", "not readable as audio (the file is empty)"),
        ("text.wav", "Straße, naïve\n".encode() * 200, "it is text"),
        ("playlist.wav", b"#EXTM3U\n#EXTINF:5,\nhttp://localhost/a.ts\n#EXT-X-ENDLIST\n", "it is text"),
        ("short.wav", b"RIFF\0\0\0\0WAVE", "not readable as audio"),
        ("noise.wav", np.random.default_rng(0).bytes(5000), "not readable as audio"),
        ("zeros.wav", bytes(5000), "not readable as audio"),
        ("bare.raw", bytes(1000), "bare samples do not say their rate"),
    ):
        (tmp_path / name).write_bytes(content)
        assert reason in message(tmp_path / name)
    assert "is a folder" in message(tmp_path / "folder.wav")
    assert "no such audio file" in message(tmp_path / "gone.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    assert "holds no samples" in message(tmp_path / "none.wav")


def content(kind, folder):
    path = folder / "content"
    if kind == "wav":
        soundfile.write(path, noise(RATE), RATE, format="WAV")
    else:
        write_media(path, noise(RATE), RATE, "aac", "mp4")
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["wav", "mp4"])
def test_a_pipe_is_read(tmp_path, kind):
    """Even what has its index at the end."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content(kind, tmp_path),))
    writer.start()
    assert len(read(tmp_path / "pipe")[0]) == pytest.approx(RATE, abs=0.1 * RATE)
    writer.join()


@pytest.mark.parametrize("kind", ["wav", "mp4"])
def test_standard_input_is_read(tmp_path, monkeypatch, kind):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise OSError("a pipe")

    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=Pipe(content(kind, tmp_path)), isatty=lambda: False))
    assert len(read("-")[0]) == pytest.approx(RATE, abs=0.1 * RATE)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=Pipe(b""), isatty=lambda: False))
    with pytest.raises(DataError, match=r"standard input: .*empty"):
        read("-")


def test_an_open_file_is_read(tmp_path):
    assert len(read(io.BytesIO(content("wav", tmp_path)))[0]) == RATE


def test_a_disk_that_fails_breaks_the_recording_off(tmp_path):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    soundfile.write(tmp_path / "a.wav", sound := noise(10 * RATE), RATE)
    waveform, (warning,) = read(Failing((tmp_path / "a.wav").read_bytes()))
    assert 3 < len(waveform) / RATE < len(sound) / RATE and "breaks off after" in warning and "of 10.00 s" in warning


def test_tags_of_another_encoding_do_not_matter(tmp_path):
    path = write_media(tmp_path / "a.mka", noise(RATE), RATE, "flac", "matroska", title="cafe")
    data = path.read_bytes()
    assert b"cafe" in data
    path.write_bytes(data.replace(b"cafe", b"caf\xe9"))
    assert len(read(path)[0]) == RATE


@pytest.mark.parametrize("codec", ["aac", "libopus", "flac"])
def test_eight_channels_are_read(tmp_path, codec):
    """The planes of a 7.1 frame are as many as there is room for, and PyAV reads past them."""
    one = np.sin(2 * np.pi * 440 * np.arange(2 * 48_000) / 48_000)
    path = write_media(tmp_path / "a.mka", np.stack([0.02 * (n + 1) * one for n in range(8)]), 48_000, codec)
    waveform, _ = read(path)
    assert abs(len(waveform) - 2 * RATE) < 0.1 * RATE and np.abs(waveform).max() > 0.02


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """A second of every kind, for damage."""
    folder = tmp_path_factory.mktemp("whole")
    for form in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "NIST"):
        soundfile.write(folder / form, noise(RATE), RATE, format=form)
    for codec, form in (("aac", "adts"), ("aac", "ipod"), ("libopus", "matroska"), ("aac", "mpegts"), ("mp2", "avi")):
        write_media(folder / form, noise(RATE), RATE, codec, form)
    write_media(folder / "7.1", np.stack([noise(RATE)] * 8), 48_000, "aac", "adts")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@settings(unhurried, max_examples=150)
@given(data=st.data())
def test_no_damage_is_a_traceback(whole_files, data):
    """Bytes are changed, mostly in the header, and the end is cut off."""
    damaged = bytearray(data.draw(st.sampled_from(whole_files)))
    places = st.integers(0, 199) | st.integers(0, len(damaged) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        damaged[place] = byte
    del damaged[data.draw(st.integers(1, len(damaged))) :]
    with contextlib.suppress(DataError), open_recording(io.BytesIO(bytes(damaged))) as recording:
        for block in recording.blocks(1.0, sample_rate=RATE):
            assert np.isfinite(block).all()
            if recording.seconds > 60:  # a rate or a time stamp that was changed
                break


def test_gaps_are_filled_up_to_a_day_in_all():
    """A few bytes of time stamps may ask for years of silence."""
    clock, silence = _Clock(0.0), 0.0
    for number in range(100):
        gap = clock.gap(3600.0 * (number + 1), LONGEST_GAP)
        clock.position += gap
        silence += gap
    assert silence == MOST_FILLED

"""The official `openai` client against a server on a port, with a tiny model."""

import base64
import io

import numpy as np
import pytest
import soundfile
import srt
import webvtt
from support.talkative import sound, talkative, wav
from support.tiny import RATE

pytest.importorskip("fastapi")
pytest.importorskip("openai", reason="pip install openai: its client is not here")

import openai
from support.serving import serving

from asr.server.app import create_app
from asr.server.service import Service

TRANSCRIBER = talkative()
TEXT = TRANSCRIBER.transcribe(soundfile.read(io.BytesIO(wav()), dtype="float32")[0], RATE)


@pytest.fixture(scope="module")
def client():
    service = Service({"tiny": TRANSCRIBER}, jobs=2)
    with (
        serving(create_app(service, tokens=["secret"])) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="secret", max_retries=0) as client,
    ):
        yield client


def ask(client, **fields):
    return client.audio.transcriptions.create(model="tiny", file=("a.wav", wav()), **fields)


def test_text_and_its_log_probabilities(client):
    found = ask(client, language="en", prompt="names", temperature=0.4, include=["logprobs"])
    assert found.text == TEXT.text and found.usage.type == "duration" and found.usage.seconds == 2
    assert "".join(token.token for token in found.logprobs) == TEXT.text
    assert all(token.logprob <= 0 and bytes(map(int, token.bytes)).decode() == token.token for token in found.logprobs)


def test_times_of_words_and_segments(client):
    found = ask(client, response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en")
    assert [(w.word, w.start, w.end) for w in found.words] == [
        (w.text, round(w.start, 3), round(w.end, 3)) for w in TEXT.words
    ]
    assert [s.text for s in found.segments] == [s.text for s in TEXT.segments]
    assert (found.duration, found.language, found.usage.seconds) == (2.0, "en", 2)
    assert all(segment.avg_logprob <= 0 and segment.id == place for place, segment in enumerate(found.segments))


def test_subtitles_and_text(client):
    assert ask(client, response_format="text") == TEXT.text + "\n"
    assert list(srt.parse(ask(client, response_format="srt")))
    assert list(webvtt.from_string(ask(client, response_format="vtt")))


def test_a_stream_of_deltas(client):
    *deltas, done = ask(client, stream=True, include=["logprobs"])
    assert {event.type for event in deltas} == {"transcript.text.delta"} and done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text == TEXT.text
    assert "".join(token.token for token in done.logprobs) == TEXT.text and done.usage.seconds == 2


def test_keywords_are_favoured(client):
    assert ask(client, keywords=["abc", "cab"]).text != TEXT.text == ask(client).text


def test_the_client_knows_our_errors(client):
    with pytest.raises(openai.NotFoundError, match="no such model") as error:
        client.audio.transcriptions.create(model="whisper-1", file=wav())
    assert (error.value.code, error.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.UnprocessableEntityError, match="'verbose_json' or 'vtt'"):
        ask(client, response_format="diarized_json")
    with pytest.raises(openai.APIStatusError, match="not readable as audio") as error:
        client.audio.transcriptions.create(model="tiny", file=b"no audio at all")
    assert error.value.status_code == 415
    with pytest.raises(openai.AuthenticationError, match="no valid token"):
        client.with_options(api_key="wrong").models.list()


def test_models(client):
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "asr"


def test_a_realtime_session(client):
    pcm = (32767 * np.clip(sound(2.0), -1, 1)).astype("<i2").tobytes()
    audio = {"format": {"type": "audio/pcm", "rate": RATE}, "turn_detection": None}
    audio["transcription"] = {"model": "tiny"}
    session = {"type": "transcription", "audio": {"input": audio}}
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(session=session)
        assert connection.recv().session.audio.input.transcription.model == "tiny"
        connection.input_audio_buffer.append(audio="no base64!")
        assert connection.recv().error.param == "audio"
        for place in range(0, len(pcm), 6400):
            connection.input_audio_buffer.append(audio=base64.b64encode(pcm[place : place + 6400]).decode())
        connection.input_audio_buffer.commit()
        events = []
        for event in connection:
            events.append(event)
            if event.type.endswith(".completed"):
                break
    deltas = [event.delta for event in events if event.type == "conversation.item.input_audio_transcription.delta"]
    assert "".join(deltas) == events[-1].transcript and events[-1].usage.seconds == 2.0
    assert all(type(event).__name__ != "BaseModel" for event in events)  # the client has a type for each

"""Everything that OpenAI's own library does with audio, done to the service at the first argument."""

import sys
import time

import openai

url, long_path, short_path = sys.argv[1:]
client = openai.OpenAI(base_url=url + "/v1", api_key="any key", max_retries=0, timeout=60)
transcribe = client.audio.transcriptions.create


def long():
    return open(long_path, "rb")


def refused(error_class, call):
    try:
        call()
    except error_class as error:
        return error
    raise AssertionError("it was not refused")


# Every format.
plain = transcribe(file=long(), model="whisper-1")
assert plain.text and plain.text == plain.text.strip(), plain
assert (plain.usage.type, plain.usage.seconds) == ("duration", 65), plain.usage
text = transcribe(file=long(), model="whisper-1", response_format="text")
assert text == plain.text + "\n", text
srt = transcribe(file=long(), model="whisper-1", response_format="srt")
assert srt.startswith("1\n00:00:00,000 --> 00:00:0"), srt
vtt = transcribe(file=long(), model="whisper-1", response_format="vtt")
assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:0"), vtt

verbose = transcribe(file=long(), model="whisper-1", response_format="verbose_json", language="en")
assert (verbose.task, verbose.language, verbose.duration) == ("transcribe", "english", 65.0), verbose
assert verbose.text == plain.text
assert [segment.id for segment in verbose.segments] == list(range(7)), verbose.segments
segment = verbose.segments[1]
assert (segment.seek, segment.start, segment.end) == (1000, 10.0, 20.0), segment
assert segment.text.startswith(" ") and len(segment.tokens) == 20
assert (segment.temperature, segment.avg_logprob) == (0.0, -0.1), segment
assert (segment.compression_ratio, segment.no_speech_prob) == (1.0, 0.0), segment
assert verbose.words is None

words = transcribe(
    file=long(),
    model="words",
    response_format="verbose_json",
    timestamp_granularities=["word"],
    prompt="The house",
    temperature=0,
    include=["logprobs"],
    chunking_strategy="auto",
    extra_body={"flavour": "vanilla"},
)
assert words.segments is None
assert (words.words[1].start, words.words[1].end) == (0.5, 1.0), words.words[1]
assert " ".join(word.word for word in words.words) == plain.text

# Streams.
events = list(transcribe(file=long(), model="whisper-1", stream=True))
assert [event.type for event in events] == ["transcript.text.delta"] * 3 + ["transcript.text.done"], events
assert "".join(event.delta for event in events[:-1]) == plain.text
assert events[-1].text == plain.text and events[-1].usage.seconds == 65

# Translations.
translation = client.audio.translations.create(file=long(), model="whisper-1")
assert translation.text == plain.text
verbose = client.audio.translations.create(file=long(), model="whisper-1", response_format="verbose_json")
assert (verbose.language, verbose.duration, len(verbose.segments)) == ("english", 65.0, 7), verbose

# Models.
assert [model.id for model in client.models.list()] == ["whisper-1", "words"]
assert client.models.retrieve("words").owned_by == "hansard"
error = refused(openai.NotFoundError, lambda: client.models.retrieve("openai/whisper-large-v9"))
assert error.code == "model_not_found", error
error = refused(openai.NotFoundError, lambda: transcribe(file=long(), model="gpt-9-transcribe"))
assert (error.code, error.type) == ("model_not_found", "invalid_request_error"), error

# Refusals.
BROKEN = ("unsupported_media", "unreadable_media")
error = refused(openai.BadRequestError, lambda: transcribe(file=long(), model="words", temperature=2))
assert (error.param, error.code, error.type) == ("temperature", "invalid_request", "invalid_request_error"), error
error = refused(openai.BadRequestError, lambda: transcribe(file=b"", model="words"))
assert error.param == "file", error
error = refused(openai.BadRequestError, lambda: transcribe(file=b"no sound at all" * 99, model="words"))
assert error.code in BROKEN and "x-should-retry" in error.response.headers, error
broken = transcribe(file=b"no sound either" * 99, model="words", stream=True)
error = refused(openai.APIError, lambda: list(broken))
assert error.body["code"] in BROKEN, error

# Repetition: the same sound is heard once for each set of options, and the same name under another base URL is the same service.
other = openai.OpenAI(base_url=url + "/openai/v1", api_key="any key", max_retries=0)
again = other.audio.transcriptions.create(file=open(short_path, "rb"), model="whisper-1")
started = time.monotonic()
once_more = transcribe(file=open(short_path, "rb"), model="whisper-1")
assert once_more.text == again.text
print(f"the repetition took {time.monotonic() - started:.3f} s")

#!/usr/bin/env python3
"""Writes opus.json: how libopus decodes the Opus clips, in a form small enough to keep.

Needs ffmpeg with libopus; the tests do not. For every 100 ms of 48 kHz audio (all channels) the file
holds the sum of the 16-bit samples, each with a sign from a fixed sequence. The squared difference
between two such sums is, on average, the energy of the difference of the sounds, so that the sums alone
tell the signal to noise ratio of another decoder.
"""

import json
import pathlib
import subprocess
import sys

import numpy

BLOCK_FRAMES = 4800
HERE = pathlib.Path(__file__).parent


def signs(count):
    """The first outputs of splitmix64 from state 0: the top bit is the sign."""
    state = numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    mixed = (state ^ (state >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> numpy.uint64(31))
    return numpy.where(mixed >> numpy.uint64(63) == 1, -1, 1).astype(numpy.int64)


def reference(path):
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=channels", "-of", "csv=p=0", path]
    channels = int(subprocess.run(command, capture_output=True, check=True).stdout)
    command = ["ffmpeg", "-v", "error", "-c:a", "libopus", "-i", path, "-f", "s16le", "-"]
    pcm = subprocess.run(command, capture_output=True, check=True).stdout
    samples = numpy.frombuffer(pcm, dtype="<i2").astype(numpy.int64)
    signed = samples * signs(len(samples))
    sums = [int(signed[at : at + BLOCK_FRAMES * channels].sum())
            for at in range(0, len(signed), BLOCK_FRAMES * channels)]
    return {"channels": channels, "frames": len(samples) // channels,
            "energy": int((samples**2).sum()), "sums": sums}


def main():
    formats = HERE / "../../../../fixtures/formats"
    names = ["en-00.opus-6k.ogg", "en-00.opus-24k.opus", "en-00.opus-128k-stereo.opus", "en-00.opus.mkv",
             "en-00.browser.webm", "en-00.browser-cut.webm", "call.webm", "pt-00.opus-24k.opus",
             "pt-00.browser-cut.webm"]
    paths = [formats / name for name in names] + sorted(HERE.glob("*.opus"))
    lines = [f"  {json.dumps(path.name)}: {json.dumps(reference(path))}" for path in paths]
    (HERE / "opus.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())

"""Agents measured here, in real instances, on small videos made for the test."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.files import probe, read_audio
from murakkab_jupyter.cluster.measuring import agents as measuring
from murakkab_jupyter.cluster.measuring import samples as sampling
from murakkab_jupyter.cluster.measuring.agents import (
    Progress,
    Tempo,
    batches,
    cases,
    chosen,
    measure_into,
)
from murakkab_jupyter.cluster.measuring.loaded import able
from murakkab_jupyter.cluster.measuring.samples import LONG_S, Samples, cut
from murakkab_jupyter.core.errors import AgentError, UsageError
from murakkab_jupyter.core.kinds import Audio, Image, Scene, Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.curve import Point, fit
from murakkab_jupyter.profiles.store import ProfileStore
from murakkab_jupyter.session import Session
from murakkab_jupyter.verbs import Workbench, parse_request
from tests.conftest import scene_pictures, write_video

QUICK = Tempo(call_s=5.0, case_s=1.0, rounds=3)
HERE = "tests.cluster.measuring.test_agents"


class Steady(Agent):
    """Gives every scene one word."""

    def load(self, options, cores):
        pass

    def call(self, batch):
        return [str(len(batch)) for _ in batch]


class Broken(Steady):
    """Fails whatever it is given."""

    def call(self, batch):
        msg = "broken on purpose"
        raise RuntimeError(msg)


class Picky(Steady):
    """Refuses every item."""

    def call(self, batch):
        return [Failed("not this one") for _ in batch]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "v.mp4"
    return write_video(path, scene_pictures((255, 0, 0), (0, 255, 0), (0, 0, 255), each=30))


@pytest.fixture
def library():
    made = Library()
    made.load_entry_points()
    return made


def book_of(library, store=None):
    return ProfileBook(library, store or ProfileStore(None), host="here", host_speed=1.0)


def with_agent(library, name, cls, **changes):
    spec = AgentSpec(name, "1", "scene-detection", "for a test", f"{HERE}:{cls.__name__}", **changes)
    library.add_agent(spec)
    return spec


def run(library, book, names, video, **changes):
    seen: list[Progress] = []
    found = measure_into(
        book,
        library,
        names,
        [probe(video, "video")],
        "why?",
        cores=1,
        tempo=QUICK,
        progress=seen.append,
        **changes,
    )
    return found, seen


def test_a_measured_agent_has_a_measured_profile(library, video):
    book = book_of(library)
    found, seen = run(library, book, ["uniform-frames"], video)
    spec = library.agent("uniform-frames")
    assert found.cases == len(cases([spec], 1))
    assert found.calls >= found.cases * 3
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, found.cases, found.cases)
    options = tuple(sorted(spec.settings({}).items()))
    work = book.typical_work("uniform-frames", options)
    assert book.call("uniform-frames", options, cores=1, items=1, work=work).seconds.source == "measured"
    row = book.store.dump()[0]
    assert (row["host"], row["version"]) == ("here", spec.version)


def test_whoever_was_stopped_goes_on_from_there(library, video):
    book = book_of(library)

    def stop_at_second(progress):
        if progress.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_into(
            book, library, ["uniform-frames"], [probe(video, "video")], "why?",
            cores=1, tempo=QUICK, progress=stop_at_second,
        )  # fmt: skip
    kept = book.store.count()
    assert kept > 0
    found, _ = run(library, book, ["uniform-frames"], video)
    assert (found.kept, found.cases) == (1, len(cases([library.agent("uniform-frames")], 1)) - 1)
    assert book.store.count() > kept
    again, _ = run(library, book, ["uniform-frames"], video)
    assert (again.cases, again.calls) == (0, 0)
    anew, _ = run(library, book, ["uniform-frames"], video, again=True)
    assert anew.kept == 0
    assert anew.calls > 0


def test_one_agent_that_fails_does_not_cost_the_others(library, video):
    with_agent(library, "broken", Broken)
    with_agent(library, "picky", Picky)
    book = book_of(library)
    found, _ = run(library, book, ["broken", "picky", "keyframe-scenes"], video)
    assert found.cases == 1
    assert "broken on purpose" in next(why for case, why in found.failed.items() if "broken" in case)
    assert "failed on every sample" in next(why for case, why in found.failed.items() if "picky" in case)
    assert {row["agent"] for row in book.store.dump()} == {"keyframe-scenes"}


def test_when_nothing_could_be_measured_it_is_an_error(library, video):
    with_agent(library, "broken", Broken)
    with pytest.raises(AgentError, match="broken on purpose"):
        run(library, book_of(library), ["broken"], video)


def test_an_agent_that_cannot_be_measured_says_why(library):
    library.add_agent(AgentSpec("far", "1", "ocr", "s", f"{HERE}:Steady", remote=True))
    library.add_agent(AgentSpec("big", "1", "ocr", "s", f"{HERE}:Steady", needs=Needs(gpus=1)))
    library.add_agent(
        AgentSpec("odd", "1", "ocr", "s", f"{HERE}:Steady", needs=Needs(modules=("no_such_module",)))
    )
    for name, why in (("far", "server"), ("big", "GPU"), ("odd", "no_such_module")):
        with pytest.raises(UsageError, match=why):
            chosen(library, [name])
    with pytest.raises(UsageError, match="There is no agent"):
        chosen(library, ["nobody"])
    assert not {"far", "big", "odd"} & {spec.name for spec in able(library, "ocr")}


def test_every_lever_and_number_of_cores_is_a_case(library):
    beam = Option("beam", int, 1, (1, 5), lever=True)
    spec = with_agent(library, "lever", Steady, options=(beam, Option("seed", int, 0)), max_cores=2)
    made = cases([spec], 4)
    assert [(case.options["beam"], case.cores) for case in made] == [(1, 1), (1, 2), (5, 1), (5, 2)]
    assert str(made[-1]) == "lever beam=5 on 2 cores"


def test_calls_cover_items_and_the_spread_of_work():
    made = batches(float, list(range(1, 21)), most=16)
    assert [len(batch) for batch in made] == [1, 1, 1, 4, 4, 16, 16]
    assert [batch[0] for batch in made[:3]] == [1, 11, 20]
    assert made[4] == [17, 18, 19, 20]
    assert [len(batch) for batch in batches(float, [3], most=16)] == [1]


def test_whoever_gains_from_neighbours_is_measured_on_those_of_one_parent():
    def item(parent, n):
        return Inputs((("films", parent), ("scenes", n)), {}, {})

    items = [item(parent, n) for parent in range(3) for n in range(5)]
    made = batches(lambda _: 1.0, items, most=16, neighbours=True)
    assert [len(batch) for batch in made] == [1, 1, 1, 4, 4, 5, 5]  # nobody has 16
    assert all(len({one.ancestry[0] for one in batch}) == 1 for batch in made)


@pytest.mark.parametrize("lengths_s", [(1.0, 2.0, 1.5, 3.0, 6.0), (2.0,), (1.0, 1.5, 2.0, 8.0)])
def test_an_hour_of_sound_is_not_taken_for_one_item(lengths_s):
    """A recogniser that hears windows of 30 s: 0.6 s each, and 0.02 s for a second of sound, measured on three clips.

    Families alone say half of it, or less.
    """
    window_s, rate = 0.6, 0.02

    def seconds(batch):
        return sum(
            window_s * math.ceil(heard_s / 30 - 1e-9) + rate * heard_s
            for _, some in itertools.groupby(batch, key=lambda item: item.ancestry[:-1])
            for heard_s in [sum(map(length, some))]
        )

    def length(item):
        return item.values["speech"].end_s - item.values["speech"].start_s

    scenes = []
    for clip, count in enumerate((11, 3, 14)):
        source, at_s = Audio(Media(f"/{clip}.wav", "0" * 64, 10), 90.0), 0.0
        for n in range(count):
            end_s = at_s + lengths_s[n % len(lengths_s)]
            scenes.append(((("videos", clip), ("scenes", n)), Scene(source, at_s, end_s)))
            at_s = end_s
    source = Audio(Media("/long.wav", "0" * 64, 10), LONG_S)
    scenes = [*cut(scenes), ((("prolonged", 0),), Scene(source, 0.0, LONG_S))]
    items = [Inputs(key, {"speech": part}, {}) for key, part in scenes]
    calls = batches(length, items, most=256, neighbours=True)
    assert [len(calls[0]), len(calls[-1])] == [1, 1]
    curve = fit([Point(1, len(call), sum(map(length, call)), seconds(call)) for call in calls])
    assert curve.unit == pytest.approx(window_s / 30 + rate, rel=0.4)


def heard(source, *lengths_s):
    """Scenes of a source that follow each other."""
    ends = list(itertools.accumulate(lengths_s))
    return [
        ((("videos", source.media.path), ("scenes", n)), Scene(source, end_s - length_s, end_s))
        for n, (length_s, end_s) in enumerate(zip(lengths_s, ends, strict=True))
    ]


def long_ones(samples, scenes):
    samples.made["scene-detection"] = scenes
    items = samples.inputs("speech-to-text")
    return [item.values["speech"] for item in items if item.ancestry[0][0] == "prolonged"]


def test_speech_is_measured_on_the_sound_of_all_clips_as_one_item_too(
    library, sine_audio, tmp_path, monkeypatch
):
    samples = Samples(library, [], "why?", told=lambda _: None)
    other = tmp_path / "other.wav"
    other.write_bytes(sine_audio.read_bytes())
    scenes = heard(probe(sine_audio, "audio"), 1.0, 2.0) + heard(probe(other, "audio"), 3.0)
    for _ in range(2):  # the file is made once
        (long,) = long_ones(samples, scenes)
        assert (long.start_s, long.end_s) == (0.0, pytest.approx(6.0, abs=0.1))
        assert np.abs(read_audio(long.media, 4.5, 5.5)).max() > 0.2
    monkeypatch.setattr(sampling, "LONG_S", 4.0)
    (cut_off,) = long_ones(Samples(library, [], "why?", told=lambda _: None), scenes)
    assert cut_off.end_s == pytest.approx(4.0, abs=0.1)


def test_no_long_item_is_made_where_a_scene_is_as_long_or_nothing_is_heard(library, sine_audio):
    samples = Samples(library, [], "why?", told=lambda _: None)
    assert not long_ones(samples, heard(probe(sine_audio, "audio"), 3.0))
    silent = Video(Media("/f.mp4", "0" * 64, 10), 9.0, 64, 48, 25.0, has_audio=False)
    assert not long_ones(samples, heard(silent, 1.0, 2.0))


def test_items_without_work_are_left_out_as_long_as_there_are_others():
    assert batches(float, [0, 0, 0, 5, 7], most=4)[0] == [5]
    assert batches(float, [0, 0], most=1) == [[0], [0]]


def test_samples_of_a_later_step_are_made_by_the_agents_before_it(library, video):
    told: list[str] = []
    samples = Samples(library, [probe(video, "video")], "why?", told=told.append)
    frames = samples.inputs("object-detection")
    assert len(frames) >= 2
    assert all("picture" in item.values for item in frames)
    assert told
    assert "frame-extraction" in samples.made


def test_text_is_read_from_larger_pictures_too(library, video):
    samples = Samples(library, [probe(video, "video")], "why?", told=lambda _: None)
    pictures = [item.values["picture"] for item in samples.inputs("ocr")]
    sides = [max(one.width, one.height) for one in pictures if isinstance(one, Image)]
    assert sides == [1280, 2000]
    assert len(pictures) > len(sides)


def test_videos_that_give_nothing_are_told(library):
    samples = Samples(library, [], "why?", told=lambda _: None)
    with pytest.raises(UsageError, match="made nothing"):
        samples.inputs("frame-extraction")


def test_profile_measures_through_the_verb_and_writes_json(tmp_path, video):
    with Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite", cores=1) as session:
        bench = Workbench(lambda **_: session)
        seen: list[Progress] = []
        bench.measuring = seen.append
        request = parse_request(
            ["profile", "--measure", "uniform-frames", "--input", f"videos={video}"], "cli"
        )
        outcome = bench.do(request, "cli")
        assert outcome.json["cases"] == len(cases([session.library.agent("uniform-frames")], 1))
        json.dumps(outcome.json, allow_nan=False)
        assert seen[-1].done == seen[-1].total
        (row,) = outcome.json["profiles"]
        assert row["call_s"]["source"] == "measured"
        file = tmp_path / "out.json"
        bench.do(parse_request(["profile", "--export", str(file)], "cli"), "cli")
        assert json.loads(file.read_text())["observations"]
        again = bench.do(parse_request(["profile", "--import", str(file)], "cli"), "cli")
        assert "all of it is here already" in again.data


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--measure", "--export", "x.json"], "two things"),
        (["--again"], "goes with --measure"),
        (["--export", "x.json", "wordllama"], "for all profiles"),
        (["--measure", "--input", "audio=x"], "--input cannot be"),
        (["--import", "/no/such/file.json"], "cannot be read"),
    ],
)
def test_words_that_do_not_go_together_are_told(tmp_path, words, says):
    with Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite") as session:
        bench = Workbench(lambda **_: session)
        with pytest.raises(Exception, match=says):
            bench.do(parse_request(["profile", *words], "cli"), "cli")


def test_agents_are_not_measured_on_a_cluster(tmp_path):
    with (
        Session(cluster="laptop", journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite") as session,
        pytest.raises(UsageError, match="on this host only"),
    ):
        session.measure()


def test_a_missing_video_is_told_before_anything_is_measured(tmp_path):
    with (
        Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite") as session,
        pytest.raises(Exception, match=r"no\.mp4"),
    ):
        session.measure(["uniform-frames"], videos=[Path("no.mp4")])


def test_a_busy_machine_is_noticed(monkeypatch):
    monkeypatch.setattr(measuring.os, "getloadavg", lambda: (99.0, 0.0, 0.0))
    assert measuring.others_busy() == 99.0
    monkeypatch.setattr(measuring.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert measuring.others_busy() is None

"""The book: priors from the reference, corrected by what was observed here."""

import pytest

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.functions.python import agent as agent_decorator
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import ProfileError, UsageError
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.observation import Observation, Quality
from murakkab_jupyter.profiles.profile import NO_PROFILE
from murakkab_jupyter.profiles.reference import Reference, quiet, read_reference, shipped_reference
from murakkab_jupyter.profiles.starting import PROCESS
from murakkab_jupyter.profiles.store import ProfileStore

BEAM = Option("beam", int, 1, (1, 5), lever=True)
FIVE = (("beam", 5),)
ONE = (("beam", 1),)


def synthetic_library():
    library = Library()
    library.add_capability(Capability("hear", "synthetic", (Port("x", frozenset({"any"})),), "text"))
    for name in ("known", "other", "unknown-one"):
        library.add_agent(
            AgentSpec(
                name,
                "1",
                "hear",
                "synthetic",
                "synthetic:none",
                (BEAM,),
                Needs(memory_bytes=123_000_000),
                max_cores=4,
            )
        )
    library.add_agent(AgentSpec("served", "1", "hear", "synthetic", "synthetic:none", remote=True))
    library.add_agent(AgentSpec("stated", "1", "hear", "synthetic", "synthetic:none", quality=0.7))
    return library


def observation(agent="known", beam=1, cores=1, items=1, work=10.0, seconds=1.0, cpu_s=1.0, **more):
    return Observation.from_json(
        {
            "agent": agent,
            "options": {"beam": beam},
            "cores": cores,
            "items": items,
            "work": work,
            "seconds": seconds,
            "cpu_s": cpu_s,
            **more,
        }
    )


SYNTHETIC = Reference(
    "synthetic machine",
    "2026-01-01",
    tuple(
        observation(
            beam=beam,
            cores=cores,
            work=work,
            seconds=(0.2 + 0.1 * work) * (1 if beam == 1 else 1.5) / (1 if cores == 1 else 1.6),
            cpu_s=(0.2 + 0.1 * work) * (1 if beam == 1 else 1.5),
            load_s=2.0,
            load_cpu_s=1.5,
            memory_bytes=4e8,
        )
        for beam in (1, 5)
        for cores in (1, 2)
        for work in (2.0, 10.0, 40.0)
    ),
    (
        Quality("known", 0.9, 0.8, 0.95, {"beam": 1}),
        Quality("known", 0.96, 0.9, 1.0, {"beam": 5}, "published", "a paper"),
    ),
)


def book(store=None, **more):
    return ProfileBook(
        synthetic_library(), store, reference=SYNTHETIC, host="here", **{"host_speed": 1.0, **more}
    )


def tell(one, times, *, work=10.0, seconds=2.4, cores=1, beam=1, host=None, speed=None, **more):
    for _ in range(times):
        one.observe(
            "known",
            (("beam", beam),),
            cores=cores,
            items=1,
            work=work,
            seconds=seconds,
            cpu_s=seconds,
            host=host,
            speed=speed,
            **more,
        )


def test_a_shipped_profile_is_a_prior_with_a_band():
    seconds = book().call("known", ONE, cores=1, items=1, work=20.0).seconds
    assert seconds.value == pytest.approx(2.2, rel=0.01)
    assert seconds.source == "prior"
    assert seconds.low < seconds.value < seconds.high


def test_a_faster_host_is_predicted_to_be_faster():
    slow = book().call("known", ONE, cores=1, items=1, work=20.0)
    fast = book().call("known", ONE, cores=1, items=1, work=20.0, speed=2.0)
    assert fast.seconds.value == pytest.approx(slow.seconds.value / 2)
    assert fast.cpu_s.value == pytest.approx(slow.cpu_s.value / 2)
    assert book().load("known", ONE, speed=2.0).seconds.value == pytest.approx((2.0 + PROCESS.value) / 2)


def test_options_have_their_own_curves_and_defaults_are_filled_in():
    one, five = (book().call("known", o, cores=1, items=1, work=20.0).seconds.value for o in (ONE, FIVE))
    assert five == pytest.approx(1.5 * one, rel=0.01)
    assert book().call("known", (), cores=1, items=1, work=20.0).seconds.value == pytest.approx(one)


def test_options_nobody_measured_take_the_nearest_with_a_wider_band():
    exact = book().call("known", FIVE, cores=1, items=1, work=20.0).seconds
    near = book().call("known", (("beam", 4),), cores=1, items=1, work=20.0).seconds
    assert near.value == pytest.approx(exact.value)
    assert near.high > exact.high
    assert "other options" in near.note


def test_observations_of_this_host_override_the_prior_and_are_measured():
    one = book()
    before = one.call("known", ONE, cores=1, items=1, work=10.0).seconds.value
    tell(one, 20, seconds=2 * before)
    after = one.call("known", ONE, cores=1, items=1, work=10.0).seconds
    assert after.value == pytest.approx(2 * before, rel=0.05)
    assert after.source == "measured"
    assert "20 calls" in after.note


def test_a_single_observation_moves_the_prior_only_part_of_the_way():
    one = book()
    before = one.call("known", ONE, cores=1, items=1, work=10.0).seconds.value
    tell(one, 1, seconds=4 * before)
    after = one.call("known", ONE, cores=1, items=1, work=10.0).seconds
    assert before * 1.2 < after.value < before * 3.5
    assert after.source == "prior"


def test_outside_the_observed_range_a_figure_stays_a_prior():
    one = book()
    tell(one, 10, seconds=2.4)
    assert one.call("known", ONE, cores=1, items=1, work=11.0).seconds.source == "measured"
    assert one.call("known", ONE, cores=1, items=1, work=200.0).seconds.source == "prior"
    assert one.call("known", ONE, cores=1, items=9, work=10.0).seconds.source == "prior"
    assert one.call("known", ONE, cores=2, items=1, work=10.0).seconds.source == "prior"
    assert one.call("known", FIVE, cores=1, items=1, work=10.0).seconds.source == "prior"
    assert one.call("known", ONE, cores=1, items=1, work=10.0, speed=3.0).seconds.source == "prior"


@pytest.mark.parametrize("call", [{"work": 200.0}, {"items": 9}, {"cores": 4}, {"work": 0.5}])
def test_beyond_all_that_anybody_saw_a_prior_is_less_sure_and_says_so(call):
    within = book().call("known", ONE, cores=1, items=1, work=20.0)
    beyond = book().call("known", ONE, **{"cores": 1, "items": 1, "work": 20.0, **call})
    for sure, unsure in ((within.seconds, beyond.seconds), (within.cpu_s, beyond.cpu_s)):
        assert sure.low / sure.value == pytest.approx(0.85, abs=0.01)
        assert unsure.low / unsure.value <= 0.6 * (1 + 1e-9)
        assert unsure.high / unsure.value >= 1.7 * (1 - 1e-9)
        assert "beyond all that was measured" in unsure.note
        assert "beyond" not in sure.note


def test_what_this_host_saw_counts_as_seen():
    one = book()
    tell(one, 5, work=200.0, seconds=20.2)
    assert "beyond" not in one.call("known", ONE, cores=1, items=1, work=120.0).seconds.note


def test_what_was_seen_at_one_size_shifts_the_prediction_at_others():
    one = book()
    before = one.call("known", ONE, cores=2, items=1, work=40.0).seconds.value
    tell(one, 10, seconds=3 * 1.2)
    assert one.call("known", ONE, cores=2, items=1, work=40.0).seconds.value == pytest.approx(
        3 * before, rel=0.3
    )


@pytest.mark.parametrize(
    ("agent", "options"), [("moonshine-tiny", ()), ("whisper-base", (("beam", 1), ("language", "auto")))]
)
def test_calls_that_had_nothing_to_do_say_nothing_of_speed(agent, options):
    """A silent video is over in a fraction of a millisecond; speech takes as long afterwards as before."""
    library = Library()
    library.load_entry_points()
    one = ProfileBook(library, host="here", host_speed=1.0)
    before = one.call(agent, options, cores=1, items=1, work=10.0)
    for _ in range(5):
        one.observe(agent, options, cores=1, items=1, work=0.0, seconds=0.0002, cpu_s=0.0002)
    assert one.call(agent, options, cores=1, items=1, work=10.0) == before
    for _ in range(5):
        one.observe(agent, options, cores=1, items=1, work=10.0, seconds=1.0, cpu_s=1.0)
    after = one.call(agent, options, cores=1, items=1, work=10.0)
    assert after.seconds.value == pytest.approx(1.0, rel=0.3)
    assert after.seconds.source == "measured"


def test_another_hosts_observations_stay_priors():
    one = book()
    tell(one, 10, host="elsewhere", speed=2.0)
    assert one.call("known", ONE, cores=1, items=1, work=10.0).seconds.source == "prior"


def test_observations_of_an_older_version_do_not_count(tmp_path):
    store = ProfileStore(None)
    store.add("here", 1.0, "0", [observation(seconds=50.0)] * 10)
    assert book(store).call("known", ONE, cores=1, items=1, work=10.0).seconds.value == pytest.approx(
        1.2, rel=0.01
    )


def test_observations_outlive_the_book(tmp_path):
    file = tmp_path / "p.sqlite"
    first = ProfileBook.open(file, synthetic_library(), host_speed=1.0)
    first.observe("known", ONE, cores=1, items=1, work=10.0, seconds=9.0, cpu_s=9.0)
    first.close()
    again = ProfileBook.open(file, synthetic_library(), host_speed=1.0)
    assert again.call("known", ONE, cores=1, items=1, work=10.0).seconds.value == pytest.approx(9.0, rel=0.01)


@pytest.mark.parametrize("seconds", [float("nan"), -1.0, 1e12, 0.0])
def test_an_absurd_observation_is_refused_and_changes_nothing(seconds):
    one = book()
    before = one.call("known", ONE, cores=1, items=1, work=10.0)
    with pytest.raises(ProfileError):
        one.observe("known", ONE, cores=1, items=1, work=10.0, seconds=seconds, cpu_s=1.0)
    assert one.store.count() == 0
    assert one.call("known", ONE, cores=1, items=1, work=10.0) == before


def test_of_several_observations_with_one_absurd_none_is_kept():
    one = book()
    good = observation().to_json()
    with pytest.raises(ProfileError):
        one.observe_all([good, {**good, "cpu_s": -1}])
    assert one.store.count() == 0


def test_an_agent_nobody_measured_is_guessed_widely_from_its_capability_and_says_so():
    call = book().call("unknown-one", ONE, cores=1, items=1, work=10.0)
    assert call.guess
    guess = call.seconds
    assert guess.note == f"{NO_PROFILE}: {call.guess}"
    assert guess.source == "prior"
    assert guess.high > 10 * guess.low


def test_a_served_agent_nobody_measured_waits_but_uses_little_cpu():
    guess = book().call("served", (), cores=1, items=1, work=10.0)
    assert guess.seconds.value > 10 * guess.cpu_s.value
    assert guess.guess in guess.seconds.note


def test_a_function_of_the_users_is_guessed_and_its_stated_quality_is_a_prior():
    library = synthetic_library()

    @agent_decorator(capability="hear", quality=0.8, library=library)
    def shout(x: str) -> str:
        """Say it loudly."""
        return x.upper()

    one = ProfileBook(library, reference=SYNTHETIC, host="here", host_speed=1.0)
    call = one.call("shout", (), cores=1, items=4, work=4.0)
    assert call.seconds.value == pytest.approx(0.04)
    assert call.guess.startswith("a function of yours")
    quality = one.quality("shout", ())
    assert (quality.value, quality.source) == (0.8, "prior")
    assert quality.low < 0.8 < quality.high


def test_qualities_follow_options_and_sources_and_unknown_stays_unknown():
    one = book()
    assert one.quality("known", FIVE).value == 0.96
    assert one.quality("known", FIVE).source == "published"
    assert one.quality("known", ONE).value == 0.9
    assert one.quality("stated", ()).value == 0.7
    assert one.quality("other", ONE).value is None


def test_memory_is_what_was_seen_else_what_the_agent_states():
    assert book().memory("known", ONE).value == 4e8
    assert book().memory("other", ONE).value == 123_000_000
    assert book().memory("not in the library", ()).value is None


def test_loading_seen_here_overrides_the_reference():
    one = book()
    tell(one, 3, load_s=7.0, load_cpu_s=6.0)
    load = one.load("known", ONE)
    assert load.seconds.value == pytest.approx(7.0 + PROCESS.value)
    assert load.cpu_s.value == pytest.approx(6.0)


def test_how_long_processes_start_is_learnt_from_this_host_for_every_agent():
    one = book()
    guessed = one.load("known", ONE).seconds
    assert guessed.value == pytest.approx(2.0 + PROCESS.value)
    assert guessed.low == pytest.approx(0.8 * 2.0 + PROCESS.low)
    tell(one, 1, load_s=7.0, start_s=0.05)
    tell(one, 1, load_s=0.0, start_s=9.0, host="elsewhere")
    assert one.start_s is None  # one start may be anything
    tell(one, 2, load_s=7.0, start_s=0.1)
    tell(one, 30)  # calls of a process that is there
    assert one.start_s == pytest.approx(0.1)
    learnt = one.load("known", ONE).seconds
    assert (learnt.value, learnt.low) == pytest.approx((7.1, 0.8 * 7.1))
    # Nobody saw a process start on another host.
    assert one.load("known", ONE, speed=2.0).seconds.value == pytest.approx((7.0 + PROCESS.value) / 2)
    # What a process takes is known in this host's seconds, whatever the micro-benchmark says of it.
    faster = ProfileBook(one.library, one.store, reference=SYNTHETIC, host=one.host, host_speed=2.0)
    assert faster.load("known", ONE, speed=2.0).seconds.value == pytest.approx(7.1)


def test_the_first_plan_for_this_host_knows_how_long_its_processes_start(monkeypatch):
    seen = Figure(0.1, "s", 0.08, 0.16, "measured")
    monkeypatch.setattr("murakkab_jupyter.profiles.book.host_start", lambda: seen)
    monkeypatch.setattr(
        "murakkab_jupyter.profiles.book.host_speed", lambda: Figure(2.0, "1", 1.8, 2.2, "measured")
    )
    one = ProfileBook(book().library, reference=SYNTHETIC, host="here")
    load = one.load("known", ONE, speed=2.0).seconds
    assert load.value == pytest.approx(2.0 / 2 + 0.1)
    assert load.low <= 0.8 * 2.0 / 2 + 0.08 + 1e-9
    # Of another host it says nothing.
    assert one.load("known", ONE, speed=1.0).seconds.value == pytest.approx(2.0 + PROCESS.value)
    tell(one, 3, load_s=2.0, start_s=0.3)  # runs know better
    assert one.load("known", ONE, speed=2.0).seconds.value == pytest.approx(2.0 + 0.3)


def test_a_speed_that_is_no_speed_is_refused():
    for speed in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError):
            book(host_speed=speed)


def test_asking_is_quick():
    import time

    one = book()
    started = time.process_time()
    for n in range(2000):
        one.call("known", ONE, cores=1, items=1, work=float(n % 50 + 1))
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", '{"observations": [{"agent": "a"}]}', '{"qualities": [{"agent": "a", "value": 3}]}'],
)
def test_reference_files_that_make_no_sense_are_errors_that_name_the_file(text):
    with pytest.raises(ProfileError, match=r"some\.json"):
        read_reference(text, "some.json")


def test_what_ships_is_read_without_errors_and_every_observation_is_of_a_known_agent():
    from murakkab_jupyter.agents.library import default_library

    known = {spec.name for spec in default_library().agents()}
    shipped = shipped_reference()
    assert {one.agent for one in shipped.observations} <= known
    assert {one.agent for one in shipped.qualities} <= known


def test_where_nothing_can_be_kept_the_book_still_serves_and_warns(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "file" / "profiles.sqlite"))
    one = ProfileBook.open(None, synthetic_library(), host_speed=1.0)
    one.observe("known", ONE, cores=1, items=1, work=10.0, seconds=9.0, cpu_s=9.0)
    assert one.store.count() == 1
    assert "cannot be kept" in caplog.text


def test_by_default_the_book_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "new" / "profiles.sqlite"))
    ProfileBook.open(None, synthetic_library(), host_speed=1.0).close()
    assert (tmp_path / "new" / "profiles.sqlite").is_file()


def test_what_a_busy_machine_made_an_agent_wait_is_taken_out_of_the_reference():
    busy = [
        observation(seconds=4.0, cpu_s=1.0, load_s=8.0, load_cpu_s=1.0),
        observation(cores=2, seconds=2.8, cpu_s=1.2),
    ]
    one, two = quiet(busy)
    assert one.seconds == pytest.approx(1.0, rel=0.03)
    assert one.load_s == pytest.approx(2.0)
    assert two.seconds == pytest.approx(0.7)
    assert (one.cpu_s, two.cpu_s) == (1.0, 1.2)


def test_times_of_an_idle_machine_stay_as_they_are():
    idle = [observation(seconds=1.0, cpu_s=1.0), observation(cores=2, seconds=0.6, cpu_s=1.1)]
    assert list(quiet(idle)) == idle


def test_no_wall_time_falls_below_what_its_cpu_time_allows():
    (_, two) = quiet([observation(seconds=9.0, cpu_s=1.0), observation(cores=2, seconds=1.0, cpu_s=1.8)])
    assert two.seconds == pytest.approx(0.9)


def test_an_agent_that_the_reference_saw_loading_nothing_is_not_guessed_to_load_for_a_second():
    from murakkab_jupyter.agents.library import default_library

    book = ProfileBook(default_library(), host="here", host_speed=1.0)
    found = book.load("uniform-frames", (("count", 2),))
    assert found.seconds.value < 0.5  # the start of its process alone
    assert found.cpu_s.value < 0.1
    assert not found.guess

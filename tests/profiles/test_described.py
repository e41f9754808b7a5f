"""Clusters that are only written down: files, shipped names, figures with their own sources."""

import pytest

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.profiles.described import find_cluster, load_cluster, shipped_clusters


def written(tmp_path, text):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", shipped_clusters())
def test_every_shipped_cluster_says_where_each_of_its_figures_comes_from(name):
    view = find_cluster(name)
    assert view is not None
    assert view.described
    for worker in view.workers:
        power = worker.power
        cards = [one for gpu in worker.gpus for one in (gpu.idle_w, gpu.peak_w)]
        for one in (power.idle_w, power.active_w_per_core, *cards):
            assert one.value is not None
            assert one.value > 0
            assert one.low <= one.value <= one.high
            assert one.note
            assert one.source in ("prior", "published")
        assert power.price_usd_per_hour.known or power.electricity_usd_per_kwh.known
        if power.price_usd_per_hour.known:
            assert power.price_usd_per_hour.source == "published"
            assert "@" in power.price_usd_per_hour.note, "a price names the snapshot it was read from"


def test_there_are_a_laptop_a_cpu_server_and_two_gpu_servers():
    assert {"laptop", "cpu-server", "h100-server", "b200-server"} <= set(shipped_clusters())
    assert find_cluster("laptop").workers[0].gpus == ()
    assert {gpu.name for gpu in find_cluster("h100-server").workers[0].gpus} == {"H100"}


def test_watts_that_their_source_calls_a_placeholder_are_priors():
    for name in shipped_clusters():
        for worker in find_cluster(name).workers:
            for gpu in worker.gpus:
                if "placeholder" in gpu.idle_w.note:
                    assert gpu.idle_w.source == "prior"
                    assert worker.power.idle_w.source == "prior"


def test_a_slip_of_a_shipped_name_is_told_and_an_address_is_left_alone():
    with pytest.raises(UsageError, match="Did you mean h100-server"):
        find_cluster("h100-servr")
    with pytest.raises(UsageError, match="no described cluster 'localhost'") as caught:
        find_cluster("localhost")
    assert "tcp://host:8786" in str(caught.value.hint)
    assert find_cluster("tcp://10.0.0.1:8786") is None
    assert find_cluster("laptop:8786") is None


def test_the_first_host_has_the_files_where_nobody_says_who_sees_them(tmp_path):
    worker = "{name: %s, cores: 2, memory_gb: 4%s}"
    alone = load_cluster(written(tmp_path, f"workers: [{worker % ('a', '')}]"))
    assert alone.workers[0].sees_files
    assert not alone.network.known
    two = load_cluster(written(tmp_path, f"workers: [{worker % ('a', '')}, {worker % ('b', ', count: 2')}]"))
    assert [one.sees_files for one in two.workers] == [True, False, False]
    shared = f"workers: [{worker % ('a', ', sees_files: false')}, {worker % ('b', ', sees_files: true')}]"
    assert [one.sees_files for one in load_cluster(written(tmp_path, shared)).workers] == [False, True]


def test_the_network_is_a_figure_like_any_other(tmp_path):
    workers = "workers: [{name: a, cores: 2, memory_gb: 4}]\n"
    plain = load_cluster(written(tmp_path, workers + "network_mb_per_s: 250")).network
    assert (plain.value, plain.unit, plain.source) == (250.0, "MB/s", "prior")
    cited = "network_mb_per_s: {value: 1250, low: 600, high: 1250, source: published, note: the data sheet}"
    told = load_cluster(written(tmp_path, workers + cited)).network
    assert (told.low, told.high, told.source) == (600.0, 1250.0, "published")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("network_mb_per_s: 0\nworkers: [{cores: 2, memory_gb: 4}]", "must be more than 0"),
        ("network_mb_per_s: fast\nworkers: [{cores: 2, memory_gb: 4}]", "must be a number"),
        ("workers: [{cores: 2, memory_gb: 4, sees_files: 1}]", "sees_files is true or false"),
        (
            "workers: [{name: a, host: h, cores: 2, memory_gb: 4, sees_files: true}, {name: b, host: h, cores: 2, memory_gb: 4}]",
            "of host h one worker sees the files and another does not",
        ),
    ],
)
def test_nonsense_about_files_and_the_network_is_refused(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        load_cluster(written(tmp_path, text))


def test_a_figure_may_have_a_source_of_its_own(tmp_path):
    view = load_cluster(
        written(
            tmp_path,
            """
workers:
  - cores: 4
    memory_gb: 8
    idle_w: {value: 10, low: 5, high: 20, note: a guess}
    peak_w: 50
    price_usd_per_hour: {value: 1.5, source: published, note: "a list, 2026-06"}
""",
        )
    )
    power = view.workers[0].power
    assert (power.idle_w.low, power.idle_w.high) == (5, 20)
    assert power.active_w_per_core.value == pytest.approx(10.0)
    assert power.active_w_per_core.source == "prior"
    assert power.price_usd_per_hour.source == "published"


def test_idle_gpus_burn_with_their_host(tmp_path):
    text = """
workers:
  - {cores: 2, memory_gb: 8, idle_w: 100, gpus: [{name: X, memory_gb: 80, count: 4, idle_w: 50}]}
  - {cores: 2, memory_gb: 8, idle_w: 100, gpus: [{name: X, memory_gb: 80, count: 4}]}
"""
    known, unknown = load_cluster(written(tmp_path, text)).workers
    assert known.power.idle_w.value == 300
    assert unknown.power.idle_w.value is None, "a host with idle GPUs burns more than without them"
    assert "100 W without its GPUs" in unknown.power.idle_w.note


def test_a_speed_may_have_a_source_of_its_own(tmp_path):
    text = "workers: [{cores: 2, memory_gb: 8, speed: {value: 1.2, low: 1.1, high: 1.3, source: published, note: x}}]"
    speed = load_cluster(written(tmp_path, text)).workers[0].speed
    assert (speed.value, speed.low, speed.high, speed.source, speed.note) == (1.2, 1.1, 1.3, "published", "x")


def test_a_source_of_all_figures_needs_no_note_where_each_has_its_own(tmp_path):
    text = "workers: [{cores: 2, memory_gb: 8, source: published, idle_w: {value: 9, note: a list}}]"
    assert load_cluster(written(tmp_path, text)).workers[0].power.idle_w.note == "a list"


def test_blank_names_are_as_if_left_out(tmp_path):
    text = "workers: [{name: , host: '', note: , cores: 2, memory_gb: 8, idle_w: 9}, {host: , cores: 2, memory_gb: 8}]"
    one, other = load_cluster(written(tmp_path, text)).workers
    assert (one.name, one.host, one.power.idle_w.note) == ("worker-1", "worker-1", "")
    assert (other.name, other.host) == ("worker-2", "worker-2")


def test_a_key_that_is_there_twice_in_json_is_an_error(tmp_path):
    file = tmp_path / "c.json"
    file.write_text('{"workers": [{"cores": 2, "cores": 4, "memory_gb": 8}]}')
    with pytest.raises(UsageError, match="cores is there twice"):
        load_cluster(file)


def test_merged_keys_may_be_stated_anew(tmp_path):
    text = "workers:\n  - &a {name: a, cores: 2, memory_gb: 8}\n  - {<<: *a, name: b, cores: 4}\n"
    assert [(one.name, one.cores) for one in load_cluster(written(tmp_path, text)).workers] == [
        ("a", 2),
        ("b", 4),
    ]


def test_peak_watts_alone_leave_the_busy_core_unknown(tmp_path):
    view = load_cluster(written(tmp_path, "workers: [{cores: 2, memory_gb: 8, peak_w: 90}]"))
    assert view.workers[0].power.active_w_per_core.value is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("idle_w: {value: 5, low: 6}", "band"),
        ("idle_w: {value: .nan}", "value"),
        ("idle_w: {value: -1}", "value"),
        ("idle_w: {value: 1e300}", "value"),
        ("idle_w: {watts: 5}", "there is no watts"),
        ("idle_w: {value: 5, source: measured}", "prior or published"),
        ("idle_w: {value: 5, source: published}", "says where"),
        ("idle_w: 50, peak_w: 20", "less than idle_w"),
        ("idle_w: 5, peak_w: 20, active_w_per_core: 3", "leave one out"),
        ("gpus: 8", "gpus is a list"),
        ("gpus: [{name: H100, memory_gb: 80, count: 5000}]", "count"),
        ("gpus: [{name: H100, memory_gb: 80, watts: 1}]", "there is no watts"),
        ("count: 1e8", "count"),
        ("gpus: [{name: H100, memory_gb: 81920}]", "memory_gb must be at least 0.001 and at most 5000"),
        ("gpus: [{name: H100, memory_gb: 0}]", "memory_gb"),
        ("gpus: [{name: H100, memory_gb: 80 GB}]", "memory_gb"),
        ("price_usd_per_hour: $3", "price_usd_per_hour"),
    ],
)
def test_a_figure_that_makes_no_sense_is_an_error_that_says_where(tmp_path, text, says):
    file = written(tmp_path, f"workers: [{{cores: 2, memory_gb: 8, {text}}}]")
    with pytest.raises(UsageError, match=says) as caught:
        load_cluster(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("workers: [{cores: 2, memory_gb: 65536}]", "at most 50000"),
        ("workers: [{cores: 1.0e+9, memory_gb: 8}]", "cores must be a whole number from 1 to 10000"),
        ("workers: [{cores: 2, memory_gb: 0}]", "memory_gb must be at least 0.001"),
        ("workers: [{cores: 2, memory_gb: 1.0e-12}]", "memory_gb must be at least 0.001"),
        (
            f"workers: [{{cores: 2, memory_gb: 8, count: 0x{'f' * 5000}}}]",
            "count must be .* thousands of digits",
        ),
        (f"workers: [{{cores: 2, memory_gb: 8, count: {'9' * 5000}}}]", "does not parse|thousands of digits"),
        (f"workers: [{{cores: 2, memory_gb: 0x{'f' * 5000}}}]", "memory_gb must be .* thousands of digits"),
        (f"workers: [{{cores: 2, memory_gb: 8, name: 0x{'f' * 5000}, count: 0}}]", "count must be"),
        ("workers: [{cores: 2, memory_gb: 8, name: {a: b}}]", "name is a word"),
        ("workers: [{cores: 2, memory_gb: 8, gpus: [{name: , memory_gb: 80}]}]", "a GPU has a name"),
        ("workers: [{cores: 2, cores: 4, memory_gb: 8}]", "cores is there twice"),
        ("workers: [{cores: 2, memory_gb: 8}]\nworkers: []", "workers is there twice"),
        ("workers: [{cores: 2, memory_gb: 8, idle_w: 9, source: published}]", "says where"),
        (
            "workers: [{cores: 2, memory_gb: 8, gpus: [{name: X, memory_gb: 8, idle_w: 9, source: published}]}]",
            "a GPU of worker 1 .*says where",
        ),
        ("workers: [{cores: 2, memory_gb: 8, speed: {low: 1}}]", "speed needs a value"),
        ("workers: [{cores: 2, memory_gb: 8, speed: {value: 1, low: 0}}]", "speed needs a value"),
        ("workers: [{cores: 2, memory_gb: 8, speed: 0}]", "speed must be a number from 0.001"),
        (
            "workers: [{cores: 2, memory_gb: 8}]\nprice_usd_per_hour: 3",
            "no price_usd_per_hour beside the workers",
        ),
        ("workers: [{cores: 2, memory_gb: 8}]\nworker: []", "no worker beside"),
    ],
)
def test_more_than_any_machine_has_and_figures_in_no_place_are_errors(tmp_path, text, says):
    with pytest.raises(UsageError, match=says):
        load_cluster(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("workers: [{name: a, memory_gb: 8}]", "cores is missing"),
        ("workers: [{cores: , memory_gb: 8}]", "cores is missing"),
        ("workers: [{cores: eight, memory_gb: 8}]", "a whole number from 1 to 10000, not 'eight'"),
        ("workers: [{cores: yes, memory_gb: 8}]", "a whole number from 1 to 10000, not True"),
    ],
)
def test_what_is_missing_is_said_to_be_and_what_is_no_number_of_cores_too(tmp_path, text, says):
    with pytest.raises(UsageError, match=says):
        load_cluster(written(tmp_path, text))


def test_a_slip_of_a_key_or_a_name_is_told_what_was_meant(tmp_path):
    with pytest.raises(UsageError) as caught:
        load_cluster(written(tmp_path, "workers: [{cores: 2, memory_gb: 8, gpu: H100}]"))
    assert "Did you mean gpus?" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        find_cluster("h100")
    assert "Did you mean h100-server?" in caught.value.hint


def test_workers_of_one_host_share_its_watts_and_its_gpus(tmp_path):
    view = load_cluster(
        written(
            tmp_path,
            """
workers:
  - {name: a, host: h, cores: 6, memory_gb: 8, gpus: [{name: H100, memory_gb: 80, idle_w: 50}]}
  - {name: b, host: h, cores: 2, memory_gb: 8, idle_w: 100, peak_w: 180, gpus: [{name: H100, memory_gb: 80, idle_w: 50}]}
  - {name: c, cores: 2, memory_gb: 8}
""",
        )
    )
    a, b, c = view.workers
    assert a.power == b.power
    assert a.power.idle_w.value == pytest.approx(200.0), "the host, and both of its cards"
    assert a.power.active_w_per_core.value == pytest.approx(10.0), "80 W over the eight cores of the host"
    assert c.power.idle_w.value is None


def test_one_host_with_two_prices_is_an_error(tmp_path):
    text = """
workers:
  - {name: a, host: h, cores: 2, memory_gb: 8, price_usd_per_hour: 1}
  - {name: b, host: h, cores: 2, memory_gb: 8, price_usd_per_hour: 2}
"""
    with pytest.raises(UsageError, match="host h has other watts or prices than in worker 1"):
        load_cluster(written(tmp_path, text))

"""What `murakkab agents` says: each capability once, above its agents, in words, HTML and JSON."""

from __future__ import annotations

import html
import json
import re

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.cli import main
from murakkab_jupyter.notebook.views.agents import agents_view
from murakkab_jupyter.workflow.language.pattern import example


def flat(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_every_capability_says_its_ports_kinds_sentences_and_slots_once():
    library = default_library()
    view = agents_view(library)
    for capability in library.capabilities():
        assert len(re.findall(rf"^{capability.name}: ", view.text, re.MULTILINE)) == 1
        one = agents_view(library, capability.name)
        for shown in (" ".join(one.text.split()), flat(one.html)):
            assert capability.summary in shown
            assert all(example(pattern) in shown for pattern in capability.patterns)
            for port in capability.ports:
                line = re.search(rf"\{{{port.name}\}}: [^{{]*", shown)[0]
                assert all(kind in line for kind in port.kinds if "any" not in port.kinds)
            assert all(f"<{slot.name}>:" in shown for slot in capability.slots)
        agents = [agent.name for agent in library.agents(capability.name)]
        begins = view.text.index(f"\n{capability.name}: ")
        assert all(view.text.index(f"\n  {name}\n") > begins for name in agents)


def test_one_agent_is_shown_below_its_capability_and_no_other():
    text = agents_view(default_library(), "whisper-base").text
    assert "speech-to-text: " in text
    assert "{speech}: " in text
    assert "whisper-base" in text
    assert "moonshine-tiny" not in text
    assert "object-detection" not in text


def test_sentences_stand_below_each_other():
    shown = agents_view(default_library(), "speech-to-text").html
    facts = re.findall(r'<span style="[^"]*">(\w+)</span><span>(.*?)</span>', shown)
    assert [title for title, _ in facts] == ["takes", "makes", "say"]
    said = [html.unescape(one) for one in dict(facts)["say"].split("<br>")]
    assert {"transcribe {speech}", "get transcript of {speech}"} <= set(said)


def test_agents_as_json_have_ports_sentences_and_slots(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MURAKKAB_JOURNAL", str(tmp_path / "journal.sqlite"))
    assert main(["agents", "frame-extraction", "--json", "-"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["capability"] == "frame-extraction"
    assert found["ports"][0]["name"] == "scene"
    assert {"scene", "video"} <= set(found["ports"][0]["kinds"])
    assert "take 3 frames from {scene}" in found["sentences"]
    assert found["slots"] == [{"name": "count", "type": "int"}]
    assert [one["agent"] for one in found["agents"]] == ["uniform-frames"]


def test_a_capability_that_nobody_offers_and_a_broken_package_are_told():
    library = Library()
    library.add_capability(
        Capability("humming", "Hum a tune.", (Port("tune", frozenset({"audio"})),), "audio")
    )
    library.broken["hummers"] = "ImportError: no hum"
    for shown in (agents_view(library).text, flat(agents_view(library).html)):
        assert "Hum a tune." in shown
        assert "No agent offers it yet." in shown
        assert "hummers could not be loaded: ImportError: no hum" in shown

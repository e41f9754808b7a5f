"""What another package would register: a capability whose patterns fit sentences that mean something already."""

from murakkab_jupyter.agents.capability import Capability, Port

GREEDY = Capability(
    name="greedy",
    summary="Fits many sentences.",
    ports=(Port("thing", frozenset({"any"}), takes="either", several=True),),
    output="text",
    patterns=(
        "detect the objects in {thing}",
        "hear {thing}",
        "sing {thing...}",
    ),
)


def register(library):
    library.add_capability(GREEDY)

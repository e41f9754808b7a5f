"""Engines that run already: attached by URL, remembered for later sessions, looked at before plans count on them."""

from __future__ import annotations

import functools
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

from murakkab_jupyter.agents.served.endpoint import Ability, Endpoint, name_problem
from murakkab_jupyter.cluster.connect import Cluster
from murakkab_jupyter.cluster.engines.ask import PATIENT_S, KeyWantedError, NoModelError, Server, probe_server
from murakkab_jupyter.cluster.engines.book import Book
from murakkab_jupyter.cluster.engines.entry import Entry, at, check_name
from murakkab_jupyter.cluster.engines.health import ailments
from murakkab_jupyter.cluster.engines.kept import Kept, read_kept, write_kept
from murakkab_jupyter.cluster.engines.keys import KeyRing
from murakkab_jupyter.core.errors import AgentError, ClusterError, UsageError

__all__ = ["Attached"]

LOOK_S = 5.0
"""How long a server is believed to be as it was last seen."""
AGAIN_S = 30.0
"""How soon one is asked again that kept whoever asked waiting, or was never as it was when it was attached."""


class Attached:
    """The attached ones among a session's engines.

    Parameters
    ----------
    book
        Where they are kept, with their agents.
    keys
        Takes keys that are typed in.
    connected
        The cluster that is connected now, if there is one.
    kept
        File of those that other sessions know too.
    """

    def __init__(
        self, book: Book, keys: KeyRing, connected: Callable[[], Cluster | None], *, kept: Path
    ) -> None:
        self.book = book
        self.keys = keys
        self._connected = connected
        self._kept = kept
        self._read = False
        self._asked_s: dict[str, float] = {}

    # --- attach -----------------------------------------------------------------------------------------------

    def attach(
        self,
        url: str,
        *,
        name: str = "",
        model: str = "",
        key_env: str | None = None,
        key_over_http: bool = False,
        ask_key: Callable[[str], str] | None = None,
        keep: bool = False,
        rated: float | None = None,
    ) -> Entry:
        """As of `Roster.attach`."""
        check_name(name)
        self.take_up()  # or what was kept before would be forgotten below
        wanted = Endpoint(url, model, key_env, key_over_http=key_over_http)
        wanted.check_key()
        if not wanted.url.endswith("/v1"):
            looking = Server(wanted.url, wanted.key(), patient=True)
            first = looking.ask(f"{wanted.url}/models", timeout_s=PATIENT_S)
            # Some answer every path with a page, or with an error of status 200.
            lists = isinstance(first.body, list) or (isinstance(first.body, dict) and "data" in first.body)
            other = first.status == 200 and not lists
            if first.status == 404 or other:
                wanted = replace(wanted, url=f"{wanted.url}/v1")
        probe = functools.partial(probe_server, wanted.url, model=model, key_over_http=key_over_http)
        # A key that was typed in before for this server serves again.
        typed = os.environ.get(wanted.typed_key, "").strip()
        variable = key_env or (wanted.typed_key if typed else None)
        try:
            found = probe(key=wanted.key(), key_env=variable)
        except KeyWantedError as error:
            wanted.check_key(wanted=True)
            if ask_key is None or (wanted.key() and not (typed and key_env is None)):
                error.hint = wanted.key_advice
                raise
            variable = key_env or wanted.typed_key
            key = ask_key(f"Key for {wanted.url} (kept in this process only, as {variable}): ").strip()
            if not key:
                error.hint = wanted.key_advice
                raise
            found = probe(key=key, key_env=variable)
            self.keys.take(variable, key)
        called = name or self.book.untaken(found.endpoint.slug() or "served")
        entries = self.book.entries
        known, base, more = entries.get(called), called, 2
        # The same model on another server is another engine; with a name it is the user's to replace one.
        while not name and known is not None and not at(known, found.endpoint.url):
            called, more = f"{base}-{more}", more + 1
            known = entries.get(called)
        if known is not None and known.config is not None:
            msg = f"{called} is an engine that is started here."
            raise UsageError(msg, hint="Give this one another name: --name NAME, or detach the other.")
        notes = [one.replace("{name}", called) for one in found.notes]
        before = None if known is None else known.endpoint
        if before is not None and (before.url, before.model) != (found.endpoint.url, found.endpoint.model):
            notes.insert(0, f"{called} was {before.model} at {before.url} before: plans ask this one now.")
        cluster = self._connected()
        hosts = {one.host for one in cluster.probes.values()} if cluster is not None else set()
        if found.endpoint.loopback and hosts and socket.gethostname() not in hosts:
            notes.append(
                "It is on this host, and the cluster's workers are on others, where that address means themselves: "
                "attach it by an address that they know it by."
            )
        if key_env and not os.environ.get(key_env, "").strip():
            notes.append(
                f"No key was sent: {key_env} is not set here. Calls fail until it is set, before workers start."
            )
        keep = keep or (known is not None and known.kept)
        found = replace(found, notes=tuple(notes))
        self._asked_s[called] = time.monotonic()
        entry = self.book.add(Entry(called, found.endpoint, found=found, kept=keep, rated=rated))
        if keep:
            self.write()
        return entry

    def endpoint_at(self, url: str) -> Endpoint | None:
        """What is known of a server that was attached at an address, its key's variable among it; None of others."""
        self.take_up()
        bare = Endpoint(url, "").url
        return next((e.endpoint for e in self.book.known if at(e, bare)), None)

    # --- look again -------------------------------------------------------------------------------------------

    def recall(self) -> None:
        """Take up what is kept, and see who is there now: plans leave out what is not, and say why.

        Each is asked for its list of models, all at once, every `LOOK_S` at most; what was never as it was when it was
        attached, `AGAIN_S` later at the soonest.
        """
        self.take_up()
        now = time.monotonic()
        attached = [one for one in self.book.known if one.config is None and one.endpoint]
        age_s = {one.name: now - self._asked_s.get(one.name, now) for one in attached}
        known = [one for one in attached if one.agents and age_s[one.name] > believed_s(one)]
        said = ailments([one.endpoint for one in known if one.endpoint is not None])
        for entry, problem in zip(known, said, strict=True):
            self._asked_s[entry.name] = time.monotonic()
            if self.book.entries.get(entry.name) != entry:
                continue  # attached anew or detached meanwhile
            if entry.problem and not problem:
                self._ask(replace(entry, problem=""))
            else:
                self.book.put(replace(entry, problem=problem))
        for entry in attached:
            if not entry.agents and entry.problem and age_s[entry.name] > AGAIN_S:
                self._ask(replace(entry, problem=""))

    def take_up(self) -> None:
        """Know those that are kept; once."""
        if self._read:
            return
        self._read = True
        for one in read_kept(self._kept):
            abilities = frozenset(get_args(Ability)) & frozenset(one.abilities)
            if one.key_env is not None and (wrong := name_problem(one.key_env)):
                # Not named again: it may be the key itself, which the next list that is written leaves out.
                bare = Endpoint(one.url, one.model, abilities=abilities, key_over_http=one.key_over_http)
                problem = f"the variable of its key is named wrongly. {wrong} Attach it again."
                self.book.put(Entry(one.name, bare, kept=True, rated=one.rated, problem=problem))
                continue
            endpoint = Endpoint(
                one.url,
                one.model,
                one.key_env,
                abilities=abilities,
                key_over_http=one.key_over_http,
                vectors_model=one.vectors_model,
            )
            self._ask(Entry(one.name, endpoint, kept=True, rated=one.rated))

    def _ask(self, entry: Entry) -> None:
        """See whether a server is there, as it was when it was attached."""
        was = entry.endpoint
        assert was is not None
        self._asked_s[entry.name] = time.monotonic()
        try:
            found = probe_server(
                was.url,
                model=was.model,
                key=was.key(),
                key_env=was.key_env,
                key_over_http=was.key_over_http,
                answer=False,
            )
            # What it can do was found out by asking it, when it was attached.
            endpoint = replace(found.endpoint, abilities=was.abilities, vectors_model=was.vectors_model)
            self.book.add(replace(entry, endpoint=endpoint, found=replace(found, endpoint=endpoint)))
        except UsageError as error:  # its name has been taken since
            self.book.put(replace(entry, problem=error.message))
        except (AgentError, ClusterError) as error:  # it is down, serves another model, or wants another key
            advice = f" {was.key_advice}" if isinstance(error, KeyWantedError) else ""
            if isinstance(error, NoModelError):
                advice = f" {error.hint}"
            down = replace(entry, problem=f"{error.message}{advice}")
            try:
                self.book.add(down)  # so that plans say why they do without it
            except UsageError:
                self.book.put(down)

    def why_missing(self, said: str) -> str:
        """Which engine an error about a missing agent may mean, and why that cannot be used; empty for none."""
        for entry in self.book.known:
            if entry.problem and re.search(rf"There is no agent.*`{re.escape(entry.name)}[`-]", said):
                return f"The engine {entry.name} offers nothing now: {entry.problem.rstrip('.')}."
        return ""

    def write(self) -> None:
        """Write down those that are kept."""
        kept = [
            Kept(
                e.name,
                e.endpoint.url,
                e.endpoint.model,
                e.endpoint.key_env,
                e.rated,
                tuple(sorted(e.endpoint.abilities)),
                e.endpoint.key_over_http,
                e.endpoint.vectors_model,
            )
            for e in self.book.known
            if e.kept and e.endpoint is not None
        ]
        write_kept(self._kept, kept)


def believed_s(entry: Entry) -> float:
    """How long a server is believed to be as it was last seen: longer where asking again takes as long as one may wait."""
    hangs = "cannot be reached" in entry.problem and "refused" not in entry.problem
    return AGAIN_S if hangs else LOOK_S

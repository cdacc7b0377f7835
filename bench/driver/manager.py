"""The manager with a large configuration: lists over REST, a change until the engine holds it, memory of both."""

import http.client
import json
import os
import re
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from .generator import prepare
from .servers import CORES, Failed, Server, free_ports, local, program

APPLIED_LIMIT_S = 60
LISTS = 200


class Rest:
    """A connection to the REST API that stays."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=APPLIED_LIMIT_S)
        self.fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        """The answer, and the milliseconds until its last byte."""
        body = None if body is None else json.dumps(body)
        began = time.perf_counter()
        self.connection.request(method, path, body, self.fields)
        answer = self.connection.getresponse()
        text = answer.read()
        took_ms = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise Failed(f"{method} {path}: {answer.status} {text.decode(errors='replace')[:500]}")
        return json.loads(text), took_ms


class Applied:
    """Follows the feed of events, and knows when each version of the configuration was applied."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.connection.request("GET", "/v1/event/feed", headers={"Authorization": f"Bearer {token}"})
        self.answer = self.connection.getresponse()
        self.at, self.told = {}, threading.Condition()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for line in self.answer:
            if not line.startswith(b"data:"):
                continue
            now, event = time.perf_counter(), json.loads(line[5:])
            if event.get("kind") in ("config_applied", "config_refused"):
                with self.told:
                    self.at[event["version"]] = now, event
                    self.told.notify_all()

    def wait(self, version):
        """When the engine held `version`."""
        with self.told:
            if not self.told.wait_for(lambda: version in self.at, APPLIED_LIMIT_S):
                raise Failed(f"the engine did not apply version {version} in {APPLIED_LIMIT_S} s")
            at, event = self.at[version]
        if event["kind"] != "config_applied":
            raise Failed(f"the engine refused: {event}")
        return at


def daemons():
    """Manager and engine, not started yet, on free ports and one data folder; and the engine's ports."""
    rest, config, vod, events, rtmp, live, api = free_ports(7)

    def manager(directory):
        (directory / "engine.json").write_text(json.dumps({
            "listeners": {"rtmp": local(rtmp), "http": local(live), "api": local(api)},
            "manager": {"address": f"127.0.0.1:{config}"}, "events": {"address": f"127.0.0.1:{events}"}, "vod": local(vod),
        }))
        (directory / "server.json").write_text(json.dumps({"listeners": {"config": local(config), "rest": local(rest)}}))
        return [program("ttsm"), "--config", directory / "server.json", "--data-dir", directory]

    ttsm = Server("ttsm", manager, "manager-addresses.json", rest=rest, config=config, vod=vod)
    folder = ttsm.directory
    tts = Server(
        "tts", lambda _: [program("tts"), "--config", folder / "engine.json", "--data-dir", folder],
        rtmp=rtmp, http=live, api=api,
    )
    return ttsm, tts, {"rtmp": local(rtmp), "http": local(live)}


def large(document, listeners, apps, streams):
    """The configuration with so many applications and source streams, fetched when somebody wants them."""
    engine = document["config"]["engine"]
    engine["settings"]["listeners"] = {**engine["settings"]["listeners"], **listeners}
    engine["apps"] = [{"app_name": f"app-{app}", "source_type": "rtmp_pull"} for app in range(apps)]
    engine["pulls"] = [
        {"app": f"app-{stream % apps}", "stream": f"stream-{stream}", "mode": "on_demand",
         "urls": [f"rtmp://one.invalid/live/{stream}", f"rtmp://two.invalid/live/{stream}"]}
        for stream in range(streams)
    ]
    return document


def rss_mib(server):
    text = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+)", text, re.MULTILINE)[1]) / 1024


def pages(rest, path, entries):
    """Asks for a list to its end; the milliseconds that each page took, and all of them."""
    after, found, times = "", 0, []
    while True:
        answer, took_ms = rest.ask("GET", f"{path}?limit=1000{after}")
        times.append(took_ms)
        found += len(answer["list"])
        if answer.get("next") is None:
            break
        after = f"&after={answer['next']}"
    if found != entries:
        raise Failed(f"{path} lists {found}, not {entries}")
    return times


def quantiles(times):
    ordered = sorted(times)
    return {"p50": statistics.median(ordered), "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], "max": ordered[-1]}


def measure(arguments):
    os.sched_setaffinity(0, {int(core) for core in CORES["generator"].split(",")})
    figures = {"apps": arguments.apps, "streams": arguments.streams}
    ttsm, tts, listeners = daemons()
    with ExitStack() as stack:
        stack.enter_context(ttsm)
        token = re.search(r"^token: (\S+)", (ttsm.directory / "initial-credentials").read_text(), re.MULTILINE)[1]
        rest = Rest(ttsm.ports["rest"], token)
        figures["rss_mib_empty"] = rss_mib(ttsm)
        document = rest.ask("GET", "/v1/config/export?secrets=true")[0]["data"]
        _, figures["import_ms"] = rest.ask(
            "POST", "/v1/config/import", large(document, listeners, arguments.apps, arguments.streams))
        applied = Applied(ttsm.ports["rest"], token)
        began = time.perf_counter()
        stack.enter_context(tts)
        version = rest.ask("GET", "/v1/config")[0]["data"]["version"]
        figures["engine_start_ms"] = (applied.wait(version) - began) * 1000

        for what, entries in (("app", arguments.apps), ("stream", arguments.streams)):
            taken = [pages(rest, f"/v1/{what}", entries) for _ in range(LISTS)]
            figures[f"{what}_page_ms"] = quantiles([page for one in taken for page in one])
            figures[f"{what}_all_ms"] = quantiles([sum(one) for one in taken])

        answered, held = [], []
        for change in range(arguments.changes):
            stream = change * 7 % arguments.streams
            path = f"/v1/stream/app-{stream % arguments.apps}/stream-{stream}"
            began = time.perf_counter()
            _, took_ms = rest.ask("PATCH", path, {"urls": [f"rtmp://three.invalid/live/{change}"]})
            version = rest.ask("GET", "/v1/config")[0]["data"]["version"]
            held.append((applied.wait(version) - began) * 1000)
            answered.append(took_ms)
        figures["change_answered_ms"], figures["change_applied_ms"] = quantiles(answered), quantiles(held)
        check(tts, ttsm, f"stream-{stream}", f"rtmp://three.invalid/live/{change}")
        figures["rss_mib_manager"], figures["rss_mib_engine"] = rss_mib(ttsm), rss_mib(tts)
    return figures


def check(tts, ttsm, stream, url):
    """The engine itself must know of the last change."""
    engine = Rest(tts.ports["api"], (ttsm.directory / "engine-token").read_text().strip())
    tasks = engine.ask("GET", "/v1/tasks")[0]["list"]
    urls = [task["urls"] for task in tasks if task["stream"] == stream]
    if urls != [[url]]:
        raise Failed(f"the engine has {urls} for {stream}, not {url}")


def run(arguments):
    """Runs, prints the table, and returns every run's figures; there are no failures but an exception."""
    prepare(["tts"], 100, ["tts", "ttsm"])
    runs = []
    for repeat in range(arguments.repeats):
        print(f"run {repeat + 1}/{arguments.repeats}", file=sys.stderr)
        runs.append(measure(arguments))
    print(f"{arguments.apps} applications and {arguments.streams} source streams; both daemons on one core; medians of "
          f"{arguments.repeats} runs.\n\n| | p50 | p99 | max |\n|---|---|---|---|")
    middle = lambda name, at: statistics.median(run[name][at] for run in runs)
    for title, name in (
        ("list of all applications, one page", "app_page_ms"),
        ("list of source streams, one page of 1 000", "stream_page_ms"),
        ("list of all source streams, page after page", "stream_all_ms"),
        ("change of one stream, answered", "change_answered_ms"),
        ("change of one stream, held by the engine", "change_applied_ms"),
    ):
        print(f"| {title} | {' | '.join(f'{middle(name, at):.1f} ms' for at in ('p50', 'p99', 'max'))} |")
    print("\n| | |\n|---|---|")
    for title, name, unit in (
        ("import of it all", "import_ms", "ms"), ("engine started until it holds all", "engine_start_ms", "ms"),
        ("RSS of ttsm before", "rss_mib_empty", "MiB"), ("RSS of ttsm after", "rss_mib_manager", "MiB"),
        ("RSS of tts after", "rss_mib_engine", "MiB"),
    ):
        print(f"| {title} | {statistics.median(run[name] for run in runs):.1f} {unit} |")
    return {"manager": runs}, []

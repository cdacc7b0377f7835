"""The engine among guests who do what they like: nobody steady notices, and in the end nothing of it is left."""

import json
import statistics
import sys
import threading
import time

from .generator import generate, prepare
from .reloads import Reloads
from .servers import LAST_WORDS, TOP, Failed, our_server
from .steady import Steady
from .vitals import Vitals

# Short, so that streams end and begin again within them and after them many times.
APP = {"grace_ms": 3_000, "wait_for_publisher_ms": 2_000,
       "hls": {"list_ms": 10_000, "time_shift_s": 10, "idle_ms": 5_000}}
BITRATE = 500_000
STREAM = "steady"
# Guests at once, and what else the generator opens.
CONNECTIONS = 9_000
# Caches, pools and the allocator are as large as they get after so long, or after as long as the run itself: what is held
# then is the base.
WARM_UP_S = 60
# Past the generator's own limits.
GENERATOR_LIMIT_S = 60
# The longest documented time that something outlives its last use: a stream that has ended is served by HLS for 120 s. In the
# short form that is not waited for, and the next longest is a viewer of HLS, of 30 s. Each with some for the machine.
REST_LIMIT_S = 150
SHORT_REST_LIMIT_S = 50
# Growth that is noise of the allocator rather than a leak.
ALLOWED_RSS_KIB = 8 * 1024
# While guests come and go; a few are there or not there by chance.
ALLOWED_FILES = 200
# Guests become more and more until the first of the longest stays are over; growth is judged by what is seen after that.
LONGEST_STAY_S = 30
# Samples in a run: enough for a median of a fifth of them.
SAMPLES = 30
# What must be nought when nobody is there.
NOUGHT = ("connections", "streams", "listed_streams", "viewers", "waiting_viewers", "blocked_requests")
# What lives on for a while in the base of the short form, and must be nought in the end.
NOUGHT_IN_THE_END = ("hls_sessions", "overload_widening", "overload_refusing")
# What lives on past the end of the short form: streams that have ended, in both containers.
HELD = ("hls_presentations", "hls_memory_bytes")
HELD_PRESENTATIONS = 10
# What must not be more than in the base.
AS_BEFORE = ("files", "tasks", "threads")


class Samples(threading.Thread):
    """Looks at the process all the time."""

    def __init__(self, vitals, interval):
        super().__init__(daemon=True)
        self.vitals, self.interval = vitals, interval
        self.taken, self.stopping = [], threading.Event()

    def run(self):
        while not self.stopping.wait(self.interval):
            try:
                self.taken.append({**self.vitals.process(), **self.vitals.overload()})
            except OSError:
                continue  # it has ended, or is too busy to tell: both show elsewhere
            print(json.dumps(self.taken[-1]), file=sys.stderr)

    def stop(self):
        self.stopping.set()
        self.join()


def run(arguments):
    """Runs, prints the figures as JSON, and raises `Failed` for what it finds."""
    prepare(["tts"], CONNECTIONS)
    with our_server(app=APP) as server:
        try:
            figures = soak(server, arguments)
        except Failed as failure:
            said = server.log.read_text(errors="replace")[-LAST_WORDS:]
            raise Failed(f"{failure}\nThe last that the engine said:\n{said}") from None
    print(json.dumps(figures))
    if "panicked" in server.said:
        raise Failed(f"a panic:\n{server.said[server.said.index('panicked') - 200:][:LAST_WORDS]}")
    if server.process.returncode != 0:
        raise Failed(f"the engine ended with {server.process.returncode}:\n{server.said[-LAST_WORDS:]}")


def soak(server, arguments):
    vitals = Vitals(server)
    come_and_go(server, min(WARM_UP_S, arguments.seconds), arguments)
    limit = SHORT_REST_LIMIT_S if arguments.short else REST_LIMIT_S
    nought = NOUGHT if arguments.short else (*NOUGHT, *NOUGHT_IN_THE_END, *HELD)
    base = rest(vitals, limit, lambda now: [name for name in nought if now[name]])
    print(f"base: {json.dumps(base)}", file=sys.stderr)

    samples = Samples(vitals, arguments.seconds / SAMPLES)
    samples.start()
    try:
        figures = come_and_go(server, arguments.seconds, arguments)
    finally:
        samples.stop()
    medians = compare(samples.taken, arguments.seconds)
    most = {name: max(sample[name] for sample in samples.taken) for name in samples.taken[0]}

    def left(now):
        names = [name for name in (*NOUGHT, *NOUGHT_IN_THE_END) if now[name]]
        names += [name for name in HELD if now[name] and not arguments.short]
        names += ["hls_presentations"] * (now["hls_presentations"] > HELD_PRESENTATIONS)
        # A presentation that is held has a task that ends it.
        held = {"tasks": max(0, now["hls_presentations"] - base["hls_presentations"])}
        names += [name for name in AS_BEFORE if now[name] > base[name] + held.get(name, 0)]
        # What HLS still serves is told by itself.
        held_kib = max(0, now["hls_memory_bytes"] - base["hls_memory_bytes"]) // 1024
        return names + ["rss_kib"] * (now["rss_kib"] > base["rss_kib"] + held_kib + ALLOWED_RSS_KIB)

    after = rest(vitals, limit, left)
    return {**figures, "most": most, "second_and_last_fifth": medians, "base": base, "after": after}


def come_and_go(server, seconds, arguments):
    """Lets guests come for so long, and changes the configuration meanwhile; nobody steady may notice."""
    inputs = [folder for folder in (TOP / "fuzz" / "seeds", TOP / "fuzz" / "corpus") if folder.exists()]
    reloads, steady = Reloads(server), Steady(server, STREAM)
    reloads.start()
    steady.start()
    try:
        figures = generate(
            server, "--bitrate", BITRATE, "--stream", STREAM, "soak", "--seconds", round(seconds),
            "--publishers-per-s", arguments.publishers_per_s, "--viewers-per-s", arguments.viewers_per_s,
            "--inputs", *inputs, limit=seconds + GENERATOR_LIMIT_S,
        )
    finally:
        reloads.stop()
    failure, pictures = steady.stop(figures["pictures"])
    if reloads.failure or failure:
        raise Failed(reloads.failure or f"steady {failure}")
    return {**figures, "pictures_by_http": pictures, "reloads": reloads.taken}


def rest(vitals, limit_s, left):
    """What it holds when everyone has gone and nothing that `left` names is left."""
    deadline = time.monotonic() + limit_s
    while True:
        now = vitals.all()
        names = left(now)
        if not names:
            return now
        if time.monotonic() > deadline:
            raise Failed(f"{limit_s} s after everyone has left there are still too many of {', '.join(names)}: {json.dumps(now)}")
        time.sleep(0.5)


def compare(samples, seconds):
    """The medians of the second and the last fifth of the samples, between which nothing may have grown in a run long enough."""
    fifth = len(samples) // 5
    if fifth == 0:
        raise Failed(f"only {len(samples)} samples were taken")
    median = lambda part, name: statistics.median(sample[name] for sample in part)
    medians = {}
    for name, allowed in {"rss_kib": ALLOWED_RSS_KIB, "files": ALLOWED_FILES, "threads": 0}.items():
        early, late = medians[name] = [median(samples[fifth:2 * fifth], name), median(samples[-fifth:], name)]
        if seconds / 5 >= LONGEST_STAY_S and late > early + allowed:
            raise Failed(f"{name} grew from {early} to {late} while guests came and went")
    return medians

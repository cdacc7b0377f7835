"""The largest number of viewers that one core serves without losing a frame, found by steps."""

import sys

from .fanout import CONTENDERS, fanout
from .generator import choose, prepare
from .servers import Failed

DEFAULT = ["plain-350/tcp", "tts-350/rtmp", "tts-350/http-flv", "nginx/rtmp"]
FIRST, LAST, STEP = 2000, 18_000, 500
JOINS_PER_S = 1000
# What arrives later is not live: such a server is falling behind, though it has not lost anything yet.
MAX_DELAY_P99_MS = 1000


def attempt(name, viewers, seconds):
    """The figures if the run was clean, else why it was not."""
    try:
        figures = fanout(name, viewers, seconds, "--join-rate", JOINS_PER_S)
    except Failed as failure:
        return None, str(failure).rpartition(": ")[2]
    delay_ms = figures["delay_us"]["p99"] / 1000
    if delay_ms > MAX_DELAY_P99_MS:
        return None, f"delay p99 of {delay_ms:.0f} ms"
    return figures, None


def search(name, seconds):
    """The most viewers that were clean with their figures, and why one step more was not."""
    best, why, viewers, step = None, f"{LAST} is the most that is tried", FIRST, FIRST
    low, high = 0, None
    while viewers <= LAST:
        figures, failure = attempt(name, viewers, seconds)
        print(f"  {name}: {viewers} viewers: {failure or 'clean'}", file=sys.stderr)
        if figures:
            low, best = viewers, figures
        else:
            high, why = viewers, failure
        if high is None:
            viewers += step
        elif high - low <= STEP:
            break
        else:
            viewers = (low + high) // 2 // STEP * STEP
    return low, best, why


def run(arguments):
    """Searches, prints the table, and returns the figures; what limits a server is a result, not a failure."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, LAST)
    found = {name: [] for name in chosen}
    for repeat in range(arguments.repeats):
        for name in chosen:
            print(f"run {repeat + 1}/{arguments.repeats}: {name}", file=sys.stderr)
            found[name].append(search(name, arguments.seconds))
    print(f"2.5 Mbit/s; server on one core; {arguments.repeats} searches by runs of {arguments.seconds} s in steps of {STEP} viewers: the "
          f"median (range), and what was measured at the median. Clean: every viewer had every frame in order, and the p99 of the "
          f"delay was below {MAX_DELAY_P99_MS} ms.\n")
    print("| server | clean viewers | server CPU | CPU s per GB | delay p99 | generator CPU | one step more |")
    print("|---|---|---|---|---|---|---|")
    for name, searches in found.items():
        counts = [viewers for viewers, _, _ in searches]
        viewers, figures, why = sorted(searches, key=lambda search: search[0])[(len(searches) - 1) // 2]
        if not figures:
            print(f"| {name} | fewer than {STEP} | | | | | {why} |")
            continue
        spread = f" ({min(counts)}-{max(counts)})" if len(counts) > 1 else ""
        print(f"| {name} | {viewers}{spread} | {figures['server']['cpu']:.0%} | {figures['server']['cpu_s_per_gb']:.2f} "
              f"| {figures['delay_us']['p99'] / 1000:.0f} ms | {figures['generator']['cpu']:.0%} | {why} |")
    return {"clean": [{"server": name, "viewers": viewers, "figures": figures, "more": why}
                      for name, searches in found.items() for viewers, figures, why in searches]}, []

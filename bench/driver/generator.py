"""Builds and runs the load generator, and sums its runs up."""

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from . import servers
from .servers import CORES, NGINX, NGINX_MODULE, NODE_SERVER, TARGET, TOP, Failed


# Whether what is measured is built first; scripts/bench may change it before it begins.
BUILD = True


def prepare(names, connections, ours=("tts",)):
    """Makes sure that what `names` (SERVER/WHAT) need is there, and builds what is `ours` if any of it is."""
    if os.cpu_count() < 2:
        raise Failed("two cores are needed: one for the server, one for the load")
    if any(name.startswith("nginx") for name in names) and not (os.path.exists(NGINX) and os.path.exists(NGINX_MODULE)):
        raise Failed("nginx with its RTMP module is missing: scripts/setup-tests --bench, or --only what is tts")
    if any(name.startswith("node") for name in names) and not NODE_SERVER.exists():
        raise Failed("node-media-server is missing: scripts/setup-tests --bench, or --only what is tts")
    wanted = connections + 200
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Failed(f"{wanted} open files are needed, the hard limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else hard, hard))
    if not BUILD:
        return
    ours = ours if any(name.startswith("tts") for name in names) else ()
    subprocess.run(
        ["cargo", "build", "--profile", servers.PROFILE, "--locked", *(f"--package={name}" for name in ("streamer-bench", *ours))],
        cwd=TOP, check=True, stdin=subprocess.DEVNULL,
    )


def generate(server, *arguments, limit):
    """Runs the generator against a server and returns its figures."""
    command = ["taskset", "-c", CORES["generator"], str(servers.program("streamer-load")), "--http", f"127.0.0.1:{server.http}"]
    if server.rtmp:
        command += ["--rtmp", f"127.0.0.1:{server.rtmp}"]
    if server.flv_path:
        command += ["--flv-path", server.flv_path]
    done = subprocess.run(
        command + [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit,
    )
    if done.returncode != 0:
        raise Failed(f"{server.name}, {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def refuse_bottleneck(figures):
    """Figures of the server, when it was not the generator that could not go faster."""
    if figures["generator"]["cpu"] > 0.9:
        raise Failed(f"the generator was the bottleneck: {figures['generator']}")
    return figures


def rounds(repeats, cases, measure):
    """Measures each case so often: the figures by case, and why there are none.

    Repeats go around all cases, so that a change of the machine's mood meets each of them.
    """
    runs, lost = {}, {}
    for repeat in range(repeats):
        for case in cases:
            print(f"run {repeat + 1}/{repeats}: {', '.join(map(str, case))}", file=sys.stderr)
            try:
                runs.setdefault(case, []).append(measure(*case))
            except Failed as failure:
                lost.setdefault(case, []).append(str(failure))
                print(f"  {failure}", file=sys.stderr)
    return {case: runs[case] for case in runs if case not in lost and runs[case]}, lost


def failures_of_ours(lost):
    """That a peer cannot carry the load is a result; that we cannot is a failure."""
    return [text for (name, *_), texts in lost.items() for text in texts if name.startswith(("tts", "plain"))]


def all_figures(runs, lost):
    """All runs' figures, with the case they are of."""
    return {
        "runs": [{"case": case, **figures} for case, of_one in runs.items() for figures in of_one],
        "without_figures": [{"case": case, "why": texts} for case, texts in lost.items()],
    }


def values(runs, *path):
    """What stands at `path` in the figures of each run."""
    found = []
    for run in runs:
        for key in path:
            run = run[key]
        found.append(run)
    return found


def median(runs, *path):
    return statistics.median(values(runs, *path))


def ranged(runs, *path, digits, scale=1):
    """The median and, of several runs, the range, divided by `scale`."""
    found = [value / scale for value in values(runs, *path)]
    text = f"{statistics.median(found):.{digits}f}"
    return text if len(found) < 2 else f"{text} ({min(found):.{digits}f}-{max(found):.{digits}f})"


def test_clip(name):
    """A clip of scripts/test-media, made if it is not there."""
    clip = Path(os.environ.get("TEST_MEDIA_DIR", TARGET / "test-media"), name)
    if not clip.exists():
        subprocess.run([TOP / "scripts" / "test-media"], check=True, stdin=subprocess.DEVNULL)
    return clip


def choose(known, chosen):
    """The names chosen, or all; refuses unknown ones."""
    unknown = [name for name in chosen or [] if name not in known]
    if unknown:
        raise Failed(f"unknown: {' '.join(unknown)}; known: {' '.join(known)}")
    return chosen or list(known)

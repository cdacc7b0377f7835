"""Builds and runs the load generator, and sums its runs up."""

import json
import os
import resource
import statistics
import subprocess

from .servers import GENERATOR_CORE, NGINX, NGINX_MODULE, TARGET, TOP, Failed


def prepare(names, connections):
    """Makes sure that what `names` (SERVER/WHAT) need is there, and builds what is ours."""
    if os.cpu_count() < 2:
        raise Failed("two cores are needed: one for the server, one for the load")
    if any(name.startswith("nginx") for name in names) and not (os.path.exists(NGINX) and os.path.exists(NGINX_MODULE)):
        raise Failed("nginx with its RTMP module is missing: scripts/setup-tests --bench, or --only what is tts")
    wanted = 2 * connections + 200
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Failed(f"{wanted} open files are needed, the hard limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else hard, hard))
    ours = ["-p", "tts"] if any(name.startswith("tts") for name in names) else []
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "-p", "streamer-bench", *ours],
        cwd=TOP, check=True, stdin=subprocess.DEVNULL,
    )


def generate(server, *arguments, limit):
    """Runs the generator against a server and returns its figures."""
    command = ["taskset", "-c", GENERATOR_CORE, str(TARGET / "release" / "streamer-load")]
    command += ["--rtmp", f"127.0.0.1:{server.rtmp}", "--http", f"127.0.0.1:{server.http}"]
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


def median(runs, *path):
    values = []
    for run in runs:
        for key in path:
            run = run[key]
        values.append(run)
    return statistics.median(values)


def choose(known, chosen):
    """The names chosen, or all; refuses unknown ones."""
    unknown = [name for name in chosen or [] if name not in known]
    if unknown:
        raise Failed(f"unknown: {' '.join(unknown)}; known: {' '.join(known)}")
    return chosen or list(known)

"""HLS: segments and playlists to many pollers, beside nginx; then how soon a partial segment is available."""

import sys
import time
import urllib.error
import urllib.request
from functools import partial

from .generator import choose, generate, median, prepare, refuse_bottleneck, test_clip
from .servers import Failed, Publisher, nginx_server, our_server

STREAM = "bench"
CLIP = "h264_aac.mp4"
# Name: how the server is started, what starts its segmenter, the media playlist.
OURS = f"/live/{STREAM}"
CONTENDERS = {
    "tts/ts": (our_server, f"{OURS}/playlist.m3u8", f"{OURS}/media/ts/index.m3u8"),
    "tts/fmp4": (our_server, f"{OURS}/playlist_sfm4s.m3u8", f"{OURS}/media/video0/index.m3u8"),
    "nginx/ts": (partial(nginx_server, hls=True), None, f"/hls/{STREAM}.m3u8"),
}
PARTS = "tts/parts"
# A list as long as a player finds it.
SEGMENTS = 5
FILL_LIMIT_S = 60


def get(server, path):
    """The text at `path`, or nothing while the server has none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http}{path}", timeout=FILL_LIMIT_S) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return ""


def fill(server, entrance, playlist):
    """Waits until the playlist lists enough segments."""
    deadline = time.monotonic() + FILL_LIMIT_S
    while time.monotonic() < deadline:
        if entrance:
            get(server, entrance)
        if get(server, playlist).count("#EXTINF") >= SEGMENTS:
            return
        time.sleep(0.5)
    raise Failed(f"{server.name}: {playlist} lists less than {SEGMENTS} segments after {FILL_LIMIT_S} s")


def polls(name, pollers, seconds):
    """Figures of one server, by what was polled and by how many."""
    start, entrance, playlist = CONTENDERS[name]
    with start() as server, Publisher(server, test_clip(CLIP), STREAM):
        for what in ("segments", "playlist"):
            for count in pollers:
                # Time enough between runs for a list that moved on.
                fill(server, entrance, playlist)
                yield what, count, generate(
                    server, "poll", "--playlist", playlist, "--what", what, "--pollers", count,
                    "--seconds", seconds, "--server-pids", server.process.pid, limit=seconds + 120,
                )


def parts(waiters, seconds):
    """How soon a part is available to so many blocking reloads."""
    with our_server() as server:
        return refuse_bottleneck(generate(
            server, "--stream", STREAM, "parts", "--waiters", waiters, "--seconds", seconds,
            "--server-pids", server.process.pid, limit=seconds + 150,
        ))


def run(arguments):
    """Runs, prints the tables, and returns every run's figures and the failures."""
    chosen = choose([*CONTENDERS, PARTS], arguments.only)
    prepare(chosen, max(arguments.pollers + arguments.waiters))
    polled, waited, failures = {}, {}, []

    def failed(failure):
        failures.append(str(failure))
        print(f"  {failure}", file=sys.stderr)

    # Repeats go around all contenders, so that a change of the machine's mood meets each of them.
    for repeat in range(arguments.repeats):
        for name in (name for name in chosen if name != PARTS):
            print(f"run {repeat + 1}/{arguments.repeats}: {name}", file=sys.stderr)
            try:
                for what, count, figures in polls(name, arguments.pollers, arguments.seconds):
                    polled.setdefault((what, count, name), []).append(figures)
            except Failed as failure:
                failed(failure)
        for waiters in arguments.waiters if PARTS in chosen else []:
            print(f"run {repeat + 1}/{arguments.repeats}: parts, {waiters} waiters", file=sys.stderr)
            try:
                waited.setdefault(waiters, []).append(parts(waiters, arguments.seconds))
            except Failed as failure:
                failed(failure)
    print_tables(arguments, polled, waited)
    return {
        "polls": [{"server": name, **figures} for (*_, name), of_one in polled.items() for figures in of_one],
        "parts": [figures for of_one in waited.values() for figures in of_one],
    }, failures


def print_tables(arguments, polled, waited):
    print(f"2.5 Mbit/s H.264+AAC; server on one core, generator on another; median of {arguments.repeats} runs of "
          f"{arguments.seconds} s.")
    if polled:
        print("\n| of | pollers | server | answers/s | MB/s | CPU s per GB | CPU µs per answer | answered p50 | p99 | RSS "
              "| server CPU | generator CPU |")
        print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for (what, count, name), runs in sorted(polled.items(), key=lambda item: (item[0][0] != "segments", item[0][1])):
        rate = median([{"rate": run["body_bytes"] / run["seconds"]} for run in runs], "rate")
        print(f"| {what} | {count} | {name} | {median(runs, 'answers_per_s'):.0f} | {rate / 1e6:.0f} "
              f"| {median(runs, 'server_cpu_s_per_gb'):.3f} | {median(runs, 'server_cpu_us_per_answer'):.1f} "
              f"| {median(runs, 'answered_us', 'p50') / 1000:.2f} ms | {median(runs, 'answered_us', 'p99') / 1000:.2f} ms "
              f"| {median(runs, 'server', 'rss_bytes') / 2**20:.1f} MiB "
              f"| {median(runs, 'server', 'cpu'):.0%} | {median(runs, 'generator', 'cpu'):.0%} |")
    if waited:
        print("\n| waiters | part available p50 | p99 | max | pictures per part | late answers | server CPU | RSS "
              "| generator CPU |")
        print("|---|---|---|---|---|---|---|---|---|")
    for waiters, runs in waited.items():
        delay = [f"{median(runs, 'delay_us', at) / 1000:.1f} ms" for at in ("p50", "p99", "max")]
        print(f"| {waiters} | {' | '.join(delay)} | {median(runs, 'pictures_per_part'):.1f} "
              f"| {median(runs, 'late'):.0f} | {median(runs, 'server', 'cpu'):.0%} "
              f"| {median(runs, 'server', 'rss_bytes') / 2**20:.1f} MiB | {median(runs, 'generator', 'cpu'):.0%} |")

"""Video on demand: how soon a large file plays, and its segments to many pollers beside nginx with ready-made ones."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import partial

from .generator import choose, generate, median, prepare, ranged, test_clip
from .servers import TARGET, Failed, Server, free_ports, local, nginx_server, our_server, program

CLIP = "h264_aac.mp4"
FOLDER = TARGET / "bench-media"
FILES, READY = FOLDER / "vod", FOLDER / "ready"
LARGE_BYTES = 2_000_000_000
# Ready-made segments of the beginning of the file: more than any cache of segments holds, less than memory.
READY_SECONDS = 1600
SEGMENT_MS = 6000
PLAYLISTS = {"ts": "/vod/large.mp4/playlist.m3u8", "fmp4": "/vod/large.mp4/playlist_sfm4s.m3u8"}
MEDIA = {"ts": "/vod/large.mp4/media/0-ts/index.m3u8", "fmp4": "/vod/large.mp4/media/0-video0/index.m3u8"}
# Segments that all pollers ask for: few, as when many watch the same film, and so many that each is made anew.
FEW, MANY = 4, 256


def vod_server():
    """The manager, which serves the files."""
    rest, config, vod, events = free_ports(4)

    def command(directory):
        (directory / "engine.json").write_text(json.dumps({
            "manager": {"address": f"127.0.0.1:{config}"}, "events": {"address": f"127.0.0.1:{events}"}, "vod": local(vod),
        }))
        (directory / "server.json").write_text(json.dumps({
            "listeners": {"config": local(config), "rest": local(rest)},
            "vod": {"root": str(FILES), "segment_ms": SEGMENT_MS},
        }))
        return [program("ttsm"), "--config", directory / "server.json", "--data-dir", directory]

    return Server("ttsm", command, "manager-addresses.json", http=vod, config=config)


@contextmanager
def direct(start):
    with start() as server:
        yield server, [server]


@contextmanager
def through_the_engine():
    """The engine's HTTP port, which passes requests on to the manager."""
    with ExitStack() as stack:
        manager = stack.enter_context(vod_server())
        engine = stack.enter_context(our_server(vod_port=manager.http))
        yield engine, [manager, engine]


# Name: what serves, and the media playlist.
CONTENDERS = {
    "ttsm/ts": (partial(direct, vod_server), MEDIA["ts"]),
    "ttsm/fmp4": (partial(direct, vod_server), MEDIA["fmp4"]),
    "nginx/ts": (partial(direct, partial(nginx_server, files=READY)), "/vod/index.m3u8"),
    "tts/ts": (through_the_engine, MEDIA["ts"]),
}


def make_media():
    """The large file, and segments of its beginning as they would lie on a disk; what is there already is kept."""
    large = FILES / "large.mp4"
    ffmpeg = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    run = partial(subprocess.run, check=True, stdin=subprocess.DEVNULL)
    if not large.exists():
        print(f"making {large}", file=sys.stderr)
        clip = test_clip(CLIP)
        FILES.mkdir(parents=True, exist_ok=True)
        part = FOLDER / "part.mp4"
        loops = LARGE_BYTES // clip.stat().st_size + 1
        run([*ffmpeg, "-stream_loop", str(loops), "-i", clip, "-c", "copy", part])
        part.rename(large)
    if not READY.exists():
        part = FOLDER / "part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        run([*ffmpeg, "-i", large, "-c", "copy", "-t", str(READY_SECONDS), "-f", "hls", "-hls_time", str(SEGMENT_MS / 1000),
             "-hls_list_size", "0", "-hls_playlist_type", "vod", part / "index.m3u8"])
        part.rename(READY)
    return large


def forget_pages(path):
    """Takes the file out of the page cache, so that it is read from the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def firsts(large, opens):
    """Times to the first segment, each of a server that has just started, by container and by where the file was."""
    times = {}
    for _ in range(opens):
        for container, playlist in PLAYLISTS.items():
            for pages in ("memory", "disk"):
                with vod_server() as server:
                    if pages == "disk":
                        forget_pages(large)
                    figures = generate(server, "first", "--playlist", playlist, limit=60)
                times.setdefault((container, pages), []).append(figures)
    return times


def polls(name, pollers, seconds):
    serve, playlist = CONTENDERS[name]
    with serve() as (server, processes):
        for segments in (FEW, MANY):
            for count in pollers:
                pids = ",".join(str(each.process.pid) for each in processes)
                yield segments, count, generate(
                    server, "poll", "--playlist", playlist, "--what", "segments", "--segments", segments,
                    "--pollers", count, "--seconds", seconds, "--server-pids", pids, limit=seconds + 120,
                )


def run(arguments):
    """Runs, prints the tables, and returns every run's figures and the failures."""
    chosen = choose(CONTENDERS, arguments.only)
    prepare(chosen, 2 * max(arguments.pollers), ["tts", "ttsm"])
    large = make_media()
    opened = firsts(large, arguments.opens)
    polled, failures = {}, []
    # Repeats go around all contenders, so that a change of the machine's mood meets each of them.
    for repeat in range(arguments.repeats):
        for name in chosen:
            print(f"run {repeat + 1}/{arguments.repeats}: {name}", file=sys.stderr)
            try:
                for segments, count, figures in polls(name, arguments.pollers, arguments.seconds):
                    polled.setdefault((segments, count, name), []).append(figures)
            except Failed as failure:
                failures.append(str(failure))
                print(f"  {failure}", file=sys.stderr)
    print_tables(arguments, large, opened, polled)
    return {
        "first": [{"container": container, "pages": pages, **figures}
                  for (container, pages), of_one in opened.items() for figures in of_one],
        "polls": [{"server": name, **figures} for (*_, name), of_one in polled.items() for figures in of_one],
    }, failures


def print_tables(arguments, large, opened, polled):
    print(f"A file of {large.stat().st_size / 1e9:.2f} GB, H.264+AAC of 2.5 Mbit/s; segments of {SEGMENT_MS // 1000} s.\n")
    print("| first segment of a server just started | file in | playlists | segment | total | slowest |\n|---|---|---|---|---|---|")
    for (container, pages), of_one in opened.items():
        lists = median([{"us": run["multivariant_us"] + run["media_us"] + run["section_us"]} for run in of_one], "us")
        print(f"| {container} | {pages} | {lists / 1000:.1f} ms | {median(of_one, 'segment_us') / 1000:.1f} ms "
              f"| {median(of_one, 'total_us') / 1000:.1f} ms | {max(run['total_us'] for run in of_one) / 1000:.1f} ms |")
    print(f"\nServer on one core, generator on another; median (range) of {arguments.repeats} runs of {arguments.seconds} s.\n")
    print("| segments asked for | pollers | server | answers/s | MB/s | CPU s per GB | of nginx's | answered p99 | RSS | server CPU "
          "| generator CPU |\n|---|---|---|---|---|---|---|---|---|---|---|")
    for (segments, count, name), runs in sorted(polled.items(), key=lambda item: item[0][:2]):
        rate = median([{"rate": run["body_bytes"] / run["seconds"]} for run in runs], "rate")
        cost = median(runs, "server_cpu_s_per_gb")
        base = polled.get((segments, count, "nginx/ts"))
        ratio = f"{cost / median(base, 'server_cpu_s_per_gb'):.2f}" if base else "-"
        print(f"| {segments} | {count} | {name} | {median(runs, 'answers_per_s'):.0f} | {rate / 1e6:.0f} "
              f"| {ranged(runs, 'server_cpu_s_per_gb', digits=3)} | {ratio} | {median(runs, 'answered_us', 'p99') / 1000:.1f} ms "
              f"| {median(runs, 'server', 'rss_bytes') / 2**20:.1f} MiB "
              f"| {median(runs, 'server', 'cpu'):.0%} | {median(runs, 'generator', 'cpu'):.0%} |")

"""Hundreds of publishers whom nobody watches: CPU and memory of each."""

from concurrent.futures import ThreadPoolExecutor, wait

from .fanout import CONTENDERS
from .generator import all_figures, choose, failures_of_ours, generate, median, prepare, ranged, refuse_bottleneck, rounds
from .vitals import Vitals

DEFAULT = ["tts-40/rtmp", "nginx/rtmp", "node/rtmp"]
PUBLISHERS, BITRATE = 600, 200_000


# A ring of one-second GOPs empties and fills once a second; the generator lets publishers be for five seconds first.
LOOKED_S, LOOK_EVERY_S = 6, 0.2


def load(server, seconds):
    return generate(
        server, "--bitrate", BITRATE, "publish", "--publishers", PUBLISHERS, "--seconds", seconds,
        "--server-pids", server.process.pid, limit=seconds + 150,
    )


def publish(name, seconds):
    start, _ = CONTENDERS[name]
    with start() as server:
        return refuse_bottleneck(load(server, seconds))


def held(name):
    """The most bytes of media that our server holds of each stream, in a run of its own: to ask costs it time and memory."""
    start, _ = CONTENDERS[name]
    most = 0
    with start() as server, ThreadPoolExecutor(1) as pool:
        vitals = Vitals(server)
        loading = pool.submit(load, server, LOOKED_S)
        while wait([loading], LOOK_EVERY_S).not_done:
            most = max(most, vitals.gauge(vitals.ask("/metrics"), "tts_held_bytes"))
        loading.result()
    return most / PUBLISHERS


def run(arguments):
    """Runs, prints the table, and returns every run's figures and the failures of what is ours."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, PUBLISHERS)
    runs, lost = rounds(arguments.repeats, [(name,) for name in chosen], lambda name: publish(name, arguments.seconds))
    print(f"{PUBLISHERS} publishers of {BITRATE // 1000} kbit/s, a key frame each second, no viewers; median (range) of "
          f"{arguments.repeats} runs of {arguments.seconds} s. A second of media, which a GOP is, has {BITRATE / 8 / 1024:.1f} KiB.\n")
    print("| server | CPU ms per s, each | RSS each | media held of it at most | share of a core | generator CPU |\n|---|---|---|---|---|---|")
    for name in chosen:
        if (name,) in lost:
            print(f"| {name} | no figures: {lost[name,][0].rpartition(': ')[2]} | | | | |")
            continue
        of_one = runs[name,]
        media = f"{held(name) / 1024:.1f} KiB" if name.startswith("tts") else "-"
        print(f"| {name} | {ranged(of_one, 'cpu_ms_per_s', digits=2)} "
              f"| {ranged(of_one, 'rss_per_publisher_bytes', digits=1, scale=1024)} KiB | {media} "
              f"| {median(of_one, 'server', 'cpu'):.0%} | {median(of_one, 'generator', 'cpu'):.0%} |")
    return all_figures(runs, lost), failures_of_ours(lost)

"""Hundreds of publishers whom nobody watches: CPU and memory of each."""

from .fanout import CONTENDERS
from .generator import all_figures, choose, failures_of_ours, generate, median, prepare, ranged, refuse_bottleneck, rounds

DEFAULT = ["tts-40/rtmp", "nginx/rtmp", "node/rtmp"]
PUBLISHERS, BITRATE = 600, 200_000


def publish(name, seconds):
    start, _ = CONTENDERS[name]
    with start() as server:
        return refuse_bottleneck(generate(
            server, "--bitrate", BITRATE, "publish", "--publishers", PUBLISHERS, "--seconds", seconds,
            "--server-pids", server.process.pid, limit=seconds + 150,
        ))


def run(arguments):
    """Runs, prints the table, and returns every run's figures and the failures of what is ours."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, PUBLISHERS)
    runs, lost = rounds(arguments.repeats, [(name,) for name in chosen], lambda name: publish(name, arguments.seconds))
    # A GOP is a second long; a server that holds it for viewers to come holds one or two of them.
    print(f"{PUBLISHERS} publishers of {BITRATE // 1000} kbit/s, a key frame each second, no viewers; median (range) of "
          f"{arguments.repeats} runs of {arguments.seconds} s. A second of media, which a GOP is, has {BITRATE / 8 / 1024:.1f} KiB.\n")
    print("| server | CPU ms per s, each | RSS each | share of a core | generator CPU |\n|---|---|---|---|---|")
    for name in chosen:
        if (name,) in lost:
            print(f"| {name} | no figures: {lost[name,][0].rpartition(': ')[2]} | | | |")
            continue
        of_one = runs[name,]
        print(f"| {name} | {ranged(of_one, 'cpu_ms_per_s', digits=2)} "
              f"| {ranged(of_one, 'rss_per_publisher_bytes', digits=1, scale=1024)} KiB "
              f"| {median(of_one, 'server', 'cpu'):.0%} | {median(of_one, 'generator', 'cpu'):.0%} |")
    return all_figures(runs, lost), failures_of_ours(lost)

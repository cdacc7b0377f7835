"""Thousands of viewers of a small stream, joining quickly: share of a core, memory of each."""

from .fanout import CONTENDERS, fanout
from .generator import all_figures, choose, failures_of_ours, median, prepare, ranged, rounds

DEFAULT = ["plain-350/tcp", "tts-40/rtmp", "tts-350/rtmp", "tts-350/http-flv", "nginx/rtmp", "node/rtmp"]
VIEWERS, JOINS_PER_S, BITRATE = 5000, 1000, 200_000


def run(arguments):
    """Runs, prints the table, and returns every run's figures and the failures of what is ours."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, VIEWERS)
    options = ["--join-rate", JOINS_PER_S, *(["--quick-ack"] if arguments.quick_ack else [])]
    measure = lambda name: fanout(name, VIEWERS, arguments.seconds, *options, bitrate=BITRATE)
    runs, lost = rounds(arguments.repeats, [(name,) for name in chosen], measure)
    print(f"{VIEWERS} viewers of {BITRATE // 1000} kbit/s joining at {JOINS_PER_S} a second; none was dropped where there are "
          f"figures; median (range) of {arguments.repeats} runs of {arguments.seconds} s.\n")
    print("| server | share of a core | RSS per viewer | all had a picture after | delay p99 | generator CPU |")
    print("|---|---|---|---|---|---|")
    for name in chosen:
        if (name,) in lost:
            print(f"| {name} | no figures: {lost[name,][0].rpartition(': ')[2]} | | | | |")
            continue
        of_one = runs[name,]
        print(f"| {name} | {ranged(of_one, 'server', 'cpu', digits=2)} "
              f"| {ranged(of_one, 'server', 'rss_per_viewer_bytes', digits=1, scale=1024)} KiB "
              f"| {median(of_one, 'joining_s'):.1f} s | {median(of_one, 'delay_us', 'p99') / 1000:.1f} ms "
              f"| {median(of_one, 'generator', 'cpu'):.0%} |")
    return all_figures(runs, lost), failures_of_ours(lost)

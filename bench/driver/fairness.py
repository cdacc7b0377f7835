"""What those who keep up notice of viewers who do not: the delay of the former, and the server's memory."""

from .fanout import CONTENDERS, fanout
from .generator import all_figures, choose, failures_of_ours, median, prepare, ranged, rounds

OURS = [f"tts-{window}/{protocol}" for window in (0, 40, 350) for protocol in ("rtmp", "http-flv")]
DEFAULT = [*OURS, "nginx/rtmp", "node/rtmp"]
HEALTHY, STALLED, SLOW = 800, 100, 100


def run(arguments):
    """Runs, prints the table, and returns every run's figures and the failures of what is ours."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, HEALTHY + STALLED + SLOW)
    company = {"alone": (), "with others": ("--stalled", STALLED, "--slow", SLOW)}
    cases = [(name, how) for name in chosen for how in company]
    runs, lost = rounds(
        arguments.repeats, cases, lambda name, how: fanout(name, HEALTHY, arguments.seconds, *company[how]))
    print(f"{HEALTHY} viewers of 2.5 Mbit/s that keep up, alone and with {STALLED} that stopped reading and {SLOW} that read 1 Mbit/s; "
          f"delay of those that keep up; median (range) of {arguments.repeats} runs of {arguments.seconds} s.\n")
    print("| server | p99 alone | p99 with others | moved by | RSS alone | RSS with others | others closed |")
    print("|---|---|---|---|---|---|---|")
    for name in chosen:
        alone, others = (runs.get((name, how)) for how in company)
        if not alone or not others:
            print(f"| {name} | no figures: a run lost data or did not end | | | | | |")
            continue
        moved = median(others, "delay_us", "p99") / median(alone, "delay_us", "p99") - 1
        rss = [f"{median(of_one, 'server', 'rss_bytes') / 2**20:.1f} MiB" for of_one in (alone, others)]
        print(f"| {name} | {ranged(alone, 'delay_us', 'p99', digits=1, scale=1000)} ms "
              f"| {ranged(others, 'delay_us', 'p99', digits=1, scale=1000)} ms | {moved:+.0%} | {rss[0]} | {rss[1]} "
              f"| {median(others, 'closed'):.0f} |")
    return all_figures(runs, lost), failures_of_ours(lost)

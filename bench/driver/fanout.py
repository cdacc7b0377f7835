"""Live streams to many viewers at once: CPU, memory, delay; then the time a joining viewer waits for a key frame."""

import sys

from .generator import choose, generate, median, prepare, refuse_bottleneck
from .servers import Failed, nginx_server, our_server

CONTENDERS = {
    "tts/rtmp": (our_server, "rtmp"),
    "tts/http-flv": (our_server, "http-flv"),
    "nginx/rtmp": (nginx_server, "rtmp"),
    "tts/ws-flv": (our_server, "ws-flv"),
}
DEFAULT = ["tts/rtmp", "tts/http-flv", "nginx/rtmp"]


def fanout(start, protocol, viewers, seconds):
    with start() as server:
        return refuse_bottleneck(generate(
            server, "fanout", "--protocol", protocol, "--viewers", viewers, "--seconds", seconds,
            "--server-pid", server.process.pid, limit=seconds + 150,
        ))


def join(start, protocol, joins):
    with start() as server:
        return generate(server, "join", "--protocol", protocol, "--joins", joins, limit=60 + 3 * joins)


def run(arguments):
    """Runs, prints the tables, and returns every run's figures and the failures."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, max(arguments.viewers))
    runs, joins, failures = {}, {}, []
    # Repeats go around all contenders, so that a change of the machine's mood meets each of them.
    for repeat in range(arguments.repeats):
        for viewers in arguments.viewers:
            for name in chosen:
                print(f"run {repeat + 1}/{arguments.repeats}: {name}, {viewers} viewers", file=sys.stderr)
                try:
                    figures = fanout(*CONTENDERS[name], viewers, arguments.seconds)
                except Failed as failure:
                    failures.append(str(failure))
                    print(f"  {failure}", file=sys.stderr)
                    continue
                runs.setdefault((viewers, name), []).append(figures)
    for name in chosen if arguments.joins else []:
        print(f"joins: {name}", file=sys.stderr)
        joins[name] = join(*CONTENDERS[name], arguments.joins)
    print_tables(arguments, runs, joins)
    every = [{"server": name, **figures} for (_, name), of_one in runs.items() for figures in of_one]
    return {"fanout": every, "join": joins}, failures


def print_tables(arguments, runs, joins):
    print(f"2.5 Mbit/s H.264+AAC; server on one core, generator on another; median of {arguments.repeats} runs of "
          f"{arguments.seconds} s.\n")
    print("| viewers | server | CPU s per GB | RSS per viewer | delay p50 | delay p99 |")
    print("|---|---|---|---|---|---|")
    for (viewers, name), of_one in sorted(runs.items(), key=lambda item: item[0][0]):
        print(f"| {viewers} | {name} | {median(of_one, 'server', 'cpu_s_per_gb'):.2f} "
              f"| {median(of_one, 'server', 'rss_per_viewer_bytes') / 1024:.1f} KiB "
              f"| {median(of_one, 'delay_us', 'p50') / 1000:.1f} ms | {median(of_one, 'delay_us', 'p99') / 1000:.1f} ms |")
    if joins:
        print("\n| join | first key frame p50 | p99 |\n|---|---|---|")
        for name, figures in joins.items():
            times = figures["first_key_frame_us"]
            print(f"| {name} | {times['p50'] / 1000:.1f} ms | {times['p99'] / 1000:.1f} ms |")

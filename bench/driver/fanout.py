"""Live streams to many viewers at once: CPU, memory, delay, beside peers and a plain program."""

from functools import partial

from .generator import all_figures, choose, failures_of_ours, generate, median, prepare, ranged, refuse_bottleneck, rounds, values
from .plot import svg
from .servers import nginx_server, node_server, our_server, plain_server

WINDOWS = (0, 40, 80, 350)
PLAIN_WINDOWS = (0, 40, 80, 160, 350)


def ours(window_ms):
    return partial(our_server, app={"write_window_ms": window_ms})


# Name: how the server is started, how viewers receive. The number is the write window in milliseconds.
CONTENDERS = {
    **{f"plain-{window}/tcp": (partial(plain_server, window), "plain") for window in PLAIN_WINDOWS},
    **{f"tts-{window}/rtmp": (ours(window), "rtmp") for window in WINDOWS},
    **{f"tts-{window}/http-flv": (ours(window), "http-flv") for window in WINDOWS},
    "nginx/rtmp": (nginx_server, "rtmp"),
    "node/rtmp": (node_server, "rtmp"),
    "node/http-flv": (node_server, "http-flv"),
    "tts-40/ws-flv": (ours(40), "ws-flv"),
}
DEFAULT = [name for name in CONTENDERS if name != "tts-40/ws-flv"]


def fanout(name, viewers, seconds, *options, bitrate=2_500_000):
    """Figures of so many viewers; `options` are more of the generator's."""
    start, protocol = CONTENDERS[name]
    with start() as server:
        return refuse_bottleneck(generate(
            server, "--bitrate", bitrate, "fanout", "--protocol", protocol, "--viewers", viewers, "--seconds", seconds,
            "--server-pids", server.process.pid, *options, limit=seconds + 150,
        ))


def run(arguments):
    """Runs, prints the table, draws the plot, and returns every run's figures and the failures of what is ours."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, max(arguments.viewers))
    options = ["--quick-ack"] if arguments.quick_ack else []
    measure = lambda name, viewers: fanout(name, viewers, arguments.seconds, *options)
    cases = [(name, viewers) for viewers in arguments.viewers for name in chosen]
    runs, lost = rounds(arguments.repeats, cases, measure)
    print_table(arguments, runs, lost)
    if arguments.svg and runs:
        arguments.svg.write_text(plot(runs, arguments.repeats))
    return all_figures(runs, lost), failures_of_ours(lost)


def base_of(name, known):
    """The plain program with the same window, or without one for a peer that writes each frame."""
    window = name.split("/")[0].partition("-")[2] or "0"
    return known.get(f"plain-{window}/tcp")


def print_table(arguments, runs, lost):
    acknowledging = "; viewers acknowledge at once" if arguments.quick_ack else ""
    print(f"2.5 Mbit/s H.264+AAC; server on one core, generator on another; median (range) of {arguments.repeats} runs of "
          f"{arguments.seconds} s{acknowledging}.\n")
    print("| viewers | server | CPU s per GB | of plain's | RSS per viewer | delay p50 | delay p99 | generator CPU |")
    print("|---|---|---|---|---|---|---|---|")
    for viewers in arguments.viewers:
        known = {name: median(of_one, "server", "cpu_s_per_gb") for (name, of), of_one in runs.items() if of == viewers}
        for name in CONTENDERS:
            if (name, viewers) in lost:
                print(f"| {viewers} | {name} | no figures: {len(lost[name, viewers])} of {arguments.repeats} runs lost data "
                      "or did not end | | | | | |")
            elif (name, viewers) in runs:
                of_one, base = runs[name, viewers], base_of(name, known)
                print(f"| {viewers} | {name} | {ranged(of_one, 'server', 'cpu_s_per_gb', digits=2)} "
                      f"| {f'{known[name] / base:.2f}' if base else '-'} "
                      f"| {median(of_one, 'server', 'rss_per_viewer_bytes') / 1024:.1f} KiB "
                      f"| {median(of_one, 'delay_us', 'p50') / 1000:.1f} ms "
                      f"| {ranged(of_one, 'delay_us', 'p99', digits=1, scale=1000)} ms "
                      f"| {median(of_one, 'generator', 'cpu'):.0%} |")


def plot(runs, repeats):
    """Cost against delay at the largest number of viewers, a line for each server and protocol through its windows."""
    viewers = max(of for _, of in runs)
    series = {}
    for name in CONTENDERS:
        of_one = runs.get((name, viewers))
        if not of_one:
            continue
        server, _, protocol = name.partition("/")
        product, _, window = server.partition("-")
        cost = values(of_one, "server", "cpu_s_per_gb")
        point = (f"{window} ms" if window else "", max(median(of_one, "delay_us", "p99") / 1000, 0.1),
                 median(of_one, "server", "cpu_s_per_gb"), (min(cost), max(cost)))
        series.setdefault(f"{product} {protocol}", []).append(point)
    return svg(
        f"One stream of 2.5 Mbit/s to {viewers} viewers, server on one core; medians of {repeats}, bars are ranges",
        "delay added, p99 (ms)", "CPU seconds per gigabyte delivered", series,
    )

"""How long a joining viewer waits for its first key frame, on an idle server and while others watch."""

from .fanout import CONTENDERS
from .generator import all_figures, choose, failures_of_ours, generate, prepare, ranged, rounds

DEFAULT = ["tts-40/rtmp", "tts-40/http-flv", "nginx/rtmp", "node/rtmp", "node/http-flv"]


def join(name, watching, joins):
    start, protocol = CONTENDERS[name]
    with start() as server:
        return generate(server, "join", "--protocol", protocol, "--joins", joins, "--watching", watching, limit=120 + 3 * joins)


def run(arguments):
    """Runs, prints the table, and returns every run's figures and the failures of what is ours."""
    chosen = choose(CONTENDERS, arguments.only or DEFAULT)
    prepare(chosen, arguments.watching)
    cases = [(name, watching) for watching in (0, arguments.watching) for name in chosen]
    runs, lost = rounds(arguments.repeats, cases, lambda name, watching: join(name, watching, arguments.joins))
    print(f"{arguments.joins} joins, one after another, from connect to the first key frame; median (range) of "
          f"{arguments.repeats} runs.\n\n| server | others watching | p50 | p99 |\n|---|---|---|---|")
    for name, watching in cases:
        if (name, watching) in lost:
            print(f"| {name} | {watching} | no figures: a run lost data or did not end | |")
            continue
        times = [ranged(runs[name, watching], "first_key_frame_us", at, digits=1, scale=1000) for at in ("p50", "p99")]
        print(f"| {name} | {watching} | {times[0]} ms | {times[1]} ms |")
    return all_figures(runs, lost), failures_of_ours(lost)

"""Both daemons with nothing to do: what they cost the processor."""

import json
import re
import time

from .generator import prepare
from .manager import Rest, daemons, large
from .servers import Failed
from .vitals import cpu_s

# After the start, which is work.
SETTLE_S = 5
SECONDS = 60
ALLOWED_SHARE = 0.005


def run(_):
    """Measures, prints the shares of a core as JSON, and raises `Failed` for one that is too large."""
    prepare(["tts"], 0, ours=("tts", "ttsm"))
    ttsm, tts, listeners = daemons()
    with ttsm:
        # Defaults, but for ports that are free.
        token = re.search(r"^token: (\S+)", (ttsm.directory / "initial-credentials").read_text(), re.MULTILINE)[1]
        rest = Rest(ttsm.ports["rest"], token)
        document = rest.ask("GET", "/v1/config/export?secrets=true")[0]["data"]
        rest.ask("POST", "/v1/config/import", large(document, listeners, apps=1, streams=0))
        rest.connection.close()
        with tts:
            shares = measure({"tts": tts.process.pid, "ttsm": ttsm.process.pid})
    print(json.dumps({"seconds": SECONDS, "share_of_a_core": shares}))
    for name, share in shares.items():
        if share >= ALLOWED_SHARE:
            raise Failed(f"idle, {name} takes {share:.2%} of a core, allowed are {ALLOWED_SHARE:.2%}")


def measure(pids):
    """The share of a core that each takes."""
    time.sleep(SETTLE_S)
    began = time.monotonic()
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    time.sleep(SECONDS)
    elapsed = time.monotonic() - began
    return {name: round((cpu_s(pid) - before[name]) / elapsed, 5) for name, pid in pids.items()}

"""Changes an engine's configuration while it runs, again and again, and sees to it that each change is taken."""

import itertools
import json
import signal
import threading
import time

# Between two changes.
PAUSE_S = 2
TAKEN_LIMIT_S = 20
WORDS = ("configuration reloaded; ", "configuration not reloaded")


def more_connections(config):
    """Has the listeners served anew."""
    config["limits"] = {"max_connections": 60_000}


def another_app(config):
    config["apps"].append({"app_name": "another", "source_type": "rtmp_push"})


def another_dialect(config):
    config["rtmp"] = {"player_dialect": "enhanced"}


def a_shorter_grace(config):
    config["apps"][0]["grace_ms"] = 2_000


def nothing(_):
    pass


def nonsense(config):
    """Must be refused, and change nothing."""
    config["nonsense"] = 1


CHANGES = [more_connections, another_app, nonsense, another_dialect, nothing, a_shorter_grace, nonsense]


class Reloads(threading.Thread):
    """Reloads until it is stopped; `taken` counts, `failure` says why it went no further."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.file = server, server.directory / "engine.json"
        self.original = self.file.read_text()
        self.stopping, self.taken, self.failure = threading.Event(), 0, None

    def run(self):
        with self.server.log.open(errors="replace") as log:
            log.seek(0, 2)
            for change in itertools.cycle(CHANGES):
                if self.stopping.wait(PAUSE_S) or not self.reload(change, log):
                    break
            if self.failure is None:
                self.reload(nothing, log)

    def reload(self, change, log):
        config = json.loads(self.original)
        change(config)
        # Never a file half written.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(config))
        fresh.rename(self.file)
        self.server.process.send_signal(signal.SIGHUP)
        expected, deadline, line = WORDS[change is nonsense], time.monotonic() + TAKEN_LIMIT_S, ""
        while time.monotonic() < deadline:
            line += log.readline()
            if not line.endswith("\n"):
                time.sleep(0.01)
                continue
            if any(words in line for words in WORDS):
                if expected not in line:
                    self.failure = f"the configuration with {change.__name__} was answered: {line.strip()}"
                    return False
                self.taken += 1
                return True
            line = ""
        self.failure = f"the configuration with {change.__name__} was not answered in {TAKEN_LIMIT_S} s"
        return False

    def stop(self):
        """Puts the first configuration back."""
        self.stopping.set()
        self.join()

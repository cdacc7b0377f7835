"""What a running engine holds: descriptors, threads, memory, tasks, connections, streams."""

import json
import os
import re
import urllib.request
from pathlib import Path

ANSWER_LIMIT_S = 30


def cpu_s(pid):
    """User and system time of a process since its start."""
    _, fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Vitals:
    """Looks at one engine, from outside and by its API."""

    def __init__(self, server):
        self.pid = server.process.pid
        self.api = f"http://127.0.0.1:{server.ports['api']}"
        self.token = (server.directory / "engine-token").read_text().strip()

    def ask(self, path):
        request = urllib.request.Request(self.api + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as answer:
            return answer.read().decode()

    def gauge(self, text, name, label=""):
        """The sum of all series of one gauge that have the label."""
        lines = re.findall(rf"^{name}(\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        return int(sum(float(value) for labels, value in lines if label in labels))

    def process(self):
        """What the system says of it."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        number = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[1])
        return {"rss_kib": number("VmRSS"), "threads": number("Threads"), "files": len(os.listdir(f"/proc/{self.pid}/fd"))}

    def overload(self):
        """How far it gives way to overload (docs/performance.md)."""
        text = self.ask("/metrics")
        return {name: self.gauge(text, f"tts_{name}") for name in ("overload_widening", "overload_refusing")}

    def all(self):
        """Everything, with the names of `REST` among it."""
        text = self.ask("/metrics")
        listed = json.loads(self.ask("/v1/streams"))["list"]
        return {
            **self.process(),
            "tasks": self.gauge(text, "tts_runtime_tasks"),
            "connections": sum(self.gauge(text, "tts_connections", f'listener="{name}"') for name in ("rtmp", "http")),
            "streams": self.gauge(text, "tts_streams"),
            "listed_streams": len(listed),
            "viewers": self.gauge(text, "tts_viewers"),
            "waiting_viewers": self.gauge(text, "tts_waiting_viewers"),
            "hls_presentations": self.gauge(text, "tts_hls_presentations"),
            "hls_memory_bytes": self.gauge(text, "tts_hls_memory_bytes"),
            "blocked_requests": self.gauge(text, "tts_hls_blocked_requests"),
            "hls_sessions": self.gauge(text, "tts_hls_sessions"),
            **self.overload(),
        }

"""The servers that are measured, and the one publisher that is not the generator itself."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
NGINX = "/usr/sbin/nginx"
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
NODE_SERVER = Path(os.environ.get("TEST_TOOLS_DIR", TARGET / "test-tools"), "bench", "node_modules", "node-media-server")
# As taskset takes them; scripts/bench may change them before it begins.
CORES = {"server": "0", "generator": "1"}
# What cargo calls the build that is measured; a caller may change it before it begins.
PROFILE = "release"
# Of what a server said, in messages.
LAST_WORDS = 2000

# Plain defaults, but a poller's connection never ends: the default would close it after 1000 requests.
NGINX_CONFIG = """
load_module {module};
user {user};
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 32768; }}
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{rtmp};
        chunk_size 4096;
        application live {{ live on; {hls} }}
    }}
}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    server {{
        listen 127.0.0.1:{http};
        root {dir}/www;
    }}
}}
"""


def program(name):
    """Where cargo has put one of our programs."""
    return TARGET / ("debug" if PROFILE == "dev" else PROFILE) / name


class Failed(Exception):
    """The bench cannot go on; the text says why."""


def free_ports(count):
    """So many ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Server:
    """A server started for one run and ended with it.

    `ports` are those that it must listen on to be ready, by their names; `ready` is a file in its own folder that must be
    there besides. `command` makes the command line from that folder, which is gone after the run; what the server said and
    the code that it ended with stay, as `said` and `process.returncode`.
    """

    def __init__(self, name, command, ready=None, **ports):
        self.name, self.ready, self.ports = name, ready, ports
        self.rtmp, self.http = ports.get("rtmp"), ports.get("http")
        # Where the generator's stream is served by HTTP-FLV, if that is not where the generator looks for it.
        self.flv_path = None
        self.directory = Path(tempfile.mkdtemp(prefix="streamer-bench-"))
        self.command = [str(word) for word in command(self.directory)]
        self.log = self.directory / "log"

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", CORES["server"], *self.command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
            )
        deadline = time.monotonic() + 20
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise Failed(f"{self.name} does not listen on {self.ports}:\n{self.said[-LAST_WORDS:]}")
            time.sleep(0.02)
        return self

    def is_ready(self):
        there = self.ready is None or (self.directory / self.ready).exists()
        return there and all(listens(port) for port in self.ports.values())

    def __exit__(self, *_):
        end(self.process)
        self.said = self.log.read_text(errors="replace")
        shutil.rmtree(self.directory, ignore_errors=True)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def local(port):
    """A listener on loopback, as both daemons' configurations say it."""
    return {"bind": ["127.0.0.1"], "port": port}


def our_server(vod_port=None, app=None):
    """The engine with its defaults, but on free ports and without a manager, which nobody has started.

    `app` holds fields of the one application that differ from theirs.
    """
    rtmp, http, api = free_ports(3)

    def command(directory):
        config = directory / "engine.json"
        config.write_text(json.dumps({
            "listeners": {"rtmp": {"bind": ["::"], "port": rtmp}, "http": {"bind": ["::"], "port": http}, "api": local(api)},
            "manager": None,
            "vod": vod_port and local(vod_port),
            "apps": [{"app_name": "live", "source_type": "rtmp_push", **(app or {})}],
        }))
        return [program("tts"), "--config", config, "--data-dir", directory]

    return Server("tts", command, rtmp=rtmp, http=http, api=api)


def nginx_server(hls=False, files=None):
    """nginx with its RTMP module; `files` is a folder that it serves at `/vod/`."""
    rtmp, http = free_ports(2)

    def command(directory):
        directory.chmod(0o755)
        media = directory / "www" / "hls"
        media.mkdir(parents=True)
        if files:
            (directory / "www" / "vod").symlink_to(files)
        config = directory / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(
            module=NGINX_MODULE, dir=directory, rtmp=rtmp, http=http, user=getpass.getuser(),
            hls=f"hls on; hls_path {media}; hls_fragment 2s;" if hls else "",
        ))
        return [NGINX, "-p", directory, "-c", config]

    return Server("nginx", command, rtmp=rtmp, http=http)


def node_server():
    """node-media-server with its defaults, but for parts that have no share in live streams."""
    rtmp, http = free_ports(2)

    def command(directory):
        config = directory / "config.json"
        config.write_text(json.dumps({
            "bind": "127.0.0.1", "rtmp": {"port": rtmp}, "http": {"port": http}, "store": {"path": str(directory / "data")},
        }))
        return ["node", NODE_SERVER / "bin" / "app.js", "--config", config, "--no-admin"]

    server = Server("node", command, rtmp=rtmp, http=http)
    server.flv_path = "/live/fanout.flv"
    return server


def plain_server(window_ms):
    """The plain program of the load generator."""
    publish, play = free_ports(2)

    def command(_):
        return [program("streamer-load"), "--rtmp", f"127.0.0.1:{publish}", "--http", f"127.0.0.1:{play}",
                "plain", "--window-ms", window_ms]

    return Server("plain", command, rtmp=publish, http=play)


class Publisher:
    """ffmpeg, which publishes a clip over and over in real time, unchanged."""

    def __init__(self, server, clip, stream):
        self.url = f"rtmp://127.0.0.1:{server.rtmp}/live/{stream}"
        self.clip = clip

    def __enter__(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", CORES["generator"], "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error",
             "-re", "-stream_loop", "-1", "-i", str(self.clip), "-c", "copy", "-f", "flv", self.url],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_):
        end(self.process)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""The servers that are measured, and the one publisher that is not the generator itself."""

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
SERVER_CORE, GENERATOR_CORE = "0", "1"
# Ports of the default configuration, which is what is measured.
OUR_RTMP, OUR_HTTP = 1935, 8080

# Plain defaults, but a poller's connection never ends: the default would close it after 1000 requests.
NGINX_CONFIG = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 8192; }}
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
    """A server started for one run and ended with it."""

    def __init__(self, name, command, rtmp, http):
        self.name, self.rtmp, self.http = name, rtmp, http
        self.directory = tempfile.mkdtemp(prefix="streamer-bench-")
        self.command = command(self.directory)
        self.log = Path(self.directory, "log")

    def __enter__(self):
        for port in (self.rtmp, self.http):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    raise Failed(f"port {port} is taken; end what listens there")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", SERVER_CORE, *self.command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
            )
        deadline = time.monotonic() + 20
        for port in (self.rtmp, self.http):
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise Failed(f"{self.name} does not listen on {port}:\n{self.said}")
                time.sleep(0.02)
        return self

    def __exit__(self, *_):
        end(self.process)
        self.said = self.log.read_text(errors="replace")[-2000:]
        shutil.rmtree(self.directory, ignore_errors=True)


def our_server():
    def command(directory):
        # Its defaults, but for the manager, which nobody has started.
        config = Path(directory, "engine.json")
        config.write_text(json.dumps({"manager": None, "vod": None}))
        return [str(TARGET / "release" / "tts"), "--config", str(config), "--data-dir", directory]

    return Server("tts", command, OUR_RTMP, OUR_HTTP)


def nginx_server(hls=False):
    rtmp, http = free_ports(2)

    def command(directory):
        os.chmod(directory, 0o755)
        media = Path(directory, "www", "hls")
        media.mkdir(parents=True)
        # The worker that writes the files may run as another user.
        media.chmod(0o777)
        config = Path(directory, "nginx.conf")
        config.write_text(NGINX_CONFIG.format(
            module=NGINX_MODULE, dir=directory, rtmp=rtmp, http=http,
            hls=f"hls on; hls_path {media}; hls_fragment 2s;" if hls else "",
        ))
        return [NGINX, "-p", directory, "-c", str(config)]

    return Server("nginx", command, rtmp, http)


class Publisher:
    """ffmpeg, which publishes a clip over and over in real time, unchanged."""

    def __init__(self, server, clip, stream):
        self.url = f"rtmp://127.0.0.1:{server.rtmp}/live/{stream}"
        self.clip = clip

    def __enter__(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", GENERATOR_CORE, "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error",
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

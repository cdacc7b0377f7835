"""Steady viewers of what the generator does not play: MPEG-TS over HTTP, and HLS in both containers.

They read the stamp that the generator puts into each picture (bench/src/stamp.rs), so that none can be missing, twice or out
of order unseen. An MPEG-TS is taken apart as far as to tell that no packet of it is missing either.
"""

import re
import threading
import urllib.error
import urllib.parse
import urllib.request

STAMP = re.compile(rb"fanout-load-stmp([0-9a-f]{16})[0-9a-f]{16}")
STAMP_BYTES = 48
PACKET_BYTES, SYNC_BYTE, NULL_PID = 188, 0x47, 0x1FFF
READ_BYTES = 64 * 1024
ANSWER_LIMIT_S = 20
# Between two looks for a stream that is not there yet, or at a playlist.
PAUSE_S = 0.3
# Past the grace time of a publisher that left.
END_LIMIT_S = 30


class Lost(Exception):
    """What a viewer missed."""


class Pictures:
    """The pictures of a stream, each of which must follow the one before."""

    def __init__(self):
        self.seen, self.last = 0, None

    def find(self, data):
        for match in STAMP.finditer(data):
            number = int(match[1], 16)
            if self.last is not None and number != self.last + 1:
                raise Lost(f"picture {number} came after {self.last}")
            self.seen, self.last = self.seen + 1, number


class TransportStream:
    """An MPEG-TS (ISO/IEC 13818-1) in pieces of any size."""

    def __init__(self, pictures):
        self.pictures, self.rest, self.counters, self.tails = pictures, b"", {}, {}

    def feed(self, data):
        data = self.rest + data
        whole = len(data) // PACKET_BYTES * PACKET_BYTES
        for at in range(0, whole, PACKET_BYTES):
            self.packet(data[at:at + PACKET_BYTES])
        self.rest = data[whole:]

    def packet(self, packet):
        if packet[0] != SYNC_BYTE:
            raise Lost(f"a packet begins with {packet[0]:#04x}")
        pid, control, counter = (packet[1] & 0x1F) << 8 | packet[2], packet[3] >> 4 & 3, packet[3] & 15
        if pid == NULL_PID or not control & 1:
            return
        if self.counters.get(pid, counter - 1 & 15) != counter - 1 & 15:
            raise Lost(f"packets of PID {pid} are missing before one with counter {counter}")
        self.counters[pid] = counter
        # A stamp may be spread over two packets.
        payload = self.tails.get(pid, b"") + packet[5 + packet[4] if control & 2 else 4:]
        self.pictures.find(payload)
        found = None
        for found in STAMP.finditer(payload):
            pass
        self.tails[pid] = payload[max(found.end() if found else 0, len(payload) - STAMP_BYTES + 1):]


class Viewer(threading.Thread):
    """Watches from when the stream is there until it ends; `failure` says what it missed."""

    def __init__(self, server, path):
        super().__init__(daemon=True, name=path)
        self.url = f"http://127.0.0.1:{server.http}{path}"
        self.pictures, self.stopping, self.failure = Pictures(), threading.Event(), None

    def run(self):
        try:
            self.watch()
        except Lost as lost:
            self.failure = str(lost)
        except (OSError, ValueError) as error:
            self.failure = f"{type(error).__name__}: {error}"

    def open(self, url):
        return urllib.request.urlopen(url, timeout=ANSWER_LIMIT_S)

    def begin(self):
        """The first answer, waited for until there is a stream."""
        while True:
            try:
                return self.open(self.url)
            except urllib.error.HTTPError as error:
                if error.code != 404 or self.stopping.wait(PAUSE_S):
                    raise

    def stop(self, at_least):
        """Ends when the stream has, and says what is wrong."""
        self.stopping.set()
        self.join(END_LIMIT_S)
        if self.is_alive():
            return f"{self.name} goes on after the stream"
        if not self.failure and self.pictures.seen < at_least:
            self.failure = f"{self.pictures.seen} pictures were there, {at_least} at least should have been"
        return self.failure and f"{self.name}: {self.failure}"


class TsViewer(Viewer):
    """MPEG-TS over HTTP."""

    def watch(self):
        stream = TransportStream(self.pictures)
        with self.begin() as body:
            while data := body.read1(READ_BYTES):
                stream.feed(data)


class HlsViewer(Viewer):
    """A player of HLS that fetches every segment once."""

    def watch(self):
        following, last_look = None, False
        while True:
            if following is None:
                with self.begin() as answer:
                    # Video comes first, what has only sound last.
                    playlist = urllib.parse.urljoin(answer.url, uris(answer.read().decode())[0])
            with self.open(playlist) as answer:
                text = answer.read().decode()
            if following is None and "#EXT-X-ENDLIST" in text:
                # The stream of that name before, which is still there.
                if self.stopping.wait(PAUSE_S):
                    return
                continue
            first, segments = int(re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)[1]), uris(text)
            if following is None:
                following = first
            if not first <= following <= first + len(segments):
                raise Lost(f"segments {first} to {first + len(segments) - 1} are listed, {following} should come next")
            for segment in segments[following - first:]:
                self.segment(urllib.parse.urljoin(playlist, segment))
            following = first + len(segments)
            if last_look or "#EXT-X-ENDLIST" in text:
                return
            last_look = self.stopping.wait(PAUSE_S)

    def segment(self, url):
        with self.open(url) as answer:
            data = answer.read()
        if data[:1] == bytes([SYNC_BYTE]):
            TransportStream(self.pictures).feed(data)
        else:
            self.pictures.find(data)


def uris(playlist):
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


# Pictures of the stream that a viewer may not see: before it has found the stream, and after its last segment.
AT_MOST_UNSEEN = {"play.ts": 100, "playlist.m3u8": 180, "playlist_sfm4s.m3u8": 180}


class Steady:
    """One of each."""

    def __init__(self, server, stream):
        self.viewers = [
            (TsViewer if name == "play.ts" else HlsViewer)(server, f"/live/{stream}/{name}") for name in AT_MOST_UNSEEN
        ]

    def start(self):
        for viewer in self.viewers:
            viewer.start()

    def stop(self, pictures):
        """What somebody missed of a stream with so many pictures, and how many each had."""
        failures = [viewer.stop(pictures - unseen) for viewer, unseen in zip(self.viewers, AT_MOST_UNSEEN.values())]
        return next(filter(None, failures), None), {viewer.name: viewer.pictures.seen for viewer in self.viewers}

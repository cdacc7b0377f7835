"""Follows an HLS stream with PyPI's m3u8 as the reader and tells what the playlists said, as JSON.

    python follow.py URL SECONDS [COUNT]

Polls every media playlist as a player without low latency does, keeps every segment it ever saw by its media sequence
number, and ends after SECONDS of wall clock, when all playlists have ended, or when all have listed COUNT segments. What
contradicts an earlier reading of the same segment is in "contradictions".
"""

import json
import math
import sys
import time
import urllib.error
import urllib.request
from datetime import timezone

import m3u8


def read(url):
    with urllib.request.urlopen(url, timeout=40) as answer:
        return m3u8.loads(answer.read().decode(), uri=url)


def describe(segment):
    when = segment.program_date_time or segment.current_program_date_time
    return {
        "uri": segment.absolute_uri.split("?")[0],
        "duration": segment.duration,
        "discontinuity": segment.discontinuity,
        "gap": segment.gap_tag is not None,
        "map": segment.init_section.absolute_uri.split("?")[0] if segment.init_section else None,
        "method": segment.key.method if segment.key else None,
        "at": when.astimezone(timezone.utc).timestamp() if when else None,
        "date_ranges": [date_range.id for date_range in segment.dateranges],
    }


class Rendition:
    def __init__(self, uri):
        self.uri, self.segments, self.contradictions = uri, {}, []
        self.ended, self.constant, self.last = False, None, None

    def poll(self):
        playlist = read(self.uri)
        constant = [playlist.version, playlist.target_duration, playlist.is_independent_segments]
        if self.constant not in (None, constant):
            self.contradictions.append(f"{self.constant} became {constant}")
        self.constant, self.ended = constant, playlist.is_endlist
        first = playlist.media_sequence
        for offset, segment in enumerate(playlist.segments):
            # One without an address holds the parts of what is not complete yet.
            if segment.uri is None:
                continue
            now = describe(segment)
            before = self.segments.setdefault(first + offset, now)
            if before != now and {**before, "date_ranges": 0} != {**now, "date_ranges": 0}:
                self.contradictions.append(f"{first + offset}: {before} became {now}")
        self.last = {
            "media_sequence": first,
            "discontinuity_sequence": playlist.discontinuity_sequence or 0,
            "listed": sum(segment.uri is not None for segment in playlist.segments),
            "parts": sum(len(segment.parts) for segment in playlist.segments),
        }

    def report(self):
        version, target, independent = self.constant or (None, None, None)
        numbers = sorted(self.segments)
        return {
            "uri": self.uri,
            "version": version,
            "target_duration": target,
            "independent_segments": independent,
            "ended": self.ended,
            "last": self.last,
            "numbers": numbers,
            "segments": [self.segments[number] for number in numbers],
            "contradictions": self.contradictions,
        }


def main():
    url, seconds = sys.argv[1], float(sys.argv[2])
    enough = int(sys.argv[3]) if len(sys.argv) > 3 else math.inf
    end = time.monotonic() + seconds
    main_playlist = read(url)
    addresses = [variant.absolute_uri for variant in main_playlist.playlists]
    addresses += [media.absolute_uri for media in main_playlist.media if media.uri]
    renditions = [Rendition(uri) for uri in dict.fromkeys(addresses)]
    while True:
        for rendition in renditions:
            try:
                rendition.poll()
            except urllib.error.HTTPError as error:
                rendition.contradictions.append(f"{rendition.uri}: {error}")
        pause = min((rendition.constant[1] for rendition in renditions if rendition.constant), default=1) / 2
        done = all(rendition.ended or len(rendition.segments) >= enough for rendition in renditions)
        if time.monotonic() + pause > end or done:
            break
        time.sleep(pause)
    variants = [
        {
            "bandwidth": variant.stream_info.bandwidth,
            "average_bandwidth": variant.stream_info.average_bandwidth,
            "codecs": variant.stream_info.codecs,
            "resolution": variant.stream_info.resolution,
            "frame_rate": variant.stream_info.frame_rate,
        }
        for variant in main_playlist.playlists
    ]
    print(json.dumps({"variants": variants, "renditions": [rendition.report() for rendition in renditions]}))


main()

#!/usr/bin/env python3
"""Writes the golden records and frames beside this file with ffmpeg; see README.md.

usage: make.py [name ...]      FFMPEG and FFPROBE name the programs, default from PATH
"""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
FFMPEG = os.environ.get("FFMPEG", "ffmpeg")
FFPROBE = os.environ.get("FFPROBE", "ffprobe")


def video(size, rate, *more):
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}", "-frames:v", "12", *more]


def audio(rate, channels, *more):
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    return ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}", "-t", "0.3",
            "-af", f"aformat=channel_layouts={layout}", "-ar", str(rate), *more]


X264 = ["-c:v", "libx264", "-preset", "veryfast"]
X265 = ["-c:v", "libx265", "-preset", "veryfast", "-tag:v", "hvc1"]

# name: (arguments, container, box whose body is the record or None, offset into the body, packets to keep)
JOBS = {
    "h264-high-1080-ntsc": (video("1920x1080", "30000/1001", *X264, "-pix_fmt", "yuv420p", "-level", "4.0"), "mp4", b"avcC", 0, 0),
    "h264-baseline-240": (video("320x240", "25", *X264, "-pix_fmt", "yuv420p", "-profile:v", "baseline"), "mp4", b"avcC", 0, 2),
    "h264-interlaced-422-10": (video("720x576", "25", *X264, "-pix_fmt", "yuv422p10le", "-flags", "+ildct+ilme", "-x264-params", "tff=1"), "mp4", b"avcC", 0, 0),
    "h264-cropped-444": (video("322x182", "50", *X264, "-vf", "format=yuv444p,crop=321:181:exact=1", "-pix_fmt", "yuv444p"), "mp4", b"avcC", 0, 0),
    "h264-scaling-lists": (video("322x182", "24", *X264, "-pix_fmt", "yuv420p", "-x264-params", "cqm=jvt"), "mp4", b"avcC", 0, 0),
    "h265-main-720": (video("1280x720", "60", *X265, "-pix_fmt", "yuv420p", "-x265-params", "log-level=error:info=0"), "mp4", b"hvcC", 0, 2),
    "h265-main10-cropped": (video("322x182", "24000/1001", *X265, "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=error:info=0:high-tier=1:level-idc=4.1"), "mp4", b"hvcC", 0, 0),
    "h265-temporal-layers": (video("640x360", "50", *X265, "-pix_fmt", "yuv420p", "-x265-params", "log-level=error:info=0:temporal-layers=3:scaling-list=default"), "mp4", b"hvcC", 0, 0),
    "av1-main-360": (video("640x360", "30", "-c:v", "libsvtav1", "-preset", "10", "-pix_fmt", "yuv420p"), "mp4", b"av1C", 0, 3),
    "av1-main10-180": (video("320x180", "25", "-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p10le"), "mp4", b"av1C", 0, 2),
    "vp9-360": (video("640x360", "30", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p"), "mp4", b"vpcC", 4, 2),
    "vp9-profile2-180": (video("320x180", "30", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p10le"), "mp4", b"vpcC", 4, 2),
    "aac-lc-44100-stereo": (audio(44100, 2, "-c:a", "aac"), "flv", None, 0, 0),
    "aac-lc-48000-51": (audio(48000, 6, "-c:a", "aac"), "flv", None, 0, 0),
    "aac-lc-adts": (audio(48000, 2, "-c:a", "aac"), "adts", None, 0, 2),
    "opus-stereo": (audio(48000, 2, "-c:a", "libopus"), "ogg", None, 0, 2),
    "opus-51": (audio(48000, 6, "-c:a", "libopus", "-mapping_family", "1"), "ogg", None, 0, 1),
    "mp3-44100-stereo": (audio(44100, 2, "-c:a", "libmp3lame"), "mp3", None, 0, 2),
    "mp3-22050-mono": (audio(22050, 1, "-c:a", "libmp3lame"), "mp3", None, 0, 2),
    "ac3-48000-51": (audio(48000, 6, "-c:a", "ac3"), "ac3", None, 0, 1),
    "ac3-44100-mono": (audio(44100, 1, "-c:a", "ac3"), "ac3", None, 0, 1),
    "eac3-48000-51": (audio(48000, 6, "-c:a", "eac3"), "eac3", None, 0, 1),
    "flac-44100-stereo": (audio(44100, 2, "-c:a", "flac"), "flac", None, 0, 1),
}


def box_body(data, kind):
    at = data.index(kind)
    (size,) = struct.unpack(">I", data[at - 4:at])
    return data[at + 4:at - 4 + size]


def record_of(container, data, box, offset):
    if box:
        return box_body(data, box)[offset:]
    if container == "flv":  # the body of the first audio tag behind its two bytes of header: the sequence header
        at = 13
        while data[at] != 8:
            at += 15 + int.from_bytes(data[at + 1:at + 4], "big")
        return data[at + 13:at + 11 + int.from_bytes(data[at + 1:at + 4], "big")]
    if container == "ogg":  # the first page's only packet
        segments = data[26]
        return data[27 + segments:27 + segments + sum(data[27:27 + segments])]
    if container == "flac":
        return data[8:8 + 34]
    return None


def packets(path, container, data, count):
    if container == "ogg":  # small packets behind the two header pages; pages begin with OggS
        pages, at = [], 0
        while (at := data.find(b"OggS", at)) >= 0:
            pages.append(at)
            at += 4
        at = pages[2]
        table = data[at + 27:at + 27 + data[at + 26]]
        at, out, size = at + 27 + len(table), [], 0
        for lace in table:
            size += lace
            if lace < 255:
                out.append(data[at:at + size])
                at, size = at + size, 0
        return out[:count]
    listed = subprocess.check_output([FFPROBE, "-v", "error", "-show_entries", "packet=pos,size", "-of", "csv=p=0", path], text=True)
    spans = [tuple(map(int, line.strip().strip(",").split(",")[:2])) for line in listed.split()]
    return [data[pos:pos + size] for size, pos in spans[:count]]


def main(names):
    for name, (arguments, container, box, offset, count) in JOBS.items():
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/out.{container}"
            subprocess.check_call([FFMPEG, "-v", "error", "-nostdin", *arguments, "-f", container, path])
            data = pathlib.Path(path).read_bytes()
            record = record_of(container, data, box, offset)
            if record:
                (HERE / f"{name}.record").write_bytes(record)
            for index, packet in enumerate(packets(path, container, data, count)):
                (HERE / f"{name}.{index}.frame").write_bytes(packet)


main(sys.argv[1:])

// Plays an HTTP-FLV or WebSocket-FLV URL in headless Chromium with mpegts.js and tells what became of it, as JSON.
//
//   node play.mjs URL TOOLS_FOLDER CHROMIUM
//
// The page comes from a server of this script's own on loopback, so the stream is of another origin, as it is for
// most users. Ends as soon as enough was played, or after the deadline with what was seen until then.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

const [url, tools, executablePath] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(tools), 'package.json'));
const { chromium } = require('playwright-core');

const DEADLINE_MS = 40_000;
const WANTED_SECONDS = 2;
const WANTED_FRAMES = 30;

const page_html = `<!doctype html><meta charset="utf-8"><title>play</title>
<video id="video" muted playsinline></video><script src="/mpegts.js"></script>`;
const library = await readFile(require.resolve('mpegts.js'));

const server = createServer((request, response) => {
    const is_library = request.url === '/mpegts.js';
    response.setHeader('content-type', is_library ? 'text/javascript' : 'text/html');
    response.end(is_library ? library : page_html);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--mute-audio'],
});
let report;
try {
    const page = await browser.newPage();
    const log = [];
    page.on('console', (message) => log.push(message.text()));
    page.on('pageerror', (error) => log.push(String(error)));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    report = await page.evaluate(play, { url, DEADLINE_MS, WANTED_SECONDS, WANTED_FRAMES });
    report.log = log.slice(-20);
} finally {
    await browser.close();
    server.close();
}
console.log(JSON.stringify(report));

// Runs in the page.
async function play({ url, DEADLINE_MS, WANTED_SECONDS, WANTED_FRAMES }) {
    const video = document.getElementById('video');
    const report = { played_s: 0, frames: 0, width: 0, height: 0, info: null, error: null };
    if (!mpegts.isSupported()) return { ...report, error: 'mpegts.js is not supported by this browser' };
    const player = mpegts.createPlayer({ type: 'flv', isLive: true, url }, { enableWorker: false });
    await new Promise((resolve) => {
        const fail = (text) => {
            report.error = text;
            resolve();
        };
        const deadline = setTimeout(() => fail('deadline'), DEADLINE_MS);
        let begin = null;
        const look = () => {
            const frames = video.getVideoPlaybackQuality().totalVideoFrames;
            if (begin === null && frames > 0) begin = { time: video.currentTime, frames };
            if (begin === null) return;
            report.played_s = video.currentTime - begin.time;
            report.frames = frames - begin.frames;
            if (report.played_s >= WANTED_SECONDS && report.frames >= WANTED_FRAMES) {
                clearTimeout(deadline);
                resolve();
            }
        };
        video.addEventListener('timeupdate', look);
        video.addEventListener('error', () => fail(`video element: ${video.error?.message}`));
        player.on(mpegts.Events.ERROR, (...words) => fail(`mpegts.js: ${JSON.stringify(words)}`));
        player.on(mpegts.Events.LOADING_COMPLETE, () => fail('the server ended the stream'));
        player.on(mpegts.Events.MEDIA_INFO, (info) => {
            const { mimeType, videoCodec, audioCodec } = info;
            report.info = { mimeType, videoCodec, audioCodec };
        });
        player.attachMediaElement(video);
        player.load();
        player.play().catch((error) => fail(`play: ${error}`));
    });
    report.width = video.videoWidth;
    report.height = video.videoHeight;
    player.destroy();
    return report;
}

// Plays a URL in headless Chromium with a player library and tells what became of it, as JSON.
//
//   node play.mjs PLAYER URL SECONDS TOOLS_FOLDER CHROMIUM [FROM]      PLAYER: mpegts, hls, shaka
//
// The page comes from a server of this script's own on loopback, so the stream is of another origin, as it is for
// most users. Ends as soon as SECONDS of media and some pictures were played, or after the deadline with what was
// seen until then. With FROM it seeks to that second once something was played, and counts from there.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

const [player, url, seconds, tools, executablePath, from = '0'] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(tools), 'package.json'));
const { chromium } = require('playwright-core');

const LIBRARIES = {
    mpegts: 'mpegts.js',
    hls: 'hls.js/dist/hls.min.js',
    shaka: 'shaka-player/dist/shaka-player.compiled.js',
};
const WANTED_SECONDS = Number(seconds);
const DEADLINE_MS = 45_000 + 1_500 * WANTED_SECONDS;
const WANTED_FRAMES = 30;
const SEEK_TO_S = Number(from);

const page_html = `<!doctype html><meta charset="utf-8"><title>play</title>
<video id="video" muted playsinline></video><script src="/library.js"></script><script src="/player.js"></script>`;
const files = new Map([
    ['/', ['text/html', page_html]],
    ['/library.js', ['text/javascript', await readFile(require.resolve(LIBRARIES[player]))]],
    ['/player.js', ['text/javascript', await readFile(new URL(`players/${player}.js`, import.meta.url))]],
]);

const server = createServer((request, response) => {
    const [type, body] = files.get(request.url) ?? ['text/plain', ''];
    response.setHeader('content-type', type);
    response.end(body);
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
    report = await page.evaluate(play, { url, DEADLINE_MS, WANTED_SECONDS, WANTED_FRAMES, SEEK_TO_S });
    report.log = log.slice(-20);
} finally {
    await browser.close();
    server.close();
}
console.log(JSON.stringify(report));

// Runs in the page.
async function play({ url, DEADLINE_MS, WANTED_SECONDS, WANTED_FRAMES, SEEK_TO_S }) {
    const video = document.getElementById('video');
    const report = { played_s: 0, frames: 0, width: 0, height: 0, latency_s: null, stalls: 0, info: null, error: null };
    let player;
    await new Promise((resolve) => {
        const fail = (text) => {
            report.error ??= text;
            resolve();
        };
        const deadline = setTimeout(() => fail('deadline'), DEADLINE_MS);
        let begin = null;
        let sought = SEEK_TO_S === 0;
        const look = () => {
            const { totalVideoFrames: frames } = video.getVideoPlaybackQuality();
            // Sound alone has no pictures to wait for.
            const shown = frames > 0 || video.videoWidth === 0;
            if (!sought && shown && video.currentTime > 0) {
                sought = true;
                video.currentTime = SEEK_TO_S;
            }
            if (!sought || video.seeking) return;
            if (begin === null && shown && video.currentTime > 0) begin = { time: video.currentTime, frames };
            if (begin === null) return;
            report.began_s = begin.time;
            report.played_s = video.currentTime - begin.time;
            report.frames = frames - begin.frames;
            const enough = report.frames >= WANTED_FRAMES || video.videoWidth === 0;
            if (report.played_s >= WANTED_SECONDS && enough) {
                clearTimeout(deadline);
                report.latency_s = player.latency_s();
                resolve();
            }
        };
        video.addEventListener('timeupdate', look);
        video.addEventListener('waiting', () => {
            if (begin !== null) report.stalls += 1;
        });
        video.addEventListener('error', () => fail(`video element: ${video.error?.message}`));
        player = window.player({ url, video, fail, report });
    });
    report.width = video.videoWidth;
    report.height = video.videoHeight;
    player?.destroy();
    return report;
}

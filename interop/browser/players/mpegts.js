// Plays with mpegts.js. Runs in the page.
window.player = ({ url, video, fail, report }) => {
    if (!mpegts.isSupported()) return fail('mpegts.js is not supported by this browser');
    const player = mpegts.createPlayer({ type: 'flv', isLive: true, url }, { enableWorker: false });
    player.on(mpegts.Events.ERROR, (...words) => fail(`mpegts.js: ${JSON.stringify(words)}`));
    player.on(mpegts.Events.LOADING_COMPLETE, () => fail('the server ended the stream'));
    player.on(mpegts.Events.MEDIA_INFO, ({ mimeType, videoCodec, audioCodec }) => {
        report.info = { mimeType, videoCodec, audioCodec };
    });
    player.attachMediaElement(video);
    player.load();
    player.play().catch((error) => fail(`play: ${error}`));
    return { latency_s: () => null, destroy: () => player.destroy() };
};

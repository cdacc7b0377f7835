// Plays with shaka-player, in low-latency mode. Runs in the page.
window.player = ({ url, video, fail, report }) => {
    shaka.polyfill.installAll();
    if (!shaka.Player.isBrowserSupported()) return fail('shaka-player is not supported by this browser');
    const player = new shaka.Player();
    const failed = (error) => fail(`shaka-player: ${error.code ?? error} ${JSON.stringify(error.data)}`);
    player.addEventListener('error', ({ detail }) => failed(detail));
    player.configure({ streaming: { lowLatencyMode: true } });
    player
        .attach(video)
        .then(() => player.load(url))
        .then(() => {
            report.info = player.getVariantTracks().map(({ width, height, bandwidth, codecs }) => ({
                width, height, bandwidth, codecs,
            }));
            return video.play();
        })
        .catch(failed);
    return {
        latency_s: () => {
            const shown = player.getPlayheadTimeAsDate();
            return shown ? (Date.now() - shown.getTime()) / 1000 : null;
        },
        destroy: () => player.destroy(),
    };
};

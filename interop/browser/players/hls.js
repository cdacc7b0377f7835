// Plays with hls.js, in low-latency mode where the playlist offers it. Runs in the page.
window.player = ({ url, video, fail, report }) => {
    if (!Hls.isSupported()) return fail('hls.js is not supported by this browser');
    const player = new Hls({ lowLatencyMode: true, enableWorker: false });
    const errors = (report.warnings = []);
    player.on(Hls.Events.ERROR, (_, { fatal, type, details, error, reason }) => {
        const words = `${type} ${details} ${error?.message ?? reason ?? ''}`;
        if (fatal) fail(`hls.js: ${words}`);
        else errors.push(words);
    });
    player.on(Hls.Events.MANIFEST_PARSED, (_, { levels, audioTracks }) => {
        report.info = {
            levels: levels.map(({ width, height, bitrate, videoCodec, audioCodec }) => ({
                width, height, bitrate, videoCodec, audioCodec,
            })),
            audio_tracks: audioTracks.length,
        };
    });
    player.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => {
        report.low_latency = details.canBlockReload && details.partTarget > 0;
        report.has_program_date_time = details.hasProgramDateTime;
        report.ended = !details.live;
    });
    player.on(Hls.Events.FRAG_LOADED, (_, { part }) => {
        if (part) report.parts = (report.parts ?? 0) + 1;
    });
    player.attachMedia(video);
    player.loadSource(url);
    video.play().catch((error) => fail(`play: ${error}`));
    return {
        // By the wall clock in the playlist: from the server's taking a frame in to its being shown.
        latency_s: () => (player.playingDate ? (Date.now() - player.playingDate.getTime()) / 1000 : null),
        destroy: () => player.destroy(),
    };
};

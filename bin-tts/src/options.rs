//! Configuration to options: the one place where the words of `engine.json` become those of the libraries.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use streamer_control::config::{
    AppConfig, DuplicateConfig, EngineConfig, FieldPath, HlsEncryptionConfig, HlsEncryptionMethod,
    HlsMode as HlsModeConfig, JwtKeys, LoadedConfig, PlayerDialect, ProxyHeaderConfig, PullMode,
    SlowViewerConfig, StreamUrl,
};
use streamer_core::container::flv::Dialect;
use streamer_core::hub::{AppOptions, DuplicatePublish, Overrun};
use streamer_http::proto::hls::{Encryption, EncryptionMethod, ListOptions, PackagerOptions};
use streamer_http::{
    AllowedOrigins, Hls, HlsAppOptions, HlsMode, HlsStore, HttpOptions, HttpStats, ProxyHeader,
    TrustedProxies,
};
use streamer_net::{AcceptOptions, AcceptStats, ClientTls, ServerTls};
use streamer_rtmp::{ClientOptions, ForwardOptions, OnDemand, PullOptions, RtmpOptions, RtmpUrl};

use crate::auth::check_public_key;
use crate::error::EngineError;
use crate::tasks::{TaskEntry, TaskOptions, TaskSpec};

/// Longest time to connect to a callback or an issuer of keys; their own time limits are shorter mostly.
const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections to one callback that are kept for the next question.
const MAX_IDLE_HTTP_CONNECTIONS: usize = 16;

/// The hub's options of one application.
#[must_use]
pub fn app_options(app: &AppConfig) -> AppOptions {
    AppOptions {
        duplicate: match app.on_duplicate {
            DuplicateConfig::Reject => DuplicatePublish::Reject,
            DuplicateConfig::TakeOver => DuplicatePublish::TakeOver,
        },
        overrun: match app.on_slow_viewer {
            SlowViewerConfig::Resync => Overrun::Resync,
            SlowViewerConfig::Disconnect => Overrun::Disconnect,
        },
        grace: Duration::from_millis(app.grace_ms),
        wait_for_publisher: Duration::from_millis(app.wait_for_publisher_ms),
        write_window: Duration::from_millis(app.write_window_ms),
        max_viewers: app.max_viewers,
        ..AppOptions::default()
    }
}

/// HLS of one application; `store` is where its segments go that memory has no room for.
#[must_use]
pub fn hls_app_options(app: &AppConfig, store: Option<HlsStore>) -> HlsAppOptions {
    let hls = &app.hls;
    HlsAppOptions {
        mode: match hls.mode {
            HlsModeConfig::Off => HlsMode::Off,
            HlsModeConfig::OnDemand => HlsMode::OnDemand,
            HlsModeConfig::Always => HlsMode::Always,
        },
        packager: PackagerOptions {
            target_duration: Duration::from_millis(hls.segment_ms),
            part_target: (hls.part_ms > 0).then(|| Duration::from_millis(hls.part_ms)),
            list: ListOptions { length: Duration::from_millis(hls.list_ms) },
            history: Duration::from_secs(hls.time_shift_s),
            max_bytes: hls.memory_bytes,
            encryption: hls.encryption.map(encryption),
            ..PackagerOptions::default()
        },
        idle: Duration::from_millis(hls.idle_ms),
        adaptive: app.adaptive.iter().map(|entry| (entry.name.clone(), entry.streams.clone())).collect(),
        store,
    }
}

fn encryption(config: HlsEncryptionConfig) -> Encryption {
    Encryption {
        method: match config.method {
            HlsEncryptionMethod::Aes128 => EncryptionMethod::Aes128,
            HlsEncryptionMethod::SampleAes => EncryptionMethod::SampleAes,
        },
        rotate: Duration::from_secs(config.rotate_s),
    }
}

/// The certificate of the TLS listeners, if one is configured.
///
/// # Errors
/// [`EngineError::Tls`] naming the field and the file.
pub fn server_tls(loaded: &LoadedConfig) -> Result<Option<ServerTls>, EngineError> {
    let Some(tls) = &loaded.config.tls else { return Ok(None) };
    ServerTls::from_files(&loaded.resolve(&tls.certificate), &loaded.resolve(&tls.private_key))
        .map(Some)
        .map_err(|source| EngineError::Tls { place: format!("{}: tls", loaded.origin()), source })
}

/// Whom pulls and forwards over TLS trust, if that is configured; `None` for the system's own.
///
/// # Errors
/// [`EngineError::Tls`] naming the field and the file.
pub fn client_tls(loaded: &LoadedConfig) -> Result<Option<ClientTls>, EngineError> {
    let Some(tls) = &loaded.config.client_tls else { return Ok(None) };
    ClientTls::from_roots_file(&loaded.resolve(&tls.ca))
        .map(Some)
        .map_err(|source| EngineError::Tls { place: format!("{}: client_tls", loaded.origin()), source })
}

/// The client that callbacks and key sets are asked with. It trusts whom pulls and forwards trust, follows no
/// redirects, for a question must not be led elsewhere, and heeds no proxy of the environment.
///
/// # Errors
/// [`EngineError::Tls`] naming the field and the file.
pub fn http_client(loaded: &LoadedConfig) -> Result<reqwest::Client, EngineError> {
    let refuse = |reason: String| {
        let place = format!("{}: client_tls", loaded.origin());
        EngineError::HttpClient { place, reason }
    };
    let builder = || {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(HTTP_CONNECT_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_HTTP_CONNECTIONS)
            .user_agent(concat!("tts/", env!("CARGO_PKG_VERSION")))
    };
    if let Some(tls) = &loaded.config.client_tls {
        let pem = std::fs::read(loaded.resolve(&tls.ca)).map_err(|error| refuse(error.to_string()))?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| refuse(error.to_string()))?;
        return builder().tls_certs_only(roots).build().map_err(|error| refuse(error.to_string()));
    }
    // A machine without root certificates trusts nobody over HTTPS; that is no reason to serve no media.
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(|error| refuse(error.to_string()))
}

/// The options of an RTMP listener; with `tls` it speaks RTMPS.
#[must_use]
pub fn rtmp_options(config: &EngineConfig, tls: Option<ServerTls>) -> RtmpOptions {
    let options = RtmpOptions {
        accept: accept_options(config),
        unannounced: dialect(config.rtmp.player_dialect),
        ..RtmpOptions::default()
    };
    match tls {
        Some(tls) => options.with_tls(tls),
        None => options,
    }
}

/// Counters of a listener for HTTP streaming whose connections are counted in `connections`.
#[must_use]
pub fn http_stats(connections: Arc<AcceptStats>) -> Arc<HttpStats> {
    Arc::new(HttpStats { connections, ..HttpStats::default() })
}

/// The options of a listener for HTTP streaming, which counts in `stats`; `trusted_proxies` is the handle by which a reload exchanges them,
/// `hls` the one that all listeners share.
#[must_use]
pub fn http_options(
    config: &EngineConfig,
    tls: Option<ServerTls>,
    trusted_proxies: TrustedProxies,
    stats: Arc<HttpStats>,
    hls: Hls,
) -> HttpOptions {
    let accept = accept_options(config);
    HttpOptions {
        tls,
        max_connections: accept.max_connections,
        max_connections_per_address: accept.max_connections_per_address,
        trusted_proxies,
        proxy_header: match config.http.proxy_header {
            ProxyHeaderConfig::XForwardedFor => ProxyHeader::XForwardedFor,
            ProxyHeaderConfig::Forwarded => ProxyHeader::Forwarded,
        },
        allowed_origins: match &config.http.allowed_origins {
            None => AllowedOrigins::Any,
            Some(list) if list.is_empty() => AllowedOrigins::None,
            Some(list) => AllowedOrigins::Listed(list.clone()),
        },
        dialect: dialect(config.http.player_dialect),
        hls,
        stats,
        ..HttpOptions::default()
    }
}

const fn dialect(dialect: PlayerDialect) -> Dialect {
    match dialect {
        PlayerDialect::Legacy => Dialect::Legacy,
        PlayerDialect::LegacyHevc => Dialect::LegacyHevc12,
        PlayerDialect::Enhanced => Dialect::Enhanced,
    }
}

fn accept_options(config: &EngineConfig) -> AcceptOptions {
    AcceptOptions {
        max_connections: config.limits.max_connections,
        max_connections_per_address: config.limits.max_connections_per_address,
        ..AcceptOptions::default()
    }
}

/// The pulls and forwards that are configured; `tls` is whom they trust, `None` for the system's own.
///
/// # Errors
/// [`EngineError::Config`] for a URL that cannot be one of RTMP, with its line.
pub fn task_specs(loaded: &LoadedConfig, tls: Option<&ClientTls>) -> Result<Vec<TaskSpec>, EngineError> {
    let mut specs = Vec::new();
    for (index, pull) in loaded.config.pulls.iter().enumerate().filter(|(_, pull)| pull.enabled) {
        let at = FieldPath::field("pulls").index(index).key("urls");
        let mut urls = Vec::new();
        for (url_index, url) in pull.urls.iter().enumerate() {
            urls.push(rtmp_url(loaded, at.clone().index(url_index), url)?);
        }
        let mut urls = urls.into_iter();
        // Checked with the configuration: there is at least one.
        let Some(url) = urls.next() else { continue };
        let client = client_options(pull.local_address, false, tls);
        let on_demand = match pull.mode {
            PullMode::Always => None,
            PullMode::OnDemand => Some(OnDemand::new(Duration::from_millis(pull.idle_ms))),
        };
        let return_every =
            (pull.return_to_preferred_s > 0).then(|| Duration::from_secs(pull.return_to_preferred_s));
        let stand_ins = urls.collect();
        let options = PullOptions { key: pull.key(), url, stand_ins, client, on_demand, return_every };
        let options = TaskOptions::Pull(options);
        specs.push(TaskSpec { entry: TaskEntry::Pull(pull.clone()), options });
    }
    let forwards = loaded.config.forwards.iter().enumerate().filter(|(_, forward)| forward.enabled);
    for (index, forward) in forwards {
        let at = FieldPath::field("forwards").index(index).key("url");
        let url = rtmp_url(loaded, at, &forward.url)?;
        let client = client_options(forward.local_address, forward.ssl, tls);
        let options = TaskOptions::Forward(ForwardOptions { key: forward.key(), url, client });
        specs.push(TaskSpec { entry: TaskEntry::Forward(forward.clone()), options });
    }
    Ok(specs)
}

/// Sees whether the public keys of tokens can be used.
///
/// # Errors
/// [`EngineError::Config`] for one that cannot, with its line.
pub fn check_public_keys(loaded: &LoadedConfig) -> Result<(), EngineError> {
    for (index, app) in loaded.config.apps.iter().enumerate() {
        for (name, auth) in [("publish_auth", &app.publish_auth), ("play_auth", &app.play_auth)] {
            let Some(JwtKeys::PublicKey(key)) = auth.as_ref().and_then(|auth| Some(&auth.jwt.as_ref()?.keys))
            else {
                continue;
            };
            if let Err(error) = check_public_key(key) {
                let at =
                    FieldPath::field("apps").index(index).key(name).key("jwt").key("keys").key("public_key");
                return Err(EngineError::Config(loaded.refuse(at.problem(error.to_string()))));
            }
        }
    }
    Ok(())
}

fn rtmp_url(loaded: &LoadedConfig, at: FieldPath, url: &StreamUrl) -> Result<RtmpUrl, EngineError> {
    url.as_str().parse().map_err(|error: streamer_rtmp::proto::url::UrlError| {
        EngineError::Config(loaded.refuse(at.problem(error.to_string())))
    })
}

fn client_options(local_address: Option<IpAddr>, force_tls: bool, tls: Option<&ClientTls>) -> ClientOptions {
    ClientOptions { local_address, force_tls, tls: tls.cloned(), ..ClientOptions::default() }
}

/// Bounds of the API's own accept loop.
#[must_use]
pub fn api_accept_options() -> AcceptOptions {
    // Whoever looks why no viewer gets in must get in.
    AcceptOptions {
        max_connections: crate::api::MAX_API_CONNECTIONS,
        reserved_descriptors: 0,
        ..AcceptOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use streamer_control::config::AdaptiveConfig;

    use super::*;

    #[test]
    fn the_default_application_has_the_hubs_defaults() {
        let config = EngineConfig::default();
        assert_eq!(app_options(&config.apps[0]), AppOptions::default());
    }

    #[test]
    fn the_default_application_has_the_defaults_of_hls() {
        let config = EngineConfig::default();
        let (mapped, default) = (hls_app_options(&config.apps[0], None), HlsAppOptions::default());
        assert_eq!(format!("{mapped:?}"), format!("{default:?}"));
    }

    #[test]
    fn every_option_of_hls_arrives() {
        let mut app = EngineConfig::default().apps.remove(0);
        app.hls.mode = HlsModeConfig::Always;
        (app.hls.segment_ms, app.hls.part_ms, app.hls.list_ms, app.hls.idle_ms) = (1, 0, 3, 4);
        (app.hls.time_shift_s, app.hls.memory_bytes) = (5, 6);
        app.adaptive =
            vec![AdaptiveConfig { name: "all".parse().unwrap(), streams: vec!["a".parse().unwrap()] }];
        let options = hls_app_options(&app, None);
        let packager = PackagerOptions {
            target_duration: Duration::from_millis(1),
            part_target: None,
            list: ListOptions { length: Duration::from_millis(3) },
            history: Duration::from_secs(5),
            max_bytes: 6,
            ..PackagerOptions::default()
        };
        assert_eq!((options.mode, options.idle), (HlsMode::Always, Duration::from_millis(4)));
        assert_eq!(options.packager, packager);
        assert_eq!(options.adaptive.get("all").map(Vec::len), Some(1));
        app.hls.mode = HlsModeConfig::Off;
        assert_eq!(hls_app_options(&app, None).mode, HlsMode::Off);
    }

    #[test]
    fn the_default_listeners_have_the_libraries_defaults() {
        let config = EngineConfig::default();
        let (rtmp, default) = (rtmp_options(&config, None), RtmpOptions::default());
        assert_eq!(format!("{rtmp:?}"), format!("{default:?}"));
        let http = http_options(&config, None, TrustedProxies::default(), Arc::default(), Hls::default());
        assert_eq!(format!("{http:?}"), format!("{:?}", HttpOptions::default()));
    }

    #[test]
    fn every_option_of_the_listeners_arrives() {
        let mut config = EngineConfig::default();
        config.limits.max_connections = 5;
        config.limits.max_connections_per_address = Some(3);
        config.rtmp.player_dialect = PlayerDialect::Enhanced;
        config.http.player_dialect = PlayerDialect::Legacy;
        config.http.proxy_header = ProxyHeaderConfig::Forwarded;
        config.http.allowed_origins = Some(vec!["https://a.test".into()]);
        let rtmp = rtmp_options(&config, None);
        assert_eq!((rtmp.accept.max_connections, rtmp.accept.max_connections_per_address), (5, Some(3)));
        assert_eq!(rtmp.unannounced, Dialect::Enhanced);
        let http = http_options(&config, None, TrustedProxies::default(), Arc::default(), Hls::default());
        assert_eq!((http.max_connections, http.max_connections_per_address), (5, Some(3)));
        assert_eq!((http.dialect, http.proxy_header), (Dialect::Legacy, ProxyHeader::Forwarded));
        assert_eq!(http.allowed_origins, AllowedOrigins::Listed(vec!["https://a.test".into()]));
        config.http.allowed_origins = Some(Vec::new());
        let http = http_options(&config, None, TrustedProxies::default(), Arc::default(), Hls::default());
        assert_eq!(http.allowed_origins, AllowedOrigins::None);
    }

    #[test]
    fn every_option_of_a_task_arrives_and_what_is_off_is_no_task() {
        let text = |enabled: bool| {
            let pull = r#""app": "cams", "stream": "a", "urls": ["rtmp://h/a/b", "rtmp://i/a/b"]"#;
            let forward =
                r#""name": "cdn", "app": "cams", "stream": "a", "url": "rtmp://h/a/b", "ssl": true"#;
            format!(
                r#"{{"apps": [{{"app_name": "cams", "source_type": "rtmp_pull"}}],
                "pulls": [{{{pull}, "mode": "on_demand", "idle_ms": 3, "return_to_preferred_s": 4, "enabled": {enabled}}}],
                "forwards": [{{{forward}, "enabled": {enabled}}}]}}"#
            )
        };
        let specs = |enabled| {
            let loaded = LoadedConfig::from_text(text(enabled), "test".into()).unwrap();
            task_specs(&loaded, None).unwrap()
        };
        assert!(specs(false).is_empty());
        let specs = specs(true);
        let [TaskOptions::Pull(pull), TaskOptions::Forward(forward)] = [&specs[0].options, &specs[1].options]
        else {
            panic!("a pull and a forward");
        };
        assert_eq!(pull.on_demand, Some(OnDemand::new(Duration::from_millis(3))));
        assert_eq!((pull.return_every, pull.stand_ins.len()), (Some(Duration::from_secs(4)), 1));
        assert_eq!((pull.url.host.as_str(), pull.stand_ins[0].host.as_str()), ("h", "i"));
        assert!(forward.client.force_tls && !pull.client.force_tls);
    }

    #[test]
    fn every_option_of_an_application_arrives() {
        let mut app = EngineConfig::default().apps.remove(0);
        app.on_duplicate = DuplicateConfig::TakeOver;
        app.on_slow_viewer = SlowViewerConfig::Disconnect;
        (app.grace_ms, app.wait_for_publisher_ms, app.write_window_ms, app.max_viewers) = (1, 2, 3, 4);
        let expected = AppOptions {
            duplicate: DuplicatePublish::TakeOver,
            overrun: Overrun::Disconnect,
            grace: Duration::from_millis(1),
            wait_for_publisher: Duration::from_millis(2),
            write_window: Duration::from_millis(3),
            max_viewers: 4,
            ..AppOptions::default()
        };
        assert_eq!(app_options(&app), expected);
    }
}

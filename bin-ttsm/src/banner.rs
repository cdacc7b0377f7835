//! What the manager says when it has started: what to do next.

use std::path::Path;

use streamer_daemon::say::{line, listens, url};
use streamer_manager::accounts::InitialCredentials;
use streamer_manager::accounts::first_start::INITIAL_CREDENTIALS_FILE;

use crate::manager::Addresses;

/// The text, several lines. `rest_scheme` is `http`, or `https` where there is a certificate; `first` are the credentials of the very first start, which are shown this once.
#[must_use]
pub fn banner(
    origin: &str,
    addresses: &Addresses,
    rest_scheme: &str,
    data_dir: &Path,
    first: Option<&InitialCredentials>,
) -> String {
    let mut text = format!("ttsm {} is ready (configuration: {origin})\n\n", env!("CARGO_PKG_VERSION"));
    if let Some(InitialCredentials { user, password, token }) = first {
        line(&mut text, "administrator", user, "");
        line(&mut text, "password", password.expose(), "");
        line(&mut text, "API token", token.expose(), "");
        let file = data_dir.join(INITIAL_CREDENTIALS_FILE);
        line(&mut text, "", &format!("shown this once; in {} until the first login", file.display()), "");
    }
    line(&mut text, "data folder", &data_dir.display().to_string(), "   (the engine's too)");
    if let Some(url) = url(rest_scheme, &addresses.rest, default_port(rest_scheme)) {
        line(&mut text, "REST API", &format!("{url}/v1/docs"), "");
    }
    listens(&mut text, "REST API", &addresses.rest);
    listens(&mut text, "VOD", &addresses.vod);
    listens(&mut text, "config", &addresses.config);
    listens(&mut text, "events", &addresses.events);
    text.push_str("\nCtrl-C stops it; the engine goes on without it.\n");
    text
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_api_is_shown_as_it_is_reached() {
        let told = |rest: &str, scheme: &str| {
            let addresses = Addresses { rest: vec![rest.parse().unwrap()], ..Addresses::default() };
            banner("server.json", &addresses, scheme, Path::new("/data"), None)
        };
        for (rest, scheme, url) in [
            ("127.0.0.1:8085", "http", "http://127.0.0.1:8085/v1/docs\n"),
            ("[::]:8085", "https", "https://127.0.0.1:8085/v1/docs\n"),
            ("[::1]:443", "https", "https://[::1]/v1/docs\n"),
        ] {
            let text = told(rest, scheme);
            assert!(text.contains(&format!("  REST API             {url}")), "{text}");
        }
    }
}

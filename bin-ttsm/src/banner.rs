//! What the manager says when it has started: what to do next.

use std::path::Path;

use streamer_daemon::say::{line, listens};
use streamer_manager::accounts::InitialCredentials;
use streamer_manager::accounts::first_start::INITIAL_CREDENTIALS_FILE;

use crate::manager::Addresses;

/// The text, several lines. `first` are the credentials of the very first start, which are shown this once.
#[must_use]
pub fn banner(
    origin: &str,
    addresses: &Addresses,
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
    listens(&mut text, "REST API", &addresses.rest);
    listens(&mut text, "VOD", &addresses.vod);
    listens(&mut text, "config", &addresses.config);
    listens(&mut text, "events", &addresses.events);
    text.push_str("\nCtrl-C stops it; the engine goes on without it.\n");
    text
}

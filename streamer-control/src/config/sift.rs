//! Holding the rest of a configuration when a part of it cannot hold.

use super::engine::EngineConfig;

/// A configuration from which what cannot hold is taken out, one item after the other: an application, a task or a
/// field of its own goes back to what it was before, or out where it was nothing.
#[derive(Debug)]
pub struct Sifted<'a> {
    config: EngineConfig,
    before: &'a EngineConfig,
    apps: Vec<usize>,
    pulls: Vec<usize>,
    forwards: Vec<usize>,
}

impl<'a> Sifted<'a> {
    /// Nothing is taken out of `config` yet; what held before it is `before`.
    #[must_use]
    pub fn new(config: EngineConfig, before: &'a EngineConfig) -> Self {
        let positions = |len: usize| (0..len).collect();
        Self {
            apps: positions(config.apps.len()),
            pulls: positions(config.pulls.len()),
            forwards: positions(config.forwards.len()),
            config,
            before,
        }
    }

    /// What is left.
    #[must_use]
    pub const fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Takes out what stands at `path` (`pulls[3].urls[0]`). Returns the path as it was at first, before others were
    /// taken out; `None` when it cannot be taken out.
    pub fn take_out(&mut self, path: &str) -> Option<String> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (field, rest) = path.split_at(end);
        let Self { config, before, .. } = self;
        match field {
            "apps" => take_item(&mut config.apps, &before.apps, &mut self.apps, field, rest, |a, b| {
                a.app_name == b.app_name
            }),
            "pulls" => take_item(&mut config.pulls, &before.pulls, &mut self.pulls, field, rest, |a, b| {
                a.key() == b.key()
            }),
            "forwards" => {
                take_item(&mut config.forwards, &before.forwards, &mut self.forwards, field, rest, |a, b| {
                    (&a.app, &a.name) == (&b.app, &b.name)
                })
            }
            "listeners" => {
                let (new, old) = (&mut config.listeners, &before.listeners);
                match rest.trim_start_matches('.').split('.').next()? {
                    "rtmp" => take_optional(&mut new.rtmp, &old.rtmp),
                    "rtmps" => take_optional(&mut new.rtmps, &old.rtmps),
                    "http" => take_optional(&mut new.http, &old.http),
                    "https" => take_optional(&mut new.https, &old.https),
                    _ => false,
                }
                .then(|| path.to_owned())
            }
            "tls" => take_optional(&mut config.tls, &before.tls).then(|| path.to_owned()),
            "client_tls" => {
                take_optional(&mut config.client_tls, &before.client_tls).then(|| path.to_owned())
            }
            "limits" => take(&mut config.limits, &before.limits).then(|| path.to_owned()),
            "rtmp" => take(&mut config.rtmp, &before.rtmp).then(|| path.to_owned()),
            "http" => take(&mut config.http, &before.http).then(|| path.to_owned()),
            _ => None,
        }
    }
}

fn take<T: Clone + PartialEq>(new: &mut T, old: &T) -> bool {
    let differs = new != old;
    new.clone_from(old);
    differs
}

/// What held before, or nothing if that is what does not hold.
fn take_optional<T: Clone + PartialEq>(new: &mut Option<T>, old: &Option<T>) -> bool {
    take(new, old) || new.take().is_some()
}

/// The item at the index that `rest` begins with goes back to its former self, or out of the list when it has none, or
/// that is what does not hold.
fn take_item<T: Clone + PartialEq>(
    list: &mut Vec<T>,
    before: &[T],
    positions: &mut Vec<usize>,
    field: &str,
    rest: &str,
    is_same: impl Fn(&T, &T) -> bool,
) -> Option<String> {
    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let index: usize = index.parse().ok()?;
    let item = list.get_mut(index)?;
    let position = *positions.get(index)?;
    let former = before.iter().find(|old| is_same(old, item)).cloned();
    match former {
        Some(former) if former != *item => *item = former,
        _ => {
            list.remove(index);
            positions.remove(index);
        }
    }
    Some(format!("{field}[{position}]{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AppConfig, ConfigFile, ListenerConfig, SourceType};

    fn app(name: &str, max_viewers: usize) -> AppConfig {
        AppConfig { max_viewers, ..AppConfig::new(name.parse().unwrap(), SourceType::RtmpPush) }
    }

    /// Takes out until what is left holds.
    fn sift(config: EngineConfig, before: &EngineConfig) -> (EngineConfig, Vec<String>) {
        let mut sifted = Sifted::new(config, before);
        let mut refused = Vec::new();
        while let Err(problem) = sifted.config().check() {
            refused.push(sifted.take_out(&problem.path.to_string()).unwrap());
        }
        (sifted.config.clone(), refused)
    }

    #[test]
    fn an_item_goes_back_to_what_it_was_or_out() {
        let before = EngineConfig { apps: vec![app("aa", 1), app("bb", 2)], ..EngineConfig::default() };
        let apps = vec![app("new", 0), app("aa", 0), app("cc", 3), app("dd", 0), app("bb", 4)];
        let (held, refused) = sift(EngineConfig { apps, ..before.clone() }, &before);
        assert_eq!(held.apps, [app("aa", 1), app("cc", 3), app("bb", 4)]);
        assert_eq!(refused, ["apps[0].max_viewers", "apps[1].max_viewers", "apps[3].max_viewers"]);
    }

    #[test]
    fn what_did_not_hold_before_either_goes_out() {
        let before = EngineConfig { apps: vec![app("aa", 0)], ..EngineConfig::default() };
        let (held, refused) = sift(before.clone(), &before);
        assert_eq!((held.apps.len(), refused.len()), (0, 1));
    }

    #[test]
    fn a_field_goes_back_to_what_it_was() {
        let before = EngineConfig::default();
        let mut new = before.clone();
        new.listeners.rtmps = Some(ListenerConfig::everywhere(1936));
        new.listeners.http = Some(ListenerConfig::everywhere(1935));
        new.limits.max_connections = 0;
        let (held, refused) = sift(new, &before);
        assert_eq!(held, before);
        assert_eq!(refused, ["listeners.http.port", "listeners.rtmps", "limits.max_connections"]);
    }

    #[test]
    fn what_is_not_known_is_not_taken_out() {
        let before = EngineConfig::default();
        let mut sifted = Sifted::new(before.clone(), &before);
        for path in ["", "log.format", "apps", "apps[7]", "apps[x]", "listeners.api.port", "limits"] {
            assert_eq!(sifted.take_out(path), None, "{path}");
        }
        assert_eq!(*sifted.config(), before);
    }
}

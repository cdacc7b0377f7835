//! What somebody may do: roles, and the scopes that limit a token.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What somebody may do. Each role may all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at everything but secrets.
    Viewer,
    /// Changes what concerns streams.
    Operator,
    /// Changes everything, accounts included.
    Administrator,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The role called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An area of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Area {
    /// Applications.
    Apps,
    /// Streams, source streams and publishers.
    Streams,
    /// Viewers.
    Viewers,
    /// Forwards.
    Forwards,
    /// Settings of the engine.
    Settings,
    /// Webhooks and their deliveries.
    Webhooks,
    /// History, rollback, export and import of the configuration.
    Config,
    /// Events.
    Events,
    /// The system: version, load, listeners.
    System,
    /// Video on demand.
    Vod,
    /// Users, tokens, sessions and the audit log.
    Accounts,
}

impl Area {
    /// All areas.
    pub const ALL: [Self; 11] = [
        Self::Apps,
        Self::Streams,
        Self::Viewers,
        Self::Forwards,
        Self::Settings,
        Self::Webhooks,
        Self::Config,
        Self::Events,
        Self::System,
        Self::Vod,
        Self::Accounts,
    ];

    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Streams => "streams",
            Self::Viewers => "viewers",
            Self::Forwards => "forwards",
            Self::Settings => "settings",
            Self::Webhooks => "webhooks",
            Self::Config => "config",
            Self::Events => "events",
            Self::System => "system",
            Self::Vod => "vod",
            Self::Accounts => "accounts",
        }
    }
}

/// What a token is limited to: reading or writing one area. Spelled `streams:read` or `streams:write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The area.
    pub area: Area,
    /// Whether it may be changed; reading is included.
    pub write: bool,
}

impl Scope {
    /// Reading `area`.
    #[must_use]
    pub const fn read(area: Area) -> Self {
        Self { area, write: false }
    }

    /// Reading and changing `area`.
    #[must_use]
    pub const fn write(area: Area) -> Self {
        Self { area, write: true }
    }

    /// Whether it includes `needed`.
    #[must_use]
    pub fn includes(self, needed: Self) -> bool {
        self.area == needed.area && (self.write || !needed.write)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.area.as_str(), if self.write { "write" } else { "read" })
    }
}

/// A text that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is an area and `read` or `write`, such as `streams:read`")]
pub struct BadScope;

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        let (area, access) = text.split_once(':').ok_or(BadScope)?;
        let area = Area::ALL.into_iter().find(|known| known.as_str() == area).ok_or(BadScope)?;
        match access {
            "read" => Ok(Self::read(area)),
            "write" => Ok(Self::write(area)),
            _ => Err(BadScope),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ranked() {
        assert!(Role::Administrator > Role::Operator && Role::Operator > Role::Viewer);
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert_eq!(Role::from_name("root"), None);
    }

    #[test]
    fn a_scope_reads_as_it_is_written() {
        for area in Area::ALL {
            for scope in [Scope::read(area), Scope::write(area)] {
                assert_eq!(scope.to_string().parse(), Ok(scope));
            }
        }
        for wrong in ["", "streams", "streams:", "streams:all", "x:read", "streams:read ", "Streams:read"] {
            assert_eq!(wrong.parse::<Scope>(), Err(BadScope), "{wrong}");
        }
    }

    #[test]
    fn writing_includes_reading_of_the_same_area_alone() {
        let (read, write) = (Scope::read(Area::Apps), Scope::write(Area::Apps));
        assert!(write.includes(read) && write.includes(write) && read.includes(read));
        assert!(!read.includes(write) && !write.includes(Scope::read(Area::Vod)));
    }
}

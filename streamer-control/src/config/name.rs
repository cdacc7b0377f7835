//! Names of the core, read and written as text.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer, de};

pub(crate) fn serialize<T: Display, S: Serializer>(name: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| de::Error::custom(format!("bad name {text:?}: {error}")))
}

/// How the name of an application is described.
#[cfg(feature = "openapi")]
pub(crate) struct AppNameText;

/// How the name of a stream is described.
#[cfg(feature = "openapi")]
pub(crate) struct StreamNameText;

#[cfg(feature = "openapi")]
fn described(min: usize, max: usize, pattern: &str) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .min_length(Some(min))
        .max_length(Some(max))
        .pattern(Some(pattern))
        .into()
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for AppNameText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use streamer_core::key::{MAX_APP_NAME_BYTES, MIN_APP_NAME_BYTES};
        described(MIN_APP_NAME_BYTES, MAX_APP_NAME_BYTES, "^[A-Za-z0-9_-]+$")
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for AppNameText {}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for StreamNameText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        described(1, streamer_core::key::MAX_STREAM_NAME_BYTES, "^[A-Za-z0-9_~@+=-][A-Za-z0-9_.~@+=-]*$")
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for StreamNameText {}

/// Lists of names.
pub(crate) mod list {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(bound = "T: FromStr<Err: Display>")]
    struct Named<T>(#[serde(deserialize_with = "super::deserialize")] T);

    pub(crate) fn serialize<T: Display, S: Serializer>(
        names: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(names.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let names = Vec::<Named<T>>::deserialize(deserializer)?;
        Ok(names.into_iter().map(|Named(name)| name).collect())
    }
}

//! Versions of a bucket, without a warning.

#![deny(warnings)]

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct UserV1 {
    #[bucket(key)]
    id: u64,
    name: String,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(version = 2, migrate(from = UserV1))]
struct UserV2 {
    #[bucket(key)]
    id: u64,
    first: String,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "users", version = 5, migrate(from = UserV2), rename_from = "people")]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(rename_from = "first", default = "nobody")]
    #[serde(alias = "vorname")]
    given: String,
    #[bucket(default = Vec::new())]
    tags: Vec<String>,
    #[bucket(default)]
    #[serde(with = "text")]
    count: u64,
}

mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_string())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl From<UserV1> for UserV2 {
    fn from(user: UserV1) -> Self {
        Self { id: user.id, first: user.name }
    }
}

impl TryFrom<UserV2> for User {
    type Error = std::num::TryFromIntError;

    fn try_from(user: UserV2) -> Result<Self, Self::Error> {
        let count = u32::try_from(user.id)?.into();
        Ok(Self { id: user.id, given: user.first, tags: Vec::new(), count })
    }
}

fn main() {
    let schema = User::schema();
    assert_eq!((schema.version, User::VERSION, UserV1::VERSION), (5, 5, 1));
    assert_eq!(schema.renamed_from, Some("people"));
    assert_eq!(schema.field("given").map(|field| field.renamed_from), Some(["first", "vorname"].as_slice()));
}

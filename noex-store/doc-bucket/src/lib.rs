//! The bucket that the documentation's examples have in common.
//!
//! Each example is a program of its own. Were the bucket declared in each, as in a user's program, its code would be compiled two
//! hundred times, which took most of the time of the documentation's tests.

use noex_store::prelude::*;

/// A user.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
pub struct User {
    /// Given by the store.
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    /// Not empty.
    #[bucket(index, min_length = 1)]
    pub name: String,
    /// Of one user.
    #[bucket(unique)]
    pub email: String,
    /// In years.
    #[bucket(index, max = 150)]
    pub age: Option<u8>,
    /// Words.
    #[bucket(index(each), default)]
    pub tags: Vec<String>,
}

/// A store with two users.
///
/// # Errors
/// Those of the store; there are none.
pub async fn two_users() -> Result<(Store, BucketHandle<User>), Error> {
    let store = Store::builder().bucket::<User>().start().await?;
    let users = store.bucket::<User>()?;
    users.insert(User::draft().name("Ann").email("ann@x.cz").age(30).tags(["vip"]))?;
    users.insert(User::draft().name("Ben").email("ben@x.cz"))?;
    Ok((store, users))
}

//! A user's own methods stand beside those that are generated, and several buckets have fields of the same names.

#![deny(warnings)]

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
    #[bucket(index)]
    age: u8,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Pet {
    #[bucket(key)]
    id: u64,
    name: String,
    #[bucket(index)]
    age: u8,
}

impl User {
    fn adult(id: u64) -> impl Insertable<Self> {
        Self::draft().id(id).age(18).name("adult")
    }
}

impl UserReads {
    fn of_age(&self) -> Vec<Record<User>> {
        self.filter(User::AGE.ge(18)).collect()
    }
}

trait ByName {
    fn by_name(&self, name: &str) -> usize;
}

impl ByName for BucketHandle<User> {
    fn by_name(&self, name: &str) -> usize {
        self.filter(User::NAME.eq(name)).count()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<User>().bucket::<Pet>().start().await?;
    let users = store.bucket::<User>()?;
    users.insert(User::adult(1))?;
    users.insert(User::draft().age(9).id(2).name("child"))?;
    store.bucket::<Pet>()?.insert(Pet::draft().id(1).name("Rex").age(3))?;
    assert_eq!((users.of_age().len(), store.snapshot().bucket::<User>()?.of_age().len()), (1, 1));
    assert_eq!(users.by_name("child"), 1);
    Ok(())
}

//! The crate is known by another path, and nothing of the expansion asks for its own name.

mod vendor {
    pub use ::noex_store as store;
}

/// Hides the crate from relative paths; the derive's default path would begin with `::` all the same.
mod noex_store {}

use vendor::store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(crate = vendor::store, index(city, age))]
struct Person {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(unique, format = "email")]
    email: String,
    #[bucket(index, references = City)]
    city: u32,
    #[bucket(min = 0, max = 150)]
    age: Option<u8>,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(crate = crate::vendor::store)]
struct City {
    #[bucket(key)]
    id: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Person>().bucket::<City>().start().await?;
    let people = store.bucket::<Person>()?;
    people.insert(Person::draft().email("a@b.cz").city(1_u32).age(30))?;
    assert_eq!(people.by_city(&1).len(), 1);
    assert_eq!(people.by_city_and_age(&1, 18..).len(), 1);
    assert_eq!(Person::schema().fields[2].references, Some("city"));
    Ok(())
}

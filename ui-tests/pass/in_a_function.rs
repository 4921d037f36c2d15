//! Structs inside of functions: two of one name in two functions, with types that are known only there.

use noex_store::prelude::*;

async fn first() -> Result<usize, Error> {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    enum Kind {
        A,
        B,
    }

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    struct Item {
        #[bucket(key)]
        id: u8,
        #[bucket(index)]
        kind: Kind,
        #[bucket(validate = even)]
        size: u8,
    }

    fn even(size: &u8) -> Result<(), &'static str> {
        if size % 2 == 0 { Ok(()) } else { Err("must be even") }
    }

    let store = Store::builder().bucket::<Item>().start().await?;
    let items = store.bucket::<Item>()?;
    items.insert_many([Item { id: 1, kind: Kind::A, size: 2 }, Item { id: 2, kind: Kind::B, size: 4 }])?;
    assert!(items.insert(Item::draft().id(3).kind(Kind::A).size(3)).is_err());
    Ok(items.by_kind(&Kind::A).len())
}

async fn second() -> Result<usize, Error> {
    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    struct Item {
        #[bucket(key)]
        name: String,
    }
    let store = Store::builder().bucket::<Item>().start().await?;
    store.bucket::<Item>()?.insert(Item::draft().name("x"))?;
    Ok(store.bucket::<Item>()?.count())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    assert_eq!((first().await?, second().await?), (1, 1));
    Ok(())
}

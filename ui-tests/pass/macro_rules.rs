//! Structs that a macro writes, with types, names, values and visibilities from its caller.

#![deny(warnings)]

use noex_store::prelude::*;

macro_rules! bucket {
    ($vis:vis $name:ident in $bucket:literal, $key:ident: $key_type:ty, $($field:ident: $type:ty = $default:expr,)*) => {
        #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
        #[bucket(name = $bucket)]
        $vis struct $name {
            #[bucket(key)]
            $vis $key: $key_type,
            $(#[bucket(index, default = $default)] $vis $field: $type,)*
            own: Option<u8>,
            required: String,
        }
    };
}

const START: u32 = 5;

bucket!(pub(crate) Thing in "things", id: u64, count: u32 = START, title: String = "none", level: i8 = -3, maybe: Option<u8> = 4,);
bucket!(Other in "others", name: String, limit: u64 = { let x = 1; x + 1 },);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Thing>().bucket::<Other>().start().await?;
    let things = store.bucket::<Thing>()?;
    let thing = things.insert(Thing::draft().id(1).required("x"))?;
    assert_eq!((thing.count, thing.title.as_str(), thing.level, thing.maybe), (5, "none", -3, Some(4)));
    assert_eq!(things.by_count(&5).len(), 1);
    assert_eq!(things.filter(Thing::OWN.is_none().and(Thing::LEVEL.lt(0))).count(), 1);
    let other = store.bucket::<Other>()?.insert(Other::draft().name("a").required("y").own(1))?;
    assert_eq!(other.limit, 2);
    assert_eq!((Thing::schema().name, Other::schema().name), ("things", "others"));
    Ok(())
}

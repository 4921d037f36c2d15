//! Fields of all kinds of types: maps, nested structs, enums with data, sets, arrays, tuples, times, shared text.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use noex_store::FieldKind;
use noex_store::prelude::*;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Address {
    city: String,
    street: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Payment {
    Card { number: String },
    Cash,
}

type Tags = BTreeSet<String>;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(index(address, count))]
struct Types {
    #[bucket(key)]
    id: (u8, String),
    #[bucket(unique)]
    address: Address,
    payment: Payment,
    #[bucket(max_length = 3)]
    map: HashMap<String, Vec<Address>>,
    #[bucket(min_length = 1)]
    tree: BTreeMap<u8, Option<f64>>,
    #[bucket(index(each))]
    tags: Tags,
    #[bucket(index(each))]
    set: HashSet<u16>,
    #[bucket(index(each))]
    queue: Option<VecDeque<i64>>,
    #[bucket(index(each))]
    fixed: [u8; 3],
    #[bucket(index)]
    whole: Vec<u8>,
    floats: [f64; 2],
    #[bucket(index)]
    count: Option<NonZeroU32>,
    at: SystemTime,
    took: Duration,
    #[bucket(index)]
    unit: (),
    nested: Option<Option<u8>>,
    large: u128,
    #[bucket(index, min = 'a', max = 'z')]
    letter: char,
    boxed: Box<str>,
    #[serde(skip)]
    #[bucket(default = Arc::from("shared"))]
    shared: Arc<str>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Types>().start().await?;
    let bucket = store.bucket::<Types>()?;
    let address = Address { city: "Brno".into(), street: None };
    let record = bucket.insert(
        Types::draft()
            .id((1, "a".to_owned()))
            .address(address.clone())
            .payment(Payment::Card { number: "1".into() })
            .map(HashMap::from([("home".to_owned(), vec![address.clone()])]))
            .tree(BTreeMap::from([(1, Some(0.5))]))
            .tags(Tags::from(["x".to_owned()]))
            .set(HashSet::from([7_u16]))
            .queue(VecDeque::from([-1_i64, 2]))
            .fixed([1_u8, 2, 2])
            .whole([1, 2])
            .floats([0.5, 1.5])
            .count(NonZeroU32::MIN)
            .at(SystemTime::UNIX_EPOCH)
            .took(Duration::from_secs(1))
            .unit(())
            .nested(Some(3))
            .large(u128::MAX)
            .letter('k')
            .boxed(Box::from("b")),
    )?;
    assert_eq!(
        (record.payment != Payment::Cash, record.nested, &*record.shared),
        (true, Some(Some(3)), "shared")
    );
    assert_eq!(bucket.get(&(1, "a".to_owned())).map(|record| record.letter), Some('k'));
    assert!(bucket.by_address(&address).is_some());
    assert_eq!(bucket.by_address_and_count(&address, NonZeroU32::MIN..).len(), 1);
    assert_eq!((bucket.by_tags("x").len(), bucket.by_set(&7).len(), bucket.by_queue(&2).len()), (1, 1, 1));
    assert_eq!(
        (bucket.by_fixed(&2).len(), bucket.by_whole(&vec![1, 2]).len(), bucket.by_unit(&()).len()),
        (1, 1, 1)
    );
    assert_eq!(bucket.filter(Types::FIXED.contains(1).and(Types::LARGE.gt(5))).count(), 1);
    let kinds: Vec<FieldKind> = Types::schema().fields.iter().map(|field| field.kind).collect();
    assert_eq!((kinds[3], kinds[5], kinds[12]), (FieldKind::Object, FieldKind::Object, FieldKind::Date));
    Ok(())
}

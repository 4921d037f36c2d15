//! Defaults of all sorts: each is an expression, worked out anew for every draft that leaves the field out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};

use noex_store::prelude::*;

const LIMIT: u32 = 10;
static COUNTER: AtomicU32 = AtomicU32::new(1);

fn next() -> u32 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Money {
    cents: i64,
}

impl Money {
    const ZERO: Self = Self { cents: 0 };

    fn new(cents: i64) -> Self {
        Self { cents }
    }
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Defaults {
    #[bucket(key)]
    id: u8,
    #[bucket(default)]
    of_type: Money,
    #[bucket(default = Money::ZERO)]
    constant_of_type: Money,
    #[bucket(default = Money::new(-5))]
    call: Money,
    #[bucket(default = Money { cents: 7 })]
    literal_struct: Money,
    #[bucket(default = -1, min = -5)]
    negative: i8,
    #[bucket(default = 2.5)]
    float: f64,
    #[bucket(default = 'x')]
    letter: char,
    #[bucket(default = true)]
    flag: bool,
    #[bucket(default = "plain")]
    text: String,
    #[bucket(default = "into".into())]
    into: String,
    #[bucket(default = format!("{}-{}", 1, 2))]
    formatted: String,
    #[bucket(default = LIMIT)]
    constant: u32,
    #[bucket(default = LIMIT * 2 + 1)]
    sum: u32,
    #[bucket(default = next())]
    function: u32,
    #[bucket(default = {
        let half = LIMIT / 2;
        half + 1
    })]
    block: u32,
    #[bucket(default = (|| LIMIT - 1)())]
    closure: u32,
    #[bucket(default = if LIMIT > 5 { "large" } else { "small" }.to_owned())]
    conditional: String,
    #[bucket(default = match LIMIT { 10 => 1, _ => 2 })]
    matched: u8,
    #[bucket(default = ["a", "b"])]
    array: Vec<String>,
    #[bucket(default = vec![1, 2, 3])]
    list: Vec<u8>,
    #[bucket(default = [0; 4])]
    fixed: [u8; 4],
    #[bucket(default = HashMap::from([("k".to_owned(), 1)]))]
    map: HashMap<String, u8>,
    #[bucket(default = BTreeMap::<u8, u8>::new())]
    turbofish: BTreeMap<u8, u8>,
    #[bucket(default = (1, "two".to_owned()))]
    tuple: (u8, String),
    #[bucket(default = 9)]
    optional: Option<u8>,
    #[bucket(default = "some")]
    optional_text: Option<String>,
    #[bucket(default)]
    optional_of_type: Option<u8>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Defaults>().start().await?;
    let bucket = store.bucket::<Defaults>()?;
    let one = bucket.insert(Defaults::draft().id(1))?;
    assert_eq!((one.of_type.cents, one.constant_of_type.cents), (0, 0));
    assert_eq!((one.call.cents, one.literal_struct.cents), (-5, 7));
    assert_eq!((one.negative, one.float, one.letter, one.flag), (-1, 2.5, 'x', true));
    assert_eq!((one.text.as_str(), one.into.as_str(), one.formatted.as_str()), ("plain", "into", "1-2"));
    assert_eq!((one.constant, one.sum, one.function, one.block, one.closure), (10, 21, 1, 6, 9));
    assert_eq!((one.conditional.as_str(), one.matched), ("large", 1));
    assert_eq!((one.array.join(","), one.list.as_slice(), one.fixed), ("a,b".into(), &[1, 2, 3][..], [0; 4]));
    assert_eq!((one.map["k"], one.turbofish.len(), one.tuple.1.as_str()), (1, 0, "two"));
    assert_eq!((one.optional, one.optional_text.as_deref()), (Some(9), Some("some")));
    assert_eq!(one.optional_of_type, None);

    let two = bucket.insert(Defaults::draft().id(2).clear_optional().text("given"))?;
    assert_eq!((two.optional, two.text.as_str(), two.function), (None, "given", 2));
    assert_eq!(Defaults::schema().field("sum").and_then(|field| field.default), Some("LIMIT * 2 + 1"));
    Ok(())
}

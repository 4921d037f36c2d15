//! Cursors through text, for the values that text loses most easily.

use noex_store::{OrderKey, prelude::*};
use proptest::prelude::*;

use super::question::through_text;
use super::{cases, ready};

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "values")]
struct Value {
    #[bucket(key)]
    id: usize,
    #[bucket(allow_non_finite)]
    float: f64,
    #[bucket(allow_non_finite)]
    small: Option<f32>,
    unsigned: u128,
    #[bucket(index)]
    signed: i128,
    #[bucket(index)]
    text: Option<String>,
}

/// Walks by pages of one, and of three; each must give all, each once, in the order that a sort gives.
fn walk(values: &BucketHandle<Value>, order: &OrderKey<Value>) {
    let sorted: Vec<usize> = values.order_by(order.clone()).collect().iter().map(|value| value.id).collect();
    for size in [1, 3] {
        let mut walked = Vec::new();
        let mut page = values.order_by(order.clone()).paginate(Page::first(size));
        loop {
            walked.extend(page.records.iter().map(|value| value.id));
            assert!(walked.len() <= sorted.len(), "by {order:?}");
            let Some(cursor) = page.next_cursor else { break };
            let after = Page::first(size).after(through_text(&cursor));
            page = values.order_by(order.clone()).paginate(after).expect("the cursor is of this question");
        }
        assert_eq!(walked, sorted, "by {order:?}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let float =
        prop_oneof![4 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(-0.0)];
    let small = prop::option::of(prop_oneof![3 => any::<f32>(), 1 => Just(f32::NEG_INFINITY)]);
    (float, small, any::<u128>(), any::<i128>(), any::<Option<String>>()).prop_map(
        |(float, small, unsigned, signed, text)| Value { id: 0, float, small, unsigned, signed, text },
    )
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_cursor_keeps_every_bit(rows in prop::collection::vec(value(), 0..20)) {
        let store = ready(Store::builder().bucket::<Value>().start()).expect("one bucket");
        let values = store.bucket::<Value>().expect("defined");
        let rows = rows.into_iter().enumerate().map(|(id, value)| Value { id, ..value });
        values.insert_many(rows).expect("no rule is broken");
        for order in [
            Value::FLOAT.asc(), Value::FLOAT.desc(), Value::SMALL.asc(), Value::SMALL.desc(), Value::UNSIGNED.asc(),
            Value::SIGNED.asc(), Value::SIGNED.desc(), Value::TEXT.asc(), Value::TEXT.desc(),
        ] {
            walk(&values, &order);
        }
    }
}

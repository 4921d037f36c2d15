//! Compound indexes: as many fields as there may be, of all kinds, in several orders.

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::duplicated_attributes, reason = "clippy takes fields in two indexes for that")]
#[bucket(index(a, b, c, d, e, f), index(f, a), index(b, id))]
struct Six {
    #[bucket(key)]
    id: u32,
    a: String,
    b: Option<u8>,
    c: bool,
    d: char,
    e: (i8, u64),
    f: Uuid,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Six>().start().await?;
    let sixes = store.bucket::<Six>()?;
    for (id, f) in [(1_u32, Uuid::nil()), (2, Uuid::max())] {
        sixes.insert(Six::draft().id(id).a("x").b(1).c(true).d('q').e((-1, 2)).f(f))?;
    }
    let all = sixes.by_a_and_b_and_c_and_d_and_e_and_f("x", &1, &true, &'q', &(-1, 2), ..);
    assert_eq!(all.iter().map(|six| six.id).collect::<Vec<_>>(), [1, 2]);
    let one = sixes.by_a_and_b_and_c_and_d_and_e_and_f("x", &1, &true, &'q', &(-1, 2), ..=Uuid::nil());
    assert_eq!(one.len(), 1);
    assert_eq!(sixes.by_f_and_a(&Uuid::max(), "x"..="x")[0].id, 2);
    assert_eq!(sixes.by_b_and_id(&1, 2..).len(), 1);
    assert_eq!(Six::schema().indexes[0].fields, [1, 2, 3, 4, 5, 6]);
    Ok(())
}

use noex_store::prelude::*;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct NotABucket {
    id: u64,
}

fn ask(store: &Store) {
    let _ = store.bucket::<NotABucket>();
}

fn main() {}

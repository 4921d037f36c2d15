use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
enum Shape {
    Circle { radius: u32 },
}

fn ask(store: &Store) -> Result<usize, Error> {
    Ok(store.bucket::<Shape>()?.count())
}

fn main() {}

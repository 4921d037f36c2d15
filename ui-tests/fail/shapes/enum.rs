use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
enum Shape {
    Circle { radius: u32 },
    Square { side: u32 },
}

fn main() {}

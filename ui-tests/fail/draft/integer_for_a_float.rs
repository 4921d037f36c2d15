use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Order {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    total: f64,
}

fn insert(orders: &BucketHandle<Order>) {
    let _ = orders.insert(Order::draft().total(5));
}

fn main() {}

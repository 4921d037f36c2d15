use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Order {
    #[bucket(key)]
    id: u64,
    customer: String,
    total: f64,
}

fn insert(orders: &BucketHandle<Order>) {
    let _ = orders.insert(Order::draft().id(1));
}

fn main() {}

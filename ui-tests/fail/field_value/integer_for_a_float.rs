use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Order {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    total: f64,
}

fn ask(orders: &BucketHandle<Order>) {
    let _ = orders.filter(Order::TOTAL.gt(100));
}

fn main() {}

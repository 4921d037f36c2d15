//! Transactions as their users see them: one commit or nothing, own writes seen, conflicts found and retried.

mod common;

use common::start;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    email: String,
    #[bucket(index)]
    age: u8,
    #[bucket(default)]
    logins: u64,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders", index(user, total))]
struct Order {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index)]
    user: u32,
    total: u32,
}

fn shop() -> (Store, BucketHandle<User>, BucketHandle<Order>) {
    let store = start(Store::builder().bucket::<User>().bucket::<Order>());
    let (users, orders) = (store.bucket().expect("defined"), store.bucket().expect("defined"));
    (store, users, orders)
}

fn user(id: u32) -> User {
    User { id, email: format!("{id}@x.y"), age: 20, logins: 0 }
}

#[test]
fn two_buckets_change_in_one_commit() -> Result<(), Error> {
    let (store, users, orders) = shop();
    users.insert(user(1))?;
    let before = store.snapshot().version();
    let order = store.transaction(|tx| {
        let users = tx.bucket::<User>()?;
        let orders = tx.bucket::<Order>()?;
        let user = users.require(&1)?;
        users.update(&user.id, User::patch().age(user.age + 1))?;
        orders.insert(Order::draft().user(user.id).total(99_u32))
    })?;
    assert_eq!(store.snapshot().version().get(), before.get() + 1);
    assert_eq!(users.require(&1)?.age, 21);
    assert_eq!(orders.get(&order.id), Some(order));
    Ok(())
}

#[test]
fn an_async_transaction_can_be_spawned() {
    let (store, users, _) = shop();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let own = store.clone();
        let task = tokio::spawn(async move {
            own.transaction_async(async |tx| {
                let users = tx.bucket::<User>()?;
                users.insert(user(1))?;
                tokio::task::yield_now().await;
                users.update(&1, User::patch().age(3))?;
                Ok::<_, Error>(())
            })
            .await
        });
        task.await.expect("no panic").expect("no conflict");
    });
    assert_eq!(users.require(&1).expect("there").age, 3);
}

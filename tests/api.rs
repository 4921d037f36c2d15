//! The programs of the public API as its users know them: they compile as they stand, and do what their comments say.

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
pub struct User {
    #[bucket(key, generated = "uuid")]
    pub id: Uuid,
    #[bucket(min_length = 1, max_length = 200)]
    pub name: String,
    #[bucket(unique, format = "email")]
    pub email: String,
    #[bucket(index, default = Role::User)]
    pub role: Role,
    #[bucket(index, min = 0, max = 150)]
    pub age: Option<u8>,
    #[bucket(index(each), default)]
    pub tags: Vec<String>,
    #[bucket(pattern = "^[A-Z]{2}$", one_of = ["CZ", "DE", "US"], default = "CZ")]
    pub country: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    Admin,
    User,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders", index(user_id, placed_at))]
pub struct Order {
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    #[bucket(index, references = User)]
    pub user_id: Uuid,
    #[bucket(min = 0.0)]
    pub total: f64,
    #[bucket(generated = "timestamp")]
    pub placed_at: u64,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "30m", max_size = 10_000, evict = "oldest", persistent = false)]
pub struct Session {
    #[bucket(key, generated = "uuid")]
    pub token: Uuid,
    #[bucket(index)]
    pub user_id: Uuid,
}

#[tokio::test]
async fn store_crud_and_filters() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::builder().name("my-app").bucket::<User>().bucket::<Order>().start().await?;
    store.define_bucket::<Session>()?;
    assert!(matches!(
        store.define_bucket::<Session>(),
        Err(Error::BucketAlreadyExists { bucket: "sessions" })
    ));

    let users = store.bucket::<User>()?;
    let alice: Record<User> = users.insert(User::draft().name("Alice").email("alice@example.com"))?;
    assert_eq!(alice.role, Role::User);
    assert_eq!(alice.version(), 1);
    assert_eq!(alice.created_at(), alice.updated_at());
    assert_eq!(alice.expires_at(), None);
    assert_eq!(alice.key(), &alice.id);

    let alice = users.update(&alice.id, User::patch().role(Role::Admin).age(30))?;
    let alice = users.modify(&alice.id, |u| u.tags.push("vip".into()))?;
    assert_eq!((alice.version(), alice.age), (3, Some(30)));
    users.upsert(User::draft().id(alice.id).name("Alice").email("alice@example.com"))?;
    users.insert(User {
        id: Uuid::now_v7(),
        name: "Cy".into(),
        email: "cy@example.com".into(),
        ..(*alice).clone()
    })?;
    users.insert_many(vec![User::draft().name("Bob").email("bob@example.com")])?;

    let one: Option<Record<User>> = users.get(&alice.id);
    assert_eq!(one.expect("Alice is there").age, None, "upsert replaced her as a whole");
    let by_mail: Option<Record<User>> = users.by_email("alice@example.com");
    assert_eq!(by_mail.expect("Alice has this address").id, alice.id);
    let admins: Vec<Record<User>> = users.by_role(&Role::Admin);
    assert_eq!(admins.len(), 1);
    let adults: Vec<Record<User>> = users
        .filter(User::AGE.ge(18).and(User::ROLE.eq(Role::Admin)).and(User::TAGS.contains("vip")))
        .order_by(User::AGE.desc())
        .limit(10)
        .collect();
    assert_eq!(adults[0].name, "Cy");
    println!("{}", users.filter(User::AGE.between(18..65)).explain());
    assert_eq!(users.filter(User::AGE.between(18..65)).explain().index(), Some("age"));
    let first: Option<Record<User>> = users.find_one(User::NAME.starts_with("A"));
    assert_eq!(first.expect("Alice").name, "Alice");
    let n: usize = users.filter(!User::ROLE.eq(Role::Admin)).count();
    assert_eq!(n, 2);
    let orders = store.bucket::<Order>()?;
    for total in [10.5, 20.0, 30.0] {
        orders.insert(Order::draft().user_id(alice.id).total(total))?;
    }
    let revenue: f64 = orders.sum(Order::TOTAL);
    let mean: Option<f64> = orders.filter(Order::USER_ID.eq(alice.id)).avg(Order::TOTAL);
    let (low, high) = (orders.min(Order::TOTAL), orders.max(Order::TOTAL));
    assert_eq!((revenue, mean, low, high), (60.5, Some(60.5 / 3.0), Some(10.5), Some(30.0)));
    let recent = orders.by_user_id_and_placed_at(&alice.id, 0..u64::MAX);
    assert_eq!(recent.iter().map(|order| order.id).collect::<Vec<_>>(), [1, 2, 3]);

    let page = users.paginate(Page::first(20));
    if let Some(cursor) = page.next_cursor {
        let _next = users.paginate(Page::first(20).after(cursor));
    }
    let (a, b, c) = (users.all(), users.first(5), users.last(3));
    assert_eq!((a.len(), b.len(), c.len()), (3, 3, 3));
    let names = a.iter().map(|user| user.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["Alice", "Cy", "Bob"]);

    let removed: Option<Record<User>> = users.delete(&alice.id)?;
    assert_eq!(removed.expect("Alice was there").name, "Alice");
    let cleared: usize = users.clear()?;
    assert_eq!(cleared, 2);
    store.drop_bucket::<Session>()?;
    assert!(matches!(store.bucket::<Session>(), Err(Error::BucketNotDefined { bucket: "sessions" })));
    store.stop().await?;
    assert_eq!(users.delete(&alice.id), Err(Error::Stopped));
    Ok(())
}

#[tokio::test]
async fn snapshots() -> Result<(), Error> {
    let store = Store::builder().bucket::<User>().start().await?;
    let snapshot = store.snapshot();
    store.bucket::<User>()?.insert(User::draft().name("Alice").email("alice@example.com"))?;
    let then = snapshot.bucket::<User>()?.count();
    assert_eq!(then, 0);
    Ok(())
}

#[tokio::test]
async fn transactions_and_snapshots() -> Result<(), Error> {
    let store = Store::builder().bucket::<User>().bucket::<Order>().start().await?;
    let user_id = store.bucket::<User>()?.insert(User::draft().name("Alice").email("alice@example.com"))?.id;

    let order: Record<Order> = store.transaction(|tx| {
        let users = tx.bucket::<User>()?;
        let orders = tx.bucket::<Order>()?;
        let user = users.require(&user_id)?;
        users.update(&user.id, User::patch().age(user.age.unwrap_or(0) + 1))?;
        orders.insert(Order::draft().user_id(user.id).total(99.99))
    })?;
    assert_eq!(store.bucket::<Order>()?.get(&order.id), Some(order));
    assert_eq!(store.bucket::<User>()?.require(&user_id)?.age, Some(1));

    let tx = store.begin();
    tx.bucket::<User>()?.delete(&user_id)?;
    let commit: CommitInfo = tx.commit()?;
    assert_eq!(commit.version, store.snapshot().version());
    store.transaction_with(TxOptions::new().retries(0).isolation(Isolation::Snapshot), |tx| {
        assert_eq!(tx.bucket::<User>()?.get(&user_id), None);
        Ok::<_, Error>(())
    })?;

    let snapshot = store.snapshot();
    let then = snapshot.bucket::<User>()?.count();
    assert_eq!(then, 0);
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ByRole {
    role: Role,
}

#[tokio::test]
async fn reactive_queries() -> Result<(), Error> {
    let store = Store::builder().bucket::<User>().start().await?;
    let users = store.bucket::<User>()?;

    let by_role = store.define_query("users-by-role", |ctx: &QueryCtx<'_>, p: &ByRole| {
        Ok(ctx.bucket::<User>()?.by_role(&p.role))
    })?;
    let admins = by_role.run(&ByRole { role: Role::Admin })?;
    assert!(admins.is_empty());

    let mut live = by_role.subscribe(ByRole { role: Role::Admin })?;
    let update = live.next().await.expect("open")?;
    println!("{} admins at commit {}", update.value.len(), update.version);
    let guard = by_role.on_change(ByRole { role: Role::User }, |users| println!("{}", users.len()))?;
    users.insert(User::draft().name("Alice").email("alice@example.com").role(Role::Admin))?;
    store.settle().await;
    assert_eq!(live.next().await.expect("open")?.value[0].name, "Alice");
    let stats = by_role.stats();
    assert_eq!(stats.subscriptions, 2);
    drop(guard);

    let total = store.define_query("admin-count", move |ctx: &QueryCtx<'_>, _: &()| {
        Ok(ctx.query(&by_role, &ByRole { role: Role::Admin })?.len())
    })?;
    assert_eq!(*total.run(&())?, 1);
    let again: Query<(), usize> = store.query("admin-count")?;
    assert_eq!(*again.run(&())?, 1);
    assert!(matches!(
        store.define_query("admin-count", |_: &QueryCtx<'_>, (): &()| Ok(())),
        Err(Error::QueryAlreadyDefined { .. })
    ));
    Ok(())
}

struct Rules(std::sync::Mutex<Vec<(String, serde_json::Value)>>);

impl EventReceiver for Rules {
    async fn emit(&self, topic: &str, data: serde_json::Value) -> Result<(), ReceiverError> {
        self.0.lock().expect("no panic").push((topic.to_owned(), data));
        Ok(())
    }
}

#[tokio::test]
async fn events_and_changes() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::builder().bucket::<User>().start().await?;
    let users = store.bucket::<User>()?;
    let (tell, told) = std::sync::mpsc::channel();
    let sub = store.on("bucket.*.deleted", move |event: &Event| {
        let _ = tell.send(format!("{} {}", event.topic(), event.key()));
    })?;
    let mut events = store.events("bucket.users.*")?;
    let mut changes = users.changes();
    let alice = users.insert(User::draft().name("Alice").email("alice@example.com"))?;
    users.delete(&alice.id)?;

    let event = events.next().await.expect("open")?;
    assert_eq!(event.record::<User>().map(|user| user.name.as_str()), Some("Alice"));
    assert_eq!(event.to_json()["record"]["name"], "Alice");
    assert!(matches!(changes.next().await.expect("open")?, Change::Inserted(user) if user == alice));
    let Change::Deleted { record, reason } = changes.next().await.expect("open")? else { panic!("deleted") };
    assert_eq!((record.id, reason), (alice.id, Reason::Deleted));
    store.settle().await;
    assert_eq!(told.try_recv()?, format!("bucket.users.deleted {}", alice.id));
    drop(sub);
    Ok(())
}

#[tokio::test]
async fn bridge_and_statistics() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::builder()
        .bucket::<User>()
        .bucket::<Order>()
        .ttl_check_interval(Duration::from_secs(5))
        .start()
        .await?;
    let purged: usize = store.purge_ttl();
    let stats: StoreStats = store.stats();
    assert_eq!((purged, stats.records.total, stats.ttl.check_interval_ms), (0, 0, 5000));

    let receiver = std::sync::Arc::new(Rules(std::sync::Mutex::default()));
    let bridge = bridge_to_rules(
        &store,
        receiver.clone(),
        BridgeOptions::new()
            .filter(|e| e.bucket() == "orders")
            .map_topic(|topic, _| topic.replace('.', ":"))
            .map_data(|e| serde_json::json!({ "key": e.key() })),
    )?;
    let user = store.bucket::<User>()?.insert(User::draft().name("Al").email("al@example.com"))?;
    store.bucket::<Order>()?.insert(Order::draft().user_id(user.id).total(1.0))?;
    store.settle().await;
    let sent = std::mem::take(&mut *receiver.0.lock().expect("no panic"));
    assert_eq!(sent, [("bucket:orders:inserted".to_owned(), serde_json::json!({ "key": "1" }))]);
    assert_eq!(bridge.stats().filtered, 1);
    Ok(())
}

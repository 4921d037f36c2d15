//! This store.

use noex_store::prelude::*;

use crate::common::users::User;
use crate::work::{HIGH, PAGE, Peer, RANGE};

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "orders")]
struct Order {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    user: Uuid,
    total: f64,
}

pub struct Noex {
    store: Store,
    users: BucketHandle<User>,
    middle: Cursor,
}

impl Noex {
    pub fn new(all: &[User]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let store =
            runtime.block_on(Store::builder().bucket::<User>().bucket::<Order>().start()).expect("starts");
        let users: BucketHandle<User> = store.bucket().expect("defined");
        users.insert_many(all.iter().cloned()).expect("new");
        let middle = users.order_by(User::CITY.asc()).paginate(Page::first(all.len() / 2));
        Self { store, users, middle: middle.next_cursor.expect("there is more") }
    }
}

impl Peer for Noex {
    fn name(&self) -> &'static str {
        "noex-store"
    }

    fn insert(&mut self, user: &User) {
        self.users.insert(user.clone()).expect("new");
    }

    fn insert_together(&mut self, users: &[User]) {
        self.users.insert_many(users.iter().cloned()).expect("new");
    }

    fn get(&self, id: &Uuid) -> usize {
        self.users.get(id).map_or(0, |user| user.name.len())
    }

    fn by_email(&self, email: &str) -> Option<usize> {
        Some(self.users.by_email(email).map_or(0, |user| user.name.len()))
    }

    fn by_city(&self, city: u32) -> Option<usize> {
        Some(self.users.by_city(&city).iter().filter(|user| user.city == city).count())
    }

    fn range(&self, from: u32) -> Option<usize> {
        let found = self.users.filter(User::CITY.ge(from)).order_by(User::CITY.asc()).limit(RANGE).collect();
        Some(found.iter().filter(|user| user.city >= from).count())
    }

    fn filter(&self) -> Option<usize> {
        Some(
            self.users
                .filter(User::SCORE.ge(HIGH))
                .collect()
                .iter()
                .filter(|user| user.score >= HIGH)
                .count(),
        )
    }

    fn page(&self) -> Option<usize> {
        let page = Page::first(PAGE).after(self.middle.clone());
        let page = self.users.order_by(User::CITY.asc()).paginate(page).expect("its own cursor");
        Some(page.records.iter().filter(|user| !user.name.is_empty()).count())
    }

    fn update(&mut self, id: &Uuid, score: f64) {
        self.users.update(id, User::patch().score(score)).expect("there");
    }

    fn delete(&mut self, id: &Uuid) {
        self.users.delete(id).expect("not stopped");
    }

    fn transaction(&mut self, id: &Uuid, total: f64) -> Option<()> {
        let done = self.store.transaction(|tx| {
            let (users, orders) = (tx.bucket::<User>()?, tx.bucket::<Order>()?);
            let user = users.require(id)?;
            users.update(id, User::patch().score((user.score + total) % 900.0))?;
            orders.insert(Order::draft().user(*id).total(total))
        });
        done.map(drop).ok()
    }

    fn groups(&self) -> Option<usize> {
        let groups = self.users.group_by(User::ROLE).summary(User::SCORE);
        Some(groups.values().filter(|role| role.avg.is_some()).map(|role| role.count).sum())
    }
}

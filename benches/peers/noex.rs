//! This store.

use std::path::Path;
use std::time::Instant;

use noex_store::prelude::*;

use crate::common::users::User;
use crate::common::{nanos, spin};
use crate::work::{HIGH, Operations, PAGE, RANGE, Round, beside};

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
    one_user: Query<Uuid, Option<Record<User>>>,
    users: BucketHandle<User>,
    middle: Cursor,
}

impl Noex {
    pub fn new(all: &[User]) -> Self {
        let store = start(builder());
        let one_user = |ctx: &QueryCtx<'_>, id: &Uuid| Ok(ctx.bucket::<User>()?.get(id));
        let one_user = store.define_query("one user", one_user).expect("new");
        let users: BucketHandle<User> = store.bucket().expect("defined");
        users.insert_many(all.iter().cloned()).expect("new");
        let middle = users.order_by(User::CITY.asc()).paginate(Page::first(all.len() / 2));
        Self { store, one_user, users, middle: middle.next_cursor.expect("there is more") }
    }
}

fn builder() -> StoreBuilder {
    Store::builder().bucket::<User>().bucket::<Order>()
}

fn start(builder: StoreBuilder) -> Store {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(builder.start()).expect("starts")
}

fn groups(users: &BucketHandle<User>) -> usize {
    let groups = users.group_by(User::ROLE).summary(User::SCORE);
    groups.values().filter(|role| role.avg.is_some()).map(|role| role.count).sum()
}

/// Keeps users in a folder; then starts from it, and counts them.
pub fn reopened(all: &[User], folder: &Path) -> Box<dyn FnMut() -> f64> {
    let persistence = {
        let folder = folder.to_owned();
        move || Persistence::new(FileAdapter::open(&folder).expect("opens"))
    };
    let store = start(builder().persistence(persistence()));
    store.bucket::<User>().expect("defined").insert_many(all.iter().cloned()).expect("new");
    spin(store.stop()).expect("stops");
    let count = all.len();
    Box::new(move || {
        let begin = Instant::now();
        let store = start(builder().persistence(persistence()));
        assert_eq!(groups(&store.bucket::<User>().expect("defined")), count);
        let spent = nanos(begin.elapsed(), 1);
        spin(store.stop()).expect("stops");
        spent
    })
}

impl Operations for Noex {
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

    fn update(&self, id: &Uuid, score: f64) {
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
        Some(groups(&self.users))
    }

    fn beside(&mut self, round: &Round<'_>, times: usize) -> Option<Vec<f64>> {
        Some(beside(round, times, |id| self.get(id), |id, score| self.update(id, score)))
    }

    fn subscribed(&mut self, round: &Round<'_>, times: usize, subscriptions: usize) -> Option<f64> {
        let id =
            |n: usize| round.users.get(n).map_or_else(|| Uuid::from_u64_pair(7, n as u64), |user| user.id);
        let subscribe = |n| self.one_user.subscribe(id(n)).expect("subscribes");
        let mut subscriptions: Vec<_> = (0..subscriptions).map(subscribe).collect();
        subscriptions.iter_mut().for_each(|one| drop(one.try_next()));
        spin(self.store.settle());
        let begin = Instant::now();
        for n in 0..times {
            let score = (1_000 + round.number * times + n) as f64;
            self.update(&id(0), score);
            let update = spin(subscriptions[0].next()).expect("open").expect("no fault");
            assert!(update.value.iter().all(|user| user.score == score), "the new one");
        }
        Some(nanos(begin.elapsed(), times))
    }
}

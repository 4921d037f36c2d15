//! Threads that write and read at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "accounts", index(branch, amount))]
pub struct Account {
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    #[bucket(unique)]
    pub code: Option<String>,
    #[bucket(index)]
    pub branch: u8,
    #[bucket(index)]
    pub amount: i64,
    #[bucket(generated = "autoincrement")]
    pub number: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "marks")]
pub struct Mark {
    #[bucket(key)]
    pub id: u64,
    pub step: u64,
}

const THREADS: u64 = 4;

fn account(branch: u8, amount: i64) -> impl noex_store::Insertable<Account> {
    Account::draft().branch(branch).amount(amount)
}

async fn store(log: usize) -> Store {
    let builder = Store::builder().bucket::<Account>().bucket::<Mark>().commit_log_capacity(log);
    builder.start().await.expect("two buckets of two names")
}

/// Sets a flag when it is dropped, so that the readers end also when a writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs `write` in this thread, and `read` again and again in `readers` others until it is done, and once more after.
fn beside(readers: usize, write: impl FnOnce(), read: impl Fn() + Sync) {
    let done = AtomicBool::new(false);
    let start = Barrier::new(readers + 1);
    thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| {
                start.wait();
                while !done.load(Ordering::Acquire) {
                    read();
                }
                read();
            });
        }
        start.wait();
        let _done = Done(&done);
        write();
    });
}

#[tokio::test]
async fn a_batch_is_seen_whole_or_not_at_all() {
    const BATCH: usize = 20;
    let store = store(4096).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let write = || {
        for round in 0..150_i64 {
            accounts.insert_many((0..BATCH).map(|_| account(1, round))).expect("no rule is broken");
            accounts
                .update_where(Account::BRANCH.eq(1), Account::patch().amount(round + 1))
                .expect("the same");
            if round % 10 == 9 {
                accounts.delete_where(Account::BRANCH.eq(1)).expect("the same");
            }
        }
    };
    beside(2, write, || {
        // Also on the handle: each question is asked of one commit.
        assert_eq!(accounts.all().len() % BATCH, 0);
        let counts = accounts.group_by(Account::AMOUNT).count();
        assert!(counts.len() <= 2, "at most the new batch differs: {counts:?}");
        let snapshot = store.snapshot();
        let accounts = snapshot.bucket::<Account>().expect("defined");
        let all = accounts.all();
        assert_eq!((all.len() % BATCH, all.len()), (0, accounts.count()));
        let amounts: BTreeSet<i64> = all.iter().map(|account| account.amount).collect();
        // After the insert of a batch and before the update of all there are two amounts, else one.
        assert!(amounts.len() <= 2);
        for amount in amounts {
            let expected: Vec<u64> =
                all.iter().filter(|account| account.amount == amount).map(|account| account.id).collect();
            assert_eq!(expected.len() % BATCH, 0);
            let by_index: Vec<u64> = accounts.by_amount(&amount).iter().map(|account| account.id).collect();
            assert_eq!(by_index, expected);
        }
        for account in all.iter().step_by(7) {
            assert_eq!(accounts.get(&account.id).as_ref(), Some(account));
        }
    });
}

#[tokio::test]
async fn a_write_that_fails_is_never_seen() {
    let store = store(4096).await;
    let accounts = store.bucket::<Account>().expect("defined");
    accounts.insert(Account::draft().id(1).branch(0).amount(0).code("taken")).expect("empty");
    // The first rows of a batch are good, and have their place already when the last one is refused.
    let batch = |round: u64| {
        let bad = (0..8).map(move |row| {
            Account::draft().id(1_000_000 + row).branch(9).amount(-1).code(format!("bad{row}"))
        });
        bad.chain([Account::draft().id(2_000_000 + round).branch(9).amount(-1).code("taken")])
    };
    let write = || {
        for round in 0..1500 {
            let refused = accounts.insert_many(batch(round));
            assert!(matches!(refused, Err(Error::Batch { row: 8, .. })), "{refused:?}");
            accounts.insert(Account::draft().id(10 + round).branch(0).amount(0)).expect("the id is free");
            if round % 3 == 0 {
                accounts.delete(&(10 + round / 2)).expect("defined");
            }
        }
    };
    beside(2, write, || {
        let snapshot = store.snapshot();
        let reads = snapshot.bucket::<Account>().expect("defined");
        for row in 0..8 {
            assert_eq!(accounts.get(&(1_000_000 + row)), None);
            assert_eq!(reads.get(&(1_000_000 + row)), None);
            assert_eq!(accounts.by_code(format!("bad{row}").as_str()), None);
            assert_eq!(reads.by_code(format!("bad{row}").as_str()), None);
        }
        assert_eq!(accounts.by_branch(&9), []);
        assert!(accounts.all().iter().all(|account| account.amount == 0));
        // The keys lead to all that is there.
        for account in reads.all() {
            assert_eq!(reads.get(&account.id).as_ref(), Some(&account));
        }
    });
}

#[tokio::test]
async fn buckets_are_seen_at_one_commit() {
    let store = store(4096).await;
    let (accounts, marks) =
        (store.bucket::<Account>().expect("defined"), store.bucket::<Mark>().expect("defined"));
    accounts.insert(account(0, 0)).expect("empty");
    marks.insert(Mark { id: 1, step: 0 }).expect("empty");
    // The account is always written first, so no snapshot may have the mark ahead of it.
    let write = || {
        for step in 1..3000 {
            accounts.update(&1, Account::patch().amount(step as i64)).expect("there");
            marks.update(&1, Mark::patch().step(step)).expect("there");
        }
    };
    beside(2, write, || {
        let snapshot = store.snapshot();
        // The bucket that is written last is read first, from the same root.
        let step = snapshot.bucket::<Mark>().expect("defined").require(&1).expect("there").step as i64;
        let amount = snapshot.bucket::<Account>().expect("defined").require(&1).expect("there").amount;
        assert!(amount == step || amount == step + 1, "{amount} and {step}");
    });
}

#[tokio::test]
async fn versions_only_grow() {
    let store = store(4096).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let write = || {
        for amount in 0..4000 {
            accounts.insert(account(0, amount)).expect("no rule is broken");
        }
    };
    // Over all readers: one that starts after another has seen a version sees at least that.
    let latest = AtomicU64::new(0);
    beside(2, write, || {
        let before = latest.load(Ordering::SeqCst);
        let log = store.commits().latest().get();
        let snapshot = store.snapshot();
        let (version, count) =
            (snapshot.version().get(), snapshot.bucket::<Account>().expect("defined").count());
        assert!(before <= version);
        assert_eq!(version, 2 + count as u64, "two definitions, then one commit an insert");
        // The log is written first, but never more than one commit ahead of the root.
        assert!(log <= version + 1);
        assert!(version <= store.commits().latest().get());
        latest.fetch_max(version, Ordering::SeqCst);
    });
    assert_eq!(latest.into_inner(), 4002);
}

#[tokio::test]
async fn the_log_leads_to_the_final_state() {
    let store = store(1 << 20).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let base = store.snapshot().version().get();
    let mut commits = store.commits().after(store.snapshot().version());
    let done = AtomicBool::new(false);
    let follow = || {
        let mut version = base;
        let mut state: BTreeMap<u64, Account> = BTreeMap::new();
        loop {
            // Read before the log, so that nothing is left when it was set.
            let last = done.load(Ordering::Acquire);
            while let Some(commit) = commits.try_next().expect("the log is long enough") {
                version += 1;
                assert_eq!(commit.version().get(), version, "each once, in order");
                for change in commit.changes::<Account>() {
                    let id = change.old().or(change.new()).expect("one of them").id;
                    let before = match change.new() {
                        Some(new) => state.insert(id, new.value().clone()),
                        None => state.remove(&id),
                    };
                    assert_eq!(before.as_ref(), change.old().map(|old| old.value()));
                }
            }
            if last {
                return (version, state);
            }
        }
    };
    let (version, state) = thread::scope(|scope| {
        let reader = scope.spawn(follow);
        let done = Done(&done);
        let writers: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn({
                    let accounts = &accounts;
                    move || {
                        for step in 0..400_u64 {
                            // The threads meet at the same ids and codes: some writes are refused.
                            let id = (step * 7 + number) % 50 + 1;
                            let code = format!("c{}", step % 30);
                            let _ = match step % 6 {
                                0 => accounts
                                    .insert(Account::draft().branch(1).amount(0).code(code))
                                    .map(|_| ()),
                                1 => accounts
                                    .upsert(Account::draft().id(id).branch(2).amount(step as i64))
                                    .map(|_| ()),
                                2 => accounts.update(&id, Account::patch().code(code)).map(|_| ()),
                                3 => accounts.modify(&id, |account| account.amount += 1).map(|_| ()),
                                4 => accounts
                                    .update_where(Account::BRANCH.eq(1), Account::patch().amount(step as i64))
                                    .map(|_| ()),
                                _ => accounts.delete(&id).map(|_| ()),
                            };
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no writer panics");
        }
        drop(done);
        reader.join().expect("the log is right")
    });
    let snapshot = store.snapshot();
    assert_eq!(version, snapshot.version().get());
    let all = snapshot.bucket::<Account>().expect("defined").all();
    assert_eq!(
        all.iter().map(|account| (account.id, account.value().clone())).collect::<BTreeMap<_, _>>(),
        state
    );
    let codes: Vec<&String> = all.iter().filter_map(|account| account.code.as_ref()).collect();
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len(), "a code is unique");
}

#[tokio::test]
async fn a_log_that_is_too_short_says_what_was_missed() {
    let store = store(16).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let mut commits = store.commits().after(store.snapshot().version());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for amount in 0..3000 {
                accounts.insert(account(0, amount)).expect("no rule is broken");
            }
        });
        let mut version = 2;
        loop {
            let last = done.load(Ordering::Acquire);
            loop {
                match commits.try_next() {
                    Ok(None) => break,
                    Ok(Some(commit)) => {
                        version += 1;
                        assert_eq!(commit.version().get(), version);
                    }
                    Err(missed) => {
                        assert!(missed > 0);
                        version += missed;
                    }
                }
            }
            if last {
                break;
            }
            // Falls behind now and then.
            thread::sleep(std::time::Duration::from_micros(300));
        }
        assert_eq!(version, 3002, "seen or counted as missed");
    });
}

#[tokio::test]
async fn automatic_numbers_never_repeat() {
    let store = store(4096).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let insert = || {
        let mut given = Vec::new();
        for round in 0..100 {
            given.push(accounts.insert(account(0, round)).expect("numbers do not collide"));
            given.extend(accounts.insert_many((0..5).map(|_| account(0, round))).expect("the same"));
            if round % 10 == 0 {
                accounts.clear().expect("defined");
            }
        }
        given.iter().map(|account| (account.id, account.number)).collect::<Vec<_>>()
    };
    let given: Vec<(u64, u32)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(insert)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no writer panics")).collect()
    });
    assert_eq!(given.len(), THREADS as usize * 600);
    assert_eq!(given.iter().map(|(id, _)| id).collect::<HashSet<_>>().len(), given.len());
    assert_eq!(given.iter().map(|(_, number)| number).collect::<HashSet<_>>().len(), given.len());
}

#[tokio::test]
async fn no_update_is_lost() {
    const ROUNDS: usize = 500;
    let store = store(4096).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let shared = accounts.insert_many([account(0, 0), account(0, 0)]).expect("no rule is broken");
    let increment = || {
        for round in 0..ROUNDS {
            let id = shared[round % 2].id;
            accounts.modify(&id, |account| account.amount += 1).expect("it is there");
            if round % 50 == 0 {
                // A patch of another field, in one commit with others, takes nothing back.
                let patch = Account::patch().branch(round as u8);
                accounts
                    .update_where(Account::ID.is_in([shared[0].id, shared[1].id]), patch)
                    .expect("the same");
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(increment);
        }
    });
    assert_eq!(accounts.sum(Account::AMOUNT), THREADS as i128 * ROUNDS as i128);
    let versions: u64 = accounts.all().iter().map(|account| account.version()).sum();
    // One version a change: all increments, and the patches of both records.
    assert_eq!(versions, 2 + THREADS * (ROUNDS as u64 + 2 * (ROUNDS as u64 / 50)));
}

#[tokio::test]
async fn only_one_of_many_gets_a_unique_value() {
    let store = store(4096).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let take = || {
        let taken = (0..200).filter(|number| {
            let draft = Account::draft().branch(0).amount(0).code(format!("c{number}"));
            match accounts.insert(draft) {
                Ok(_) => true,
                Err(Error::UniqueConstraint { field: "code", .. }) => false,
                Err(error) => panic!("{error}"),
            }
        });
        taken.count()
    };
    let taken: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no writer panics")).sum()
    });
    assert_eq!((taken, accounts.count()), (200, 200));
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "numbered")]
struct Numbered {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(unique, generated = "autoincrement")]
    code: u64,
}

#[tokio::test]
async fn handles_live_through_a_drop_and_a_new_definition() {
    let store = store(1 << 16).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let marks = store.bucket::<Mark>().expect("defined");
    marks.insert(Mark { id: 1, step: 0 }).expect("empty");
    let again_and_again = || {
        for _ in 0..300 {
            store.drop_bucket::<Account>().expect("only this thread drops");
            assert!(store.bucket::<Account>().is_err());
            thread::yield_now();
            store.define_bucket::<Account>().expect("only this thread defines");
            // A handle of before is right again.
            accounts.insert(account(9, 9)).expect("numbers of the dropped bucket are not brought along");
        }
    };
    beside(3, again_and_again, || {
        let absent = |error: &Error| {
            matches!(error, Error::BucketNotDefined { bucket: "accounts" } | Error::NotFound { .. })
        };
        let fine = |done: Result<(), Error>| assert!(done.as_ref().err().is_none_or(absent), "{done:?}");
        fine(accounts.insert(account(1, 1)).map(|_| ()));
        fine(accounts.update(&1, Account::patch().amount(5)).map(|_| ()));
        fine(accounts.modify(&1, |account| account.amount += 1).map(|_| ()));
        fine(accounts.delete(&2).map(|_| ()));
        let found = accounts.filter(Account::AMOUNT.ge(0)).order_by(Account::AMOUNT.desc()).collect();
        assert!(found.is_sorted_by(|a, b| a.amount >= b.amount));
        let page = accounts.paginate(Page::first(2));
        assert!(page.records.len() <= 2);
        // The other bucket does not notice.
        assert_eq!(marks.count(), 1);
        // A snapshot has the bucket as it was, or not at all.
        let snapshot = store.snapshot();
        if let Ok(accounts) = snapshot.bucket::<Account>() {
            let count = accounts.count();
            thread::yield_now();
            assert_eq!((accounts.count(), accounts.all().len()), (count, count));
        }
    });
    assert!(accounts.count() > 0);
}

#[tokio::test]
async fn a_stop_ends_writes_and_not_reads() {
    let store = store(4096).await;
    let accounts = store.bucket::<Account>().expect("defined");
    let done: Vec<usize> = thread::scope(|scope| {
        let insert = || {
            let mut done = 0;
            loop {
                match accounts.insert(account(0, 0)) {
                    Ok(_) => done += 1,
                    Err(Error::Stopped) => return done,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(insert)).collect();
        thread::sleep(std::time::Duration::from_millis(20));
        let stop = store.clone();
        // `stop` has nothing to wait for yet: one poll ends it.
        let mut stopping = std::pin::pin!(stop.stop());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(stopping.as_mut().poll(&mut context).is_ready());
        threads.into_iter().map(|thread| thread.join().expect("no writer panics")).collect()
    });
    assert_eq!(
        accounts.count(),
        done.iter().sum::<usize>(),
        "what was told to be done is there, and nothing else"
    );
}

#[tokio::test]
async fn a_number_that_is_given_by_hand_is_never_met_by_one_that_is_drawn() {
    let store = store(1 << 16).await;
    let marks = store.define_bucket::<Numbered>().expect("new");
    let drawn = std::sync::atomic::AtomicUsize::new(0);
    beside(
        2,
        || {
            for id in 1..2000_u64 {
                // Just where the counter is, and beside it.
                let given = marks.insert(Numbered { id: marks.count() as u64 + id % 3, code: 1 << 40 | id });
                let refused = |error: &Error| {
                    matches!(error, Error::DuplicateKey { .. } | Error::UniqueConstraint { .. })
                };
                assert!(given.as_ref().err().is_none_or(refused), "{given:?}");
            }
        },
        || {
            marks.insert(Numbered::draft()).expect("a free number");
            marks.insert_many((0..3).map(|_| Numbered::draft())).expect("free numbers");
            drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        },
    );
    assert!(drawn.into_inner() > 0);
}

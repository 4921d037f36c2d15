//! Fields that are unique together: `unique(team, email)` on the struct.

mod common;

use common::{start, store_of};
use noex_store::prelude::*;
use noex_store::{AccessPath, Hashing};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "members", unique(team, email))]
struct Member {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    team: u8,
    email: Option<String>,
    #[bucket(default)]
    logins: u32,
}

fn member(id: u32, team: u8, email: &str) -> Member {
    Member { id, team, email: Some(email.to_owned()), logins: 0 }
}

fn taken(team: u8, email: &str) -> Error {
    Error::UniqueConstraint { bucket: "members", field: "team, email", value: format!("({team}, {email:?})") }
}

/// Waits for a future.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn id(found: Option<Record<Member>>) -> Option<u32> {
    found.map(|member| member.id)
}

#[test]
fn only_all_of_them_together_collide() -> Result<(), Error> {
    let (_store, members) = store_of::<Member>();
    members.insert(member(1, 1, "a"))?;
    members.insert(member(2, 1, "b"))?;
    members.insert(member(3, 2, "a"))?;
    let error = members.insert(member(4, 1, "a")).expect_err("taken");
    assert_eq!(error, taken(1, "a"));
    assert_eq!(
        error.to_string(),
        "bucket `members`: another record has (1, \"a\") in the fields `team` and `email`, which are unique together"
    );
    assert_eq!(members.update(&3, Member::patch().team(1)), Err(taken(1, "a")));
    assert_eq!(members.upsert(member(2, 1, "a")), Err(taken(1, "a")));
    // What stays is its own.
    members.upsert(Member { logins: 1, ..member(2, 1, "b") })?;
    members.update(&2, Member::patch().team(1).logins(2))?;
    // A value that is given up is free, and the new one is not.
    members.update(&1, Member::patch().team(9))?;
    members.insert(member(4, 1, "a"))?;
    assert_eq!(members.insert(member(5, 9, "a")), Err(taken(9, "a")));
    members.delete(&1)?;
    members.insert(member(5, 9, "a"))?;
    let all: Vec<_> = members.all().iter().map(|member| (member.id, member.team)).collect();
    assert_eq!(all, [(2, 1), (3, 2), (4, 1), (5, 9)]);
    Ok(())
}

#[test]
fn a_record_without_one_of_the_values_collides_with_nothing() -> Result<(), Error> {
    let (_store, members) = store_of::<Member>();
    let nobody = |id| Member { email: None, ..member(id, 1, "") };
    members.insert_many([nobody(1), nobody(2)])?;
    members.insert(nobody(3))?;
    members.insert(member(4, 1, "a"))?;
    members.update(&4, Member::patch().clear_email())?;
    members.update(&3, Member::patch().email("a"))?;
    assert_eq!(members.update(&2, Member::patch().email("a")), Err(taken(1, "a")));
    assert_eq!(id(members.by_team_and_email(&1, "a")), Some(3));
    Ok(())
}

#[test]
fn a_batch_is_refused_as_a_whole() -> Result<(), Error> {
    // Into an empty bucket, where indexes are built at once, small and large; and into one that has records.
    for before in [0, 1] {
        for size in [3, 6_000] {
            let (_store, members) = store_of::<Member>();
            members.insert_many((0..before).map(|id| member(id, 200, "first")))?;
            let mut batch: Vec<Member> =
                (1..size).map(|id| member(1_000 + id, (id % 100) as u8, &(id / 100).to_string())).collect();
            batch.push(member(9, 1, "0"));
            let error = members.insert_many(batch.clone()).expect_err("taken");
            let Error::Batch { row, error } = error else { panic!("{error}") };
            assert_eq!((row, *error), (batch.len() - 1, taken(1, "0")));
            assert_eq!(members.count(), before as usize);
            batch.pop();
            members.insert_many(batch)?;
            assert_eq!(members.insert(member(9, 1, "0")), Err(taken(1, "0")));
            assert_eq!(id(members.by_team_and_email(&1, "0")), Some(1_001));
        }
    }
    Ok(())
}

#[test]
fn records_are_found_by_all_of_the_values_in_every_snapshot() -> Result<(), Error> {
    for hashing in [Hashing::Fast, Hashing::HostileInput] {
        let store = start(Store::builder().hashing(hashing).bucket::<Member>());
        let members = store.bucket::<Member>()?;
        members.insert(member(1, 1, "a"))?;
        let before = store.snapshot();
        members.update(&1, Member::patch().team(2))?;
        members.insert(member(2, 1, "a"))?;
        let old = before.bucket::<Member>()?;
        assert_eq!(id(old.by_team_and_email(&1, "a")), Some(1));
        assert_eq!(id(old.by_team_and_email(&2, "a")), None);
        assert_eq!(id(members.by_team_and_email(&1, &"a".to_owned())), Some(2));
        assert_eq!(id(members.by_team_and_email(&2, "a")), Some(1));
        assert_eq!(id(members.by_team_and_email(&2, "")), None);
    }
    Ok(())
}

#[test]
fn the_planner_uses_them_where_all_are_given() -> Result<(), Error> {
    let (_store, members) = store_of::<Member>();
    let everyone: Vec<Member> = (0..1_000).map(|id| member(id, (id % 10) as u8, &format!("m{id}"))).collect();
    members.insert_many(everyone.iter().cloned())?;
    let unique = AccessPath::Unique("team, email");
    let email = |text: &str| Member::EMAIL.eq(text);
    let teams = Member::TEAM.is_in([1_u8, 2, 3]);
    let emails = Member::EMAIL.is_in(["m1", "m2", "m21", "m30", "none"]);
    let cases = [
        (Member::TEAM.eq(7).and(email("m17")), Some(&unique), None, vec![17]),
        (email("m17").and(Member::TEAM.eq(7)), Some(&unique), None, vec![17]),
        (Member::TEAM.eq(6).and(email("m17")), Some(&unique), None, vec![]),
        (teams.and(emails), Some(&unique), None, vec![1, 2, 21]),
        (
            Member::TEAM.eq(7).and(Member::LOGINS.gt(0)).and(email("m17")),
            Some(&unique),
            Some("logins > 0"),
            vec![],
        ),
        // One of them is not enough, nor is the lack of a value.
        (email("m17"), None, Some("email = \"m17\""), vec![17]),
        (Member::TEAM.eq(7).and(Member::EMAIL.is_none()), None, None, vec![]),
    ];
    for (filter, access, residual, found) in cases {
        let select = members.filter(filter);
        let plan = select.explain();
        match access {
            Some(access) => {
                assert_eq!(plan.access, *access);
                assert_eq!(plan.residual.as_deref(), residual);
            }
            None => assert_ne!(plan.access, unique),
        }
        let ids: Vec<u32> = select.collect().iter().map(|member| member.id).collect();
        assert_eq!((ids, select.count()), (found.clone(), found.len()));
    }
    // More combinations than are looked up one by one.
    let many = Member::TEAM.is_in(0..10_u8).and(Member::EMAIL.is_in((0..100).map(|id| format!("m{id}"))));
    let select = members.filter(many);
    assert_ne!(select.explain().access, unique);
    assert_eq!(select.count(), 100);
    assert_eq!(
        members.filter(Member::TEAM.eq(7).and(email("m17"))).explain().to_string().lines().next(),
        Some("members: unique `team, email`, 1 entry of 1000 records")
    );
    Ok(())
}

#[test]
fn a_transaction_sees_what_it_wrote() -> Result<(), Error> {
    let (store, members) = store_of::<Member>();
    members.insert(member(1, 1, "a"))?;
    store.transaction(|tx| {
        let own = tx.bucket::<Member>()?;
        assert_eq!(own.insert(member(2, 1, "a")), Err(taken(1, "a")));
        own.update(&1, Member::patch().team(2))?;
        own.insert(member(2, 1, "a"))?;
        assert_eq!(
            (id(own.by_team_and_email(&1, "a")), id(own.by_team_and_email(&2, "a"))),
            (Some(2), Some(1))
        );
        assert_eq!(own.insert(member(3, 2, "a")), Err(taken(2, "a")));
        // They change places.
        own.update(&2, Member::patch().team(3))?;
        own.update(&1, Member::patch().team(1))?;
        own.update(&2, Member::patch().team(2))?;
        Ok::<_, Error>(())
    })?;
    assert_eq!(
        (id(members.by_team_and_email(&1, "a")), id(members.by_team_and_email(&2, "a"))),
        (Some(1), Some(2))
    );
    Ok(())
}

#[test]
fn two_transactions_cannot_both_take_the_same_values() -> Result<(), Error> {
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let (store, members) = store_of::<Member>();
        let (one, other) = (store.begin_with(isolation), store.begin_with(isolation));
        one.bucket::<Member>()?.insert(member(1, 1, "a"))?;
        other.bucket::<Member>()?.insert(member(2, 1, "a"))?;
        one.commit()?;
        let Err(Error::TransactionConflict { bucket, field, .. }) = other.commit() else {
            panic!("a conflict")
        };
        assert_eq!((bucket, field), ("members", Some("team, email")));
        assert_eq!(members.count(), 1);
    }
    Ok(())
}

#[test]
fn a_miss_is_a_read() -> Result<(), Error> {
    let (store, members) = store_of::<Member>();
    let look = |change: &dyn Fn() -> Result<(), Error>| -> Result<_, Error> {
        let tx = store.begin();
        let own = tx.bucket::<Member>()?;
        assert!(own.by_team_and_email(&1, "a").is_none());
        own.insert(member(100, 100, "own"))?;
        change()?;
        let done = tx.commit();
        members.clear()?;
        Ok(done.map(drop))
    };
    // The same team, or the same address: nothing to do with it.
    let beside = || members.insert_many([member(1, 1, "b"), member(2, 2, "a")]).map(drop);
    assert_eq!(look(&beside)?, Ok(()));
    let there = || members.insert(member(1, 1, "a")).map(drop);
    let Err(Error::TransactionConflict { key, field, .. }) = look(&there)? else { panic!("a conflict") };
    assert_eq!((key.as_str(), field), ("1", Some("team, email")));
    Ok(())
}

#[test]
fn a_live_query_is_run_again_only_for_the_values_that_it_asked_for() -> Result<(), Error> {
    let (store, members) = store_of::<Member>();
    let query = store.define_query("member", |ctx: &QueryCtx<'_>, (team, email): &(u8, String)| {
        Ok(ctx.bucket::<Member>()?.by_team_and_email(team, email.as_str()).map(|member| member.id))
    })?;
    let mut found = query.subscribe((1, "a".to_owned()))?;
    let mut next = || {
        found
            .try_next()
            .map(|update| update.map(|update| (*update.value, update.cause().map(ToString::to_string))))
    };
    assert!(matches!(next(), Some(Ok((None, _)))));
    members.insert_many([member(1, 1, "b"), member(2, 2, "a")])?;
    let settle = || wait(store.settle());
    settle();
    assert!(next().is_none());
    assert_eq!(query.stats().runs, 1);
    members.update(&2, Member::patch().team(1))?;
    settle();
    let Some(Ok((Some(2), Some(cause)))) = next() else { panic!("it is there now") };
    assert_eq!(cause, "bucket `members`, key 2, found by `team, email`");
    Ok(())
}

#[test]
fn the_rule_is_kept_with_what_it_is_told_of() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    let open = || Store::builder().bucket::<Member>().persistence(Persistence::new(kept.clone()));
    let store = wait(open().start())?;
    store.bucket::<Member>()?.insert(member(1, 1, "a"))?;
    wait(store.stop())?;
    let store = wait(open().start())?;
    let members = store.bucket::<Member>()?;
    assert_eq!(members.insert(member(2, 1, "a")), Err(taken(1, "a")));
    assert_eq!(id(members.by_team_and_email(&1, "a")), Some(1));
    assert_eq!(store.stats().indexes.per_bucket["members"], 2, "an index, and two fields together");
    Ok(())
}

/// As it was before the rule.
mod before {
    use noex_store::prelude::*;

    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "members")]
    pub struct Member {
        #[bucket(key)]
        pub id: u32,
        pub team: u8,
        pub email: Option<String>,
        pub logins: u32,
    }
}

#[test]
fn kept_records_that_break_a_new_rule_are_told_before_the_store_starts() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    let builder = Store::builder().bucket::<before::Member>().persistence(Persistence::new(kept.clone()));
    let store = wait(builder.start())?;
    let old = |id| before::Member { id, team: 1, email: Some("a".to_owned()), logins: 0 };
    store.bucket::<before::Member>()?.insert_many((1..=3).map(old))?;
    wait(store.stop())?;
    let builder = Store::builder().bucket::<Member>().persistence(Persistence::new(kept.clone()));
    let Err(Error::IncompatibleRecords { problems, .. }) = wait(builder.start()) else { panic!("refused") };
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["`team, email` are unique together, and another record has (1, \"a\") too (2 records: 2, 3)"]
    );
    Ok(())
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "tickets", unique(project, number))]
struct Ticket {
    #[bucket(key)]
    id: u32,
    #[bucket(default)]
    project: u8,
    #[bucket(generated = "autoincrement")]
    number: u64,
}

#[test]
fn an_automatic_number_that_is_taken_is_drawn_again() -> Result<(), Error> {
    let (store, tickets) = store_of::<Ticket>();
    let tx = store.begin();
    let own = tx.bucket::<Ticket>()?;
    own.insert(Ticket::draft().id(1_u32).number(1_u64))?;
    own.insert(Ticket::draft().id(2_u32))?;
    own.insert(Ticket::draft().id(3_u32).project(1))?;
    tx.commit()?;
    let numbers: Vec<_> = tickets.all().iter().map(|ticket| (ticket.project, ticket.number)).collect();
    assert_eq!(numbers, [(0, 1), (0, 2), (1, 3)]);
    Ok(())
}

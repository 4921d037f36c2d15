//! Records that were kept by an earlier version of a struct, and what becomes of them.

mod common;

use common::keeping::{Flaky, Folder, wait};
use noex_store::prelude::*;
use noex_store::{RecordProblem, SnapshotPart, StoredChanges, StoredSchema};
use uuid::Uuid;

/// What is kept first.
mod before {
    use super::*;

    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct User {
        #[bucket(key, generated = "autoincrement")]
        pub(crate) id: u32,
        pub(crate) mail: String,
        #[bucket(index)]
        pub(crate) age: i32,
        pub(crate) balance: i64,
        pub(crate) big: u128,
        pub(crate) ratio: f64,
        pub(crate) gone: Vec<String>,
    }

    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "others")]
    pub(crate) struct Other {
        #[bucket(key)]
        pub(crate) id: u64,
    }
}

const BIG: u128 = (1 << 100) + 1;
const RATIO: f64 = 0.1 + 0.2;

fn fill(persistence: Persistence) -> Result<(), Error> {
    let store = wait(
        Store::builder().bucket::<before::User>().bucket::<before::Other>().persistence(persistence).start(),
    )?;
    let users = store.bucket::<before::User>()?;
    for number in 0..25 {
        let draft = before::User::draft().mail(format!("{number}@example.com")).age(number).balance(-5);
        users.insert(draft.big(BIG).ratio(RATIO).gone(["x"]))?;
    }
    users.update(&3, before::User::patch().age(-7))?;
    users.delete(&25)?;
    store.bucket::<before::Other>()?.insert(before::Other { id: 7 })?;
    wait(store.stop())
}

fn reopened<B: Bucket>(persistence: Persistence) -> Result<Store, Error> {
    wait(Store::builder().bucket::<B>().persistence(persistence).start())
}

/// Each adapter, filled, and twice opened: what is kept by an earlier version, and what this version has made of it.
fn each_adapter(check: impl Fn(&dyn Fn() -> Persistence)) {
    let kept = MemoryAdapter::new();
    fill(Persistence::new(kept.clone())).expect("filled");
    let folder = Folder::new();
    fill(folder.persistence()).expect("filled");
    let tables = Folder::new();
    fill(Persistence::new(tables.sqlite())).expect("filled");
    for _ in 0..2 {
        check(&|| Persistence::new(kept.clone()));
        check(&|| folder.persistence());
        check(&|| Persistence::new(tables.sqlite()));
    }
}

mod compatible {
    use super::*;

    /// Fields in another order, one with another name, one gone, numbers that are wider, new fields, and other indexes.
    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "users", index(age, email))]
    pub(crate) struct User {
        pub(crate) ratio: f64,
        #[bucket(unique, rename_from = "mail")]
        pub(crate) email: String,
        pub(crate) age: i64,
        pub(crate) balance: f64,
        #[bucket(index)]
        pub(crate) big: u128,
        pub(crate) nick: Option<String>,
        #[bucket(default = "new", one_of = ["new", "old"])]
        pub(crate) state: String,
        #[bucket(default = vec![1, 2])]
        pub(crate) list: Vec<u8>,
        #[bucket(default)]
        pub(crate) count: u32,
        #[bucket(default = 5)]
        pub(crate) limit: Option<u32>,
        #[bucket(default = Uuid::now_v7())]
        pub(crate) token: Uuid,
        #[bucket(key, generated = "autoincrement", rename_from = "number")]
        pub(crate) id: u64,
    }
}

#[test]
fn fields_may_come_go_move_grow_and_be_renamed() {
    each_adapter(|persistence| {
        let store = reopened::<compatible::User>(persistence()).expect("compatible");
        let users = store.bucket::<compatible::User>().expect("defined");
        assert_eq!(users.count(), 24);
        let third = users.require(&3).expect("there");
        let expected = compatible::User {
            ratio: RATIO,
            email: "2@example.com".to_owned(),
            age: -7,
            balance: -5.0,
            big: BIG,
            nick: None,
            state: "new".to_owned(),
            list: vec![1, 2],
            count: 0,
            limit: Some(5),
            token: third.token,
            id: 3,
        };
        assert_eq!(*third, expected);
        assert_eq!(third.version(), 2, "what was not changed by anybody has the version that it had");
        let tokens: std::collections::HashSet<Uuid> = users.all().iter().map(|user| user.token).collect();
        assert_eq!(tokens.len(), 24, "a default is made for each record");
        assert_eq!(users.by_email("2@example.com").map(|user| user.id), Some(3));
        assert_eq!(users.by_big(&BIG).len(), 24);
        let token = third.token;
        wait(store.stop()).expect("stopped");
        let store = reopened::<compatible::User>(persistence()).expect("compatible");
        let again = store.bucket::<compatible::User>().expect("defined").require(&3).expect("there");
        assert_eq!(again.token, token, "and then it is kept");
        wait(store.stop()).expect("stopped");
    });
}

#[test]
fn automatic_numbers_go_on_though_the_last_record_is_gone_and_the_field_renamed() -> Result<(), Error> {
    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users")]
    struct Renamed {
        #[bucket(key, generated = "autoincrement", rename_from = "id")]
        number: u32,
    }
    let kept = MemoryAdapter::new();
    fill(Persistence::new(kept.clone()))?;
    let store = reopened::<Renamed>(Persistence::new(kept))?;
    assert_eq!(store.bucket::<Renamed>()?.insert(Renamed::draft())?.number, 26);
    Ok(())
}

#[test]
fn a_bucket_may_be_renamed_and_others_stay() -> Result<(), Error> {
    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "people", rename_from = "users")]
    struct Person {
        #[bucket(key)]
        id: u32,
        #[serde(alias = "mail")]
        #[bucket(default = "none")]
        email: String,
    }
    for define_later in [false, true] {
        let kept = MemoryAdapter::new();
        fill(Persistence::new(kept.clone()))?;
        for _ in 0..2 {
            let store = if define_later {
                let store = wait(Store::builder().persistence(Persistence::new(kept.clone())).start())?;
                store.define_bucket::<Person>()?;
                store
            } else {
                reopened::<Person>(Persistence::new(kept.clone()))?
            };
            let people = store.bucket::<Person>()?;
            assert_eq!(people.count(), 24);
            assert_eq!(people.require(&3)?.email, "2@example.com", "serde's aliases are earlier names, too");
            // One that is left behind would come back here.
            assert!(matches!(
                store.define_bucket::<Person>().map(drop),
                Err(Error::BucketAlreadyExists { bucket: "people" })
            ));
            store.define_bucket::<before::Other>()?;
            assert!(store.bucket::<before::Other>()?.contains_key(&7));
            wait(store.stop())?;
        }
        let store = reopened::<before::User>(Persistence::new(kept))?;
        assert_eq!(store.bucket::<before::User>()?.count(), 0, "they are kept by the new name");
    }
    Ok(())
}

fn problems<B: Bucket>(persistence: Persistence) -> Vec<RecordProblem> {
    match reopened::<B>(persistence).map(drop) {
        Err(Error::IncompatibleRecords { bucket: "users", problems }) => problems,
        other => panic!("{other:?}"),
    }
}

fn texts(problems: &[RecordProblem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

mod incompatible {
    use super::*;

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct Missing {
        #[bucket(key)]
        pub(crate) id: u32,
        pub(crate) must: String,
    }

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct OtherType {
        #[bucket(key)]
        pub(crate) id: u32,
        pub(crate) age: u8,
        pub(crate) mail: String,
    }

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct Deep {
        #[bucket(key)]
        pub(crate) id: u32,
        pub(crate) gone: Vec<u8>,
    }

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct Rules {
        #[bucket(key)]
        pub(crate) id: u32,
        #[bucket(min = 0, max = 20)]
        pub(crate) age: i32,
        #[bucket(unique)]
        pub(crate) balance: i64,
        #[bucket(pattern = "^[0-9]+@example.com$")]
        pub(crate) mail: String,
    }
}

#[test]
fn what_does_not_fit_is_told_with_fields_and_keys_before_anything_is_changed() {
    let folder = Folder::new();
    fill(folder.persistence()).expect("filled");
    let files = folder.files();
    let missing = problems::<incompatible::Missing>(folder.persistence());
    assert_eq!(
        texts(&missing),
        ["`must` is missing, and has no default (24 records: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …)"]
    );
    assert_eq!((missing[0].field.as_str(), missing[0].records, missing[0].keys.len()), ("must", 24, 10));
    assert_eq!(
        texts(&problems::<incompatible::OtherType>(folder.persistence())),
        ["`age` cannot be read: invalid value: integer `-7`, expected u8 (1 record: 3)"]
    );
    let deep = problems::<incompatible::Deep>(folder.persistence());
    assert_eq!((deep[0].field.as_str(), deep[0].records), ("gone[0]", 24));
    assert_eq!(
        texts(&problems::<incompatible::Rules>(folder.persistence())),
        [
            "`age` must be at least 0 (1 record: 3)",
            "`age` must be at most 20 (3 records: 22, 23, 24)",
            "`balance` is unique, and another record has -5 too (19 records: 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, …)",
        ],
        "all of it at once"
    );
    assert_eq!(folder.files(), files, "nothing was changed");
    let store = reopened::<before::User>(folder.persistence()).expect("as it was");
    assert_eq!(store.bucket::<before::User>().expect("defined").count(), 24);
}

mod versions {
    use super::*;

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(version = 2, migrate(from = before::User))]
    pub(crate) struct Second {
        #[bucket(key)]
        pub(crate) id: u32,
        pub(crate) name: String,
        pub(crate) token: Uuid,
    }

    impl From<before::User> for Second {
        fn from(user: before::User) -> Self {
            Self { id: user.id, name: user.mail.replace('@', " at "), token: Uuid::now_v7() }
        }
    }

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users", version = 3, migrate(from = Second))]
    pub(crate) struct Third {
        #[bucket(key)]
        pub(crate) key: String,
        pub(crate) token: Uuid,
        #[bucket(default = 1)]
        pub(crate) level: u8,
    }

    impl TryFrom<Second> for Third {
        type Error = String;

        fn try_from(second: Second) -> Result<Self, String> {
            let (number, _) = second.name.split_once(' ').ok_or("no blank")?;
            Ok(Self { key: format!("u{number}"), token: second.token, level: 3 })
        }
    }

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users", version = 2, migrate(from = before::User))]
    pub(crate) struct Refusing {
        #[bucket(key)]
        pub(crate) id: u32,
    }

    impl TryFrom<before::User> for Refusing {
        type Error = String;

        fn try_from(user: before::User) -> Result<Self, String> {
            match user.age {
                0..10 => Ok(Self { id: 1 }),
                age => Err(format!("of the age {age}")),
            }
        }
    }

    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "users", version = 2)]
    pub(crate) struct Alone {
        #[bucket(key)]
        pub(crate) id: u32,
    }
}

#[test]
fn a_new_version_migrates_what_every_earlier_one_has_kept() {
    each_adapter(|persistence| {
        let store = reopened::<versions::Third>(persistence()).expect("migrated");
        let users = store.bucket::<versions::Third>().expect("defined");
        let third = users.require("u2").expect("there");
        assert_eq!((users.count(), third.level, third.version()), (24, 3, 2));
        // A migration need not give the same twice: it has run once.
        users.update("u2", versions::Third::patch().level(4)).expect("there");
        let token = users.require("u1").expect("there").token;
        wait(store.stop()).expect("stopped");
        let store = reopened::<versions::Third>(persistence()).expect("of this version");
        let users = store.bucket::<versions::Third>().expect("defined");
        assert_eq!(users.require("u1").expect("there").token, token);
        assert_eq!(users.require("u2").expect("there").level, 4);
        users.update("u2", versions::Third::patch().level(3)).expect("there");
        users.delete("u2").expect("there");
        users.insert(versions::Third { key: "u2".to_owned(), ..third.value().clone() }).expect("free");
        users.update("u2", versions::Third::patch().level(3)).expect("there");
        wait(store.stop()).expect("stopped");
        let earlier = problems::<before::User>(persistence());
        assert_eq!(
            earlier[0].reason,
            "was kept by version 3 of the bucket, and `User` is version 1, an earlier one"
        );
    });
}

#[test]
fn a_migration_that_refuses_or_merges_records_changes_nothing() {
    let folder = Folder::new();
    fill(folder.persistence()).expect("filled");
    let files = folder.files();
    assert_eq!(
        texts(&problems::<versions::Refusing>(folder.persistence())),
        [
            "the migration refuses it: of the age -7 (15 records: 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, …)",
            "another record has the key 1 too (8 records: 1, 1, 1, 1, 1, 1, 1, 1)",
        ]
    );
    assert_eq!(
        texts(&problems::<versions::Alone>(folder.persistence()))[0],
        "was kept by version 1 of the bucket, and `Alone` is version 2 and migrates from none \
         (24 records: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …)"
    );
    assert_eq!(folder.files(), files);
}

#[test]
fn a_bucket_that_is_defined_later_is_kept_anew_before_anything_follows_it() -> Result<(), Error> {
    let folder = Folder::new();
    fill(folder.persistence())?;
    let open = || {
        let persistence = folder.persistence().durability(Durability::Immediate);
        wait(Store::builder().persistence(persistence).start())
    };
    let store = open()?;
    let refused = store.define_bucket::<versions::Refusing>().map(drop);
    assert!(matches!(refused, Err(Error::IncompatibleRecords { .. })), "{refused:?}");
    let users = store.define_bucket::<versions::Third>()?;
    let token = users.require("u1")?.token;
    users.update("u2", versions::Third::patch().level(9))?;
    assert_eq!(store.stats().persistence.snapshots, 1);
    let copy = Folder::new();
    // As a crash leaves it.
    std::fs::create_dir(copy.path()).expect("new");
    for (path, bytes) in folder.files() {
        std::fs::write(copy.path().join(path.file_name().expect("a file")), bytes).expect("written");
    }
    drop(store);
    let store = reopened::<versions::Third>(copy.persistence())?;
    let users = store.bucket::<versions::Third>()?;
    assert_eq!((users.require("u1")?.token, users.require("u2")?.level, users.count()), (token, 9, 24));
    store.define_bucket::<before::Other>()?;
    assert!(store.bucket::<before::Other>()?.contains_key(&7));
    Ok(())
}

#[test]
fn what_is_kept_tells_its_schema() -> Result<(), Error> {
    let kept = Flaky::default();
    fill(Persistence::new(kept.clone()))?;
    let of_users = |schema: &StoredSchema| -> Vec<String> {
        assert_eq!(schema.version, 1);
        schema
            .fields
            .iter()
            .map(|field| format!("{}: {} ({})", field.name, field.rust_type, field.kind))
            .collect()
    };
    let commits = kept.commits();
    let defined = commits.iter().flat_map(|commit| &commit.buckets).find_map(|changes| match changes {
        StoredChanges::Defined { bucket, schema } if bucket == "users" => schema.as_ref(),
        _ => None,
    });
    let expected = [
        "age: i32 (number)",
        "balance: i64 (number)",
        "big: u128 (number)",
        "gone: Vec<String> (array)",
        "id: u32 (number)",
        "mail: String (string)",
        "ratio: f64 (number)",
    ];
    assert_eq!(of_users(defined.expect("defined")), expected);
    wait(reopened::<before::Other>(Persistence::new(kept.clone()))?.stop())?;
    assert!(kept.parts().is_empty(), "nothing has changed: no snapshot");
    // A snapshot for another bucket's sake has what is not defined as it was.
    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "others")]
    struct Wider {
        #[bucket(key)]
        id: u128,
    }
    wait(reopened::<Wider>(Persistence::new(kept.clone()))?.stop())?;
    let parts = kept.parts();
    let users = parts.iter().find_map(|part| match part {
        SnapshotPart::Begin { name, schema, .. } if name == "users" => schema.as_ref(),
        _ => None,
    });
    assert_eq!(of_users(users.expect("there")), expected);
    Ok(())
}

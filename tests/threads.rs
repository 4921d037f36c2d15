//! The threads of a store end with it. Alone in its process: it counts the threads there.
#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use common::within_seconds;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key)]
    id: u32,
}

struct Nothing;

impl EventReceiver for Nothing {
    async fn emit(&self, _: &str, _: serde_json::Value) -> Result<(), ReceiverError> {
        Ok(())
    }
}

/// The names of the store's threads, as the system shortens them.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("noex-store ")).collect()
}

/// The files in a folder that this process has open.
fn open_files(folder: &std::path::Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter(|file| file.starts_with(folder))
        .count()
}

#[test]
fn no_thread_and_no_file_is_left() {
    within_seconds(60, || {
        let (debounced, immediate) = (Durability::default(), Durability::Immediate);
        for (stop, durability) in
            [(true, debounced), (false, debounced), (true, immediate), (false, immediate)]
        {
            let folder = std::env::temp_dir().join(format!("noex-store-threads-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let persistence =
                Persistence::new(FileAdapter::open(&folder).expect("free")).durability(durability);
            let builder = Store::builder().bucket::<User>().persistence(persistence);
            let store = runtime.block_on(builder.start()).expect("starts");
            let users = store.bucket::<User>().expect("defined");
            let count = store
                .define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))
                .expect("new");
            let live = count.subscribe(()).expect("running");
            let guard = store.on("**", |_: &Event| ()).expect("good");
            let bridge = bridge_to_rules(&store, Nothing, BridgeOptions::new()).expect("good");
            users.insert_with_ttl(User { id: 1 }, Duration::from_secs(60)).expect("good");
            let insert = async |tx: &Transaction| tx.bucket::<User>()?.insert(User { id: 2 });
            runtime.block_on(store.transaction_async(insert)).map(|_: Record<User>| ()).expect("new");
            runtime.block_on(store.settle());
            let waits = threads().iter().any(|name| name.starts_with("noex-store comm"));
            assert_eq!(waits, durability == immediate, "a thread waits for the disk in the place of tasks");
            let all = "the live worker, the events, the sweeper, the bridge, the keeper, its snapshots";
            assert!(threads().len() >= 6, "{all}: {:?}", threads());
            assert_eq!(open_files(&folder), 2, "the lock, the log");
            if stop {
                runtime.block_on(store.stop()).expect("in time");
                // The thread that tells of the end has told, and may be on its last steps.
                while !threads().is_empty() {
                    std::thread::yield_now();
                }
            }
            drop(store);
            while !threads().is_empty() {
                std::thread::yield_now();
            }
            drop((live, guard, bridge, users, count));
            assert_eq!(open_files(&folder), 0);
            // What was not flushed is there, too.
            let persistence = Persistence::new(FileAdapter::open(&folder).expect("free"));
            let again = runtime.block_on(Store::builder().bucket::<User>().persistence(persistence).start());
            let again = again.expect("starts");
            assert_eq!(again.bucket::<User>().expect("defined").count(), 2);
            runtime.block_on(again.stop()).expect("in time");
            let _ = std::fs::remove_dir_all(&folder);
        }
    });
}

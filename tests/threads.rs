//! The threads of a store end with it. Alone in its process: it counts the threads there.
#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use common::{start, within_seconds};
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

#[test]
fn no_thread_is_left() {
    within_seconds(60, || {
        for stop in [true, false] {
            let store = start(Store::builder().bucket::<User>());
            let users = store.bucket::<User>().expect("defined");
            let count = store
                .define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))
                .expect("new");
            let live = count.subscribe(()).expect("running");
            let guard = store.on("**", |_: &Event| ()).expect("good");
            let bridge = bridge_to_rules(&store, Nothing, BridgeOptions::new()).expect("good");
            users.insert_with_ttl(User { id: 1 }, Duration::from_secs(60)).expect("good");
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(store.settle());
            assert!(
                threads().len() >= 4,
                "the live worker, the events, the sweeper, the bridge: {:?}",
                threads()
            );
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
            drop((live, guard, bridge));
        }
    });
}

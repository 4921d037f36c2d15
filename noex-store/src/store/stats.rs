//! What a store holds and has done, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Store;
use crate::bridge::BridgeStats;
use crate::engine::{NEVER, Version};
use crate::event::EventStats;
use crate::live::QueryStats;
use crate::persist::PersistenceStats;
use crate::service::{ServiceState, ServiceStats};

/// What a store holds and has done, by [`Store::stats`]. Serialises as it stands. Counters only grow, from the start of the store.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StoreStats {
    /// The store's name.
    pub name: String,
    /// The latest commit.
    pub version: Version,
    /// Whether the store was stopped.
    pub stopped: bool,
    /// Whether a service was given up: see [`services`](Self::services).
    pub degraded: bool,
    /// The buckets that are defined.
    pub buckets: BucketTotals,
    /// The records, as a handle counts them but with those that have expired and were not taken out yet.
    pub records: Totals,
    /// The indexes: ordered ones, unique fields, and fields that are unique together.
    pub indexes: Totals,
    /// The entries of each ordered index, by the bucket's and the index's name: a record may have none or several in it.
    pub index_entries: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
    /// The estimated bytes of the latest commit: its records, what they own, and its indexes, without the allocator's own
    /// overhead. Within a third of what is allocated (`cargo bench --bench memory` holds it against that), if records have their JSON's
    /// shape. What only snapshots and the commit log still hold is not in it.
    pub memory: Totals,
    /// The commits, and what stood in their way.
    pub commits: CommitStats,
    /// The queries.
    pub queries: QueryTotals,
    /// The events.
    pub events: EventStats,
    /// The bridges that there are.
    pub bridges: Vec<BridgeStats>,
    /// What expires.
    pub ttl: TtlStats,
    /// Records that made room in a full bucket.
    pub evicted: u64,
    /// What is kept on a disk.
    pub persistence: PersistenceStats,
    /// The services, in the order in which they are stopped.
    pub services: Vec<ServiceStats>,
}

/// The buckets of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BucketTotals {
    /// How many there are.
    pub count: usize,
    /// Their names, in the order of their first definition.
    pub names: Vec<&'static str>,
}

/// A number for each bucket, and their sum.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// The sum.
    pub total: usize,
    /// By the bucket's name.
    pub per_bucket: BTreeMap<&'static str, usize>,
}

impl FromIterator<(&'static str, usize)> for Totals {
    fn from_iter<I: IntoIterator<Item = (&'static str, usize)>>(numbers: I) -> Self {
        let per_bucket: BTreeMap<_, _> = numbers.into_iter().collect();
        Self { total: per_bucket.values().sum(), per_bucket }
    }
}

/// The commits of a store, and what stood in their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CommitStats {
    /// How many were made.
    pub made: u64,
    /// Transactions that met another writer's commit.
    pub conflicts: u64,
    /// Transactions that were run again for that.
    pub retries: u64,
    /// Commits that the log holds.
    pub logged: usize,
    /// The changed records that those hold; at most the log's capacity, or one commit.
    pub logged_changes: usize,
}

/// The queries of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueryTotals {
    /// Queries that are defined by a name.
    pub defined: usize,
    /// Subscriptions that there are.
    pub active_subscriptions: usize,
    /// Answers that are kept.
    pub memos: usize,
    /// How often a query's function was run.
    pub runs: u64,
    /// How often an answer was given without running it.
    pub hits: u64,
    /// How often an answer was touched, and turned out to be the same.
    pub cut_offs: u64,
    /// Answers that are to be computed for their subscribers.
    pub waiting: usize,
    /// Those that are defined by a name.
    pub per_query: BTreeMap<String, QueryStats>,
}

/// What expires in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TtlStats {
    /// Whether the store takes out what has expired by itself.
    pub enabled: bool,
    /// How long it sleeps at most between two looks, in milliseconds.
    pub check_interval_ms: u64,
    /// Records that were taken out because their time to live was over.
    pub expired: u64,
    /// When the next record expires, in milliseconds since 1970-01-01 UTC.
    pub next_expiry: Option<u64>,
}

impl Store {
    /// What the store holds and has done, in numbers.
    ///
    /// O(buckets + answers of queries that are kept + bridges); of each bucket some thirty records are looked at. No lock that a
    /// writer waits for is held for longer than a look at one counter. The numbers are taken one after the other while others
    /// write; those of the buckets are of one commit.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # #[bucket(name = "notes")]
    /// # struct Note { #[bucket(key)] id: u64, #[bucket(index)] text: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Store::builder().name("desk").bucket::<Note>().start().await?;
    /// store.bucket::<Note>()?.insert(Note { id: 7, text: "hello".into() })?;
    /// let stats = store.stats();
    /// assert_eq!(stats.records.per_bucket["notes"], 1);
    /// assert!(!stats.degraded);
    /// let json = serde_json::to_value(&stats)?;
    /// assert_eq!(json["buckets"]["names"][0], "notes");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stats(&self) -> StoreStats {
        let root = self.engine.load_full();
        let tables = || root.tables().map(|table| (table.schema(), table));
        let counts = self.engine.counts();
        let (logged, logged_changes) = self.engine.log().kept();
        let services = self.services.service_stats();
        let interval = self.services.sweeper.interval();
        let next = root.tables().map(|table| table.soonest()).min();
        StoreStats {
            name: self.name.to_string(),
            version: root.version,
            stopped: self.engine.is_stopped(),
            degraded: services.iter().any(|service| service.state == ServiceState::Degraded),
            buckets: BucketTotals {
                count: tables().count(),
                names: tables().map(|(schema, _)| schema.name).collect(),
            },
            records: tables().map(|(schema, table)| (schema.name, table.len())).collect(),
            indexes: tables()
                .map(|(schema, _)| {
                    let uniques =
                        schema.fields.iter().filter(|field| field.unique).count() + schema.uniques.len();
                    (schema.name, schema.indexes.len() + uniques)
                })
                .collect(),
            index_entries: tables()
                .map(|(schema, table)| (schema.name, table.index_entries().into_iter().collect()))
                .collect(),
            memory: tables().map(|(schema, table)| (schema.name, table.memory())).collect(),
            commits: CommitStats {
                made: root.version.get(),
                conflicts: counts.conflicts.get(),
                retries: counts.retries.get(),
                logged,
                logged_changes,
            },
            queries: self.query_totals(),
            events: self.services.bus.stats(),
            bridges: self.services.bridge_stats(),
            ttl: TtlStats {
                enabled: !interval.is_zero(),
                check_interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
                expired: counts.expired.get(),
                next_expiry: next.filter(|at| *at < NEVER),
            },
            evicted: counts.evicted.get(),
            persistence: self
                .services
                .keeper
                .as_ref()
                .map_or_else(PersistenceStats::none, |keeper| keeper.stats()),
            services,
        }
    }

    fn query_totals(&self) -> QueryTotals {
        let per_query = self.services.queries.stats();
        let (sum, waiting) = self.services.live.stats();
        QueryTotals {
            defined: per_query.len(),
            active_subscriptions: sum.subscriptions,
            memos: sum.memos,
            runs: sum.runs,
            hits: sum.hits,
            cut_offs: sum.cut_offs,
            waiting,
            per_query,
        }
    }
}

//! Statistics for whatever collects metrics in the program.

use metrics::{SharedString, counter, gauge};

use super::StoreStats;

impl StoreStats {
    /// Hands the numbers to the recorder that the program has installed for the [`metrics`] facade: gauges for what there is,
    /// counters for what was done, all with the label `store`. To be called now and then: before each scrape, or every few
    /// seconds. Needs the feature `metrics`. O(buckets + services).
    ///
    /// | name | label | kind |
    /// | --- | --- | --- |
    /// | `noex_store_records`, `noex_store_memory_bytes` | `bucket` | gauge |
    /// | `noex_store_subscriptions`, `noex_store_query_memos`, `noex_store_queries_waiting` | | gauge |
    /// | `noex_store_event_subscribers`, `noex_store_events_waiting`, `noex_store_events_behind` | | gauge |
    /// | `noex_store_degraded` | | gauge, 0 or 1 |
    /// | `noex_store_commits_total`, `noex_store_conflicts_total`, `noex_store_retries_total` | | counter |
    /// | `noex_store_expired_total`, `noex_store_evicted_total` | | counter |
    /// | `noex_store_query_runs_total`, `noex_store_query_hits_total`, `noex_store_query_cut_offs_total` | | counter |
    /// | `noex_store_events_total`, `noex_store_events_missed_total`, `noex_store_handler_panics_total` | | counter |
    /// | `noex_store_service_restarts_total` | `service` | counter |
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let store = Store::builder().start().await?;
    /// store.stats().record_metrics();
    /// # Ok(())
    /// # }
    /// ```
    pub fn record_metrics(&self) {
        let store = SharedString::from(self.name.clone());
        for (bucket, records) in &self.records.per_bucket {
            gauge!("noex_store_records", "store" => store.clone(), "bucket" => *bucket).set(*records as f64);
        }
        for (bucket, bytes) in &self.memory.per_bucket {
            gauge!("noex_store_memory_bytes", "store" => store.clone(), "bucket" => *bucket)
                .set(*bytes as f64);
        }
        let gauges = [
            ("noex_store_subscriptions", self.queries.active_subscriptions as f64),
            ("noex_store_query_memos", self.queries.memos as f64),
            ("noex_store_queries_waiting", self.queries.waiting as f64),
            ("noex_store_event_subscribers", self.events.subscribers as f64),
            ("noex_store_events_waiting", self.events.waiting as f64),
            ("noex_store_events_behind", self.events.behind as f64),
            ("noex_store_degraded", f64::from(u8::from(self.degraded))),
        ];
        for (name, value) in gauges {
            gauge!(name, "store" => store.clone()).set(value);
        }
        let counters = [
            ("noex_store_commits_total", self.commits.made),
            ("noex_store_conflicts_total", self.commits.conflicts),
            ("noex_store_retries_total", self.commits.retries),
            ("noex_store_expired_total", self.ttl.expired),
            ("noex_store_evicted_total", self.evicted),
            ("noex_store_query_runs_total", self.queries.runs),
            ("noex_store_query_hits_total", self.queries.hits),
            ("noex_store_query_cut_offs_total", self.queries.cut_offs),
            ("noex_store_events_total", self.events.told),
            ("noex_store_events_missed_total", self.events.missed),
            ("noex_store_handler_panics_total", self.events.panics),
        ];
        for (name, value) in counters {
            counter!(name, "store" => store.clone()).absolute(value);
        }
        for service in &self.services {
            counter!("noex_store_service_restarts_total", "store" => store.clone(), "service" => service.name)
                .absolute(service.restarts);
        }
    }
}

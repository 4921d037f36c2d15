//! Is a history strictly serializable? Two checkers that know nothing of each other.
//!
//! The first takes the order of commits for a witness: run one after the other in that order, on plain maps, the transactions
//! must read what they have read, and the order must agree with real time. The second does without the store's versions: it
//! infers from the lists who came before whom, and looks for a cycle, as Elle does (Kingsbury, Alvaro, *Elle: Inferring
//! Isolation Anomalies from Experimental Observations*, 2020). Values are appended once, so that a list tells its own history.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A list: number of its bucket, and key.
pub(super) type Place = (usize, u32);

/// What a transaction did.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// Read a list; `None` if there was none.
    Read(Place, Option<Vec<u32>>),
    /// Appended to a list.
    Append(Place, u32),
    /// Wrote a list that has this value alone, without having read: a register.
    Set(Place, u32),
    /// Took a list away.
    Delete(Place),
    /// Read all lists of a bucket that belong to a group, by an index.
    Group(usize, u8, BTreeMap<u32, Vec<u32>>),
    /// Read all lists of a bucket of at least a length, without an index.
    Long(usize, usize, BTreeMap<u32, Vec<u32>>),
}

#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Moments of a clock that all threads share.
    pub(super) began: u64,
    pub(super) ended: u64,
    /// The commit; or, if nothing was written, the snapshot that was read.
    pub(super) version: u64,
    pub(super) wrote: bool,
    pub(super) committed: bool,
    pub(super) ops: Vec<Op>,
}

pub(super) fn group_of(key: u32) -> u8 {
    (key % 3) as u8
}

pub(super) type Lists = BTreeMap<Place, Vec<u32>>;

/// Runs the transactions one after the other, in the order of their commits.
pub(super) fn replay(history: &[Run]) -> Result<Lists, String> {
    let mut order: Vec<&Run> = history.iter().filter(|run| run.committed).collect();
    // What only read a version comes right after the commit that made it.
    order.sort_by_key(|run| (run.version, !run.wrote, run.ended));
    let mut latest_begin = 0;
    for run in &order {
        // Whoever began after the end of another must not come before it.
        latest_begin = latest_begin.max(run.began);
        if run.ended < latest_begin {
            return Err(format!("ended before one that comes earlier had begun: {run:?}"));
        }
    }
    let mut lists = Lists::new();
    for run in order {
        for op in &run.ops {
            let bad = |found: &dyn std::fmt::Debug| Err(format!("{op:?} would be {found:?} in {run:?}"));
            let of = |bucket: usize, wanted: &dyn Fn(u32, &Vec<u32>) -> bool| -> BTreeMap<u32, Vec<u32>> {
                let own = lists.range((bucket, 0)..(bucket + 1, 0));
                own.filter(|((_, key), list)| wanted(*key, list))
                    .map(|((_, key), list)| (*key, list.clone()))
                    .collect()
            };
            match op {
                Op::Read(place, seen) if lists.get(place) != seen.as_ref() => return bad(&lists.get(place)),
                Op::Group(bucket, group, seen) => {
                    let found = of(*bucket, &|key, _| group_of(key) == *group);
                    if found != *seen {
                        return bad(&found);
                    }
                }
                Op::Long(bucket, length, seen) => {
                    let found = of(*bucket, &|_, list| list.len() >= *length);
                    if found != *seen {
                        return bad(&found);
                    }
                }
                Op::Append(place, value) => lists.entry(*place).or_default().push(*value),
                Op::Set(place, value) => drop(lists.insert(*place, vec![*value])),
                Op::Delete(place) => drop(lists.remove(place)),
                Op::Read(..) => {}
            }
        }
    }
    Ok(lists)
}

/// Looks for a cycle of dependencies. Only for histories of appends: a register and what was deleted do not tell who was before.
pub(super) fn cycles(history: &[Run], last: &Lists) -> Result<(), String> {
    let committed: Vec<&Run> = history.iter().filter(|run| run.committed).collect();
    let mut writer: HashMap<u32, usize> = HashMap::new();
    for (at, run) in committed.iter().enumerate() {
        for op in &run.ops {
            if let Op::Append(_, value) = op {
                writer.insert(*value, at);
            }
        }
    }
    let mut edges: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); committed.len()];
    let mut edge = |from: usize, to: usize| {
        if from != to {
            edges[from].insert(to);
        }
    };
    let who = |value: &u32| writer.get(value).copied().ok_or_else(|| format!("{value} was never committed"));
    for list in last.values() {
        for pair in list.windows(2) {
            edge(who(&pair[0])?, who(&pair[1])?);
        }
    }
    for (at, run) in committed.iter().enumerate() {
        let mut own: BTreeMap<Place, usize> = BTreeMap::new();
        for op in &run.ops {
            let mut seen: Vec<(Place, &[u32])> = match op {
                Op::Append(place, _) => {
                    *own.entry(*place).or_default() += 1;
                    continue;
                }
                Op::Delete(_) | Op::Set(..) => continue,
                Op::Read(place, list) => vec![(*place, list.as_deref().unwrap_or_default())],
                Op::Group(bucket, _, lists) | Op::Long(bucket, _, lists) => {
                    lists.iter().map(|(key, list)| ((*bucket, *key), list.as_slice())).collect()
                }
            };
            // A list that a condition did not give was not long enough, or not there: whoever made it so comes after.
            match op {
                Op::Group(bucket, group, lists) => {
                    let others = last.keys().filter(|(other, key)| {
                        other == bucket && group_of(*key) == *group && !lists.contains_key(key)
                    });
                    seen.extend(others.map(|place| (*place, &[][..])));
                }
                Op::Long(bucket, length, lists) => {
                    for (place, all) in last.iter().filter(|((other, _), _)| other == bucket) {
                        // Its own appends may be among those that were too few: then nothing is known.
                        if !lists.contains_key(&place.1)
                            && !own.contains_key(place)
                            && let Some(made_it) = length.checked_sub(1).and_then(|at| all.get(at))
                        {
                            edge(at, who(made_it)?);
                        }
                    }
                }
                _ => {}
            }
            for (place, list) in seen {
                let all = last.get(&place).map_or(&[][..], Vec::as_slice);
                if !all.starts_with(list) {
                    return Err(format!("{list:?} is no beginning of {all:?} at {place:?}: {run:?}"));
                }
                // Its own appends come after what it read of others.
                let before = list.len() - own.get(&place).copied().unwrap_or_default();
                if before > 0 {
                    let from = who(&list[before - 1])?;
                    edge(from, at);
                    // All of what the last writer appended is seen, or nothing: else it is an intermediate state.
                    if from != at && all.get(before).is_some_and(|next| who(next) == Ok(from)) {
                        return Err(format!("an intermediate state of {place:?} was read: {run:?}"));
                    }
                }
                if let Some(next) = all.get(list.len()) {
                    edge(at, who(next)?);
                }
            }
        }
    }
    // Real time: enough to go from each to the first that ends of those which began after its end, and so on.
    let mut by_begin: Vec<usize> = (0..committed.len()).collect();
    by_begin.sort_by_key(|at| committed[*at].began);
    for (at, run) in committed.iter().enumerate() {
        let later = by_begin.iter().skip_while(|other| committed[**other].began <= run.ended);
        let mut first_end = u64::MAX;
        for other in later {
            if committed[*other].began > first_end {
                break;
            }
            first_end = first_end.min(committed[*other].ended);
            edge(at, *other);
        }
    }
    // Takes away, again and again, what nobody comes before; what is left has a cycle.
    let mut before = vec![0_usize; committed.len()];
    edges.iter().flatten().for_each(|to| before[*to] += 1);
    let mut free: Vec<usize> = (0..committed.len()).filter(|at| before[*at] == 0).collect();
    let mut left = committed.len();
    while let Some(at) = free.pop() {
        left -= 1;
        for to in &edges[at] {
            before[*to] -= 1;
            if before[*to] == 0 {
                free.push(*to);
            }
        }
    }
    if left == 0 {
        return Ok(());
    }
    let in_cycle: Vec<_> =
        (0..committed.len()).filter(|at| before[*at] > 0).take(4).map(|at| committed[at]).collect();
    Err(format!("{left} transactions are in cycles or behind them, among them {in_cycle:#?}"))
}

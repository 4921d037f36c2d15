//! Where the record's code panics while a live query is brought up to date, at whatever call of it, its subscribers hear of it, and
//! the next commit puts all right: no answer is left half-way between two versions.

mod common;

use std::sync::atomic::Ordering;

use common::fused::{FUSE, Fused, IS_SPARED, MESSAGE};
use common::start;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "parts")]
pub struct Part {
    #[bucket(key)]
    id: Fused,
    #[bucket(index)]
    size: Fused,
    #[bucket(unique)]
    code: Fused,
    weight: Fused,
    price: i64,
}

fn part(id: u32) -> Part {
    let weight = Fused(id * 7 % 11);
    Part { id: Fused(id), size: Fused(id % 4), code: Fused(id + 100), weight, price: i64::from(id) }
}

const QUESTIONS: u32 = 14;

/// What a question is answered, as text.
fn answer(parts: &PartReads, question: u32) -> String {
    let ids = |records: &[Record<Part>]| {
        format!("{:?}", records.iter().map(|part| (part.id.0, part.version())).collect::<Vec<_>>())
    };
    let heavy = || parts.filter(Part::WEIGHT.ge(Fused(5)));
    match question {
        0 => format!("{:?}", parts.get(&Fused(3)).map(|part| part.version())),
        1 => format!("{:?}", parts.by_code(&Fused(103)).map(|part| part.id.0)),
        2 => ids(&parts.by_size(&Fused(1))),
        3 => ids(&parts.filter(Part::SIZE.between(Fused(1)..Fused(3))).collect()),
        4 => ids(&heavy().collect()),
        5 => ids(&heavy().order_by(Part::WEIGHT.desc()).limit(3).collect()),
        6 => ids(&parts.order_by(Part::SIZE.desc()).limit(5).collect()),
        7 => heavy().count().to_string(),
        8 => heavy().sum(Part::PRICE).to_string(),
        9 => format!("{:?}", heavy().min(Part::WEIGHT).map(|least| least.0)),
        10 => format!("{:?}", heavy().max(Part::SIZE).map(|most| most.0)),
        11 => parts.filter(Part::SIZE.eq(Fused(2))).sum(Part::PRICE).to_string(),
        12 => {
            let mut groups: Vec<_> =
                parts.filter(Filter::all()).group_by(Part::SIZE).sum(Part::PRICE).into_iter().collect();
            groups.sort_by_key(|(size, _)| size.0);
            format!("{groups:?}")
        }
        _ => parts.filter(Part::SIZE.le(Fused(1))).count().to_string(),
    }
}

fn is_over(error: &Error) -> bool {
    matches!(error, Error::QueryPanicked { message, .. } if message == MESSAGE)
}

#[test]
fn the_next_commit_puts_all_right() {
    IS_SPARED.set(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let store = start(Store::builder().bucket::<Part>());
    let parts = store.bucket::<Part>().expect("defined");
    let query = store
        .define_query("question", |ctx: &QueryCtx<'_>, question: &u32| {
            Ok(answer(&ctx.bucket::<Part>()?, *question))
        })
        .expect("new");
    let mut lists = Vec::new();
    for name in ["heavy", "sized"] {
        let list = store
            .define_query(name, move |ctx: &QueryCtx<'_>, _: &()| {
                let parts = ctx.bucket::<Part>()?;
                Ok(match name {
                    "heavy" => parts.filter(Part::WEIGHT.ge(Fused(5))).order_by(Part::WEIGHT.asc()).collect(),
                    _ => parts.filter(Part::SIZE.ge(Fused(1))).collect(),
                })
            })
            .expect("new");
        lists.push((list.clone(), list.subscribe(()).expect("subscribes").diffs(), Vec::new(), None));
    }
    let mut live: Vec<_> = (0..QUESTIONS)
        .map(|question| (query.subscribe(question).expect("subscribes"), Ok(String::new())))
        .collect();
    let (mut burnt, mut faults) = (0, 0);
    for fuse in (1..80).chain((80..600).step_by(13)) {
        parts.clear().expect("good");
        parts.insert_many((0..30).map(part)).expect("good");
        runtime.block_on(store.settle());
        for change in 0..4 {
            FUSE.store(fuse, Ordering::SeqCst);
            let done = match change {
                0 => parts.insert(part(40)).map(drop),
                1 => parts.update(&Fused(3), Part::patch().size(Fused(2)).weight(Fused(9))).map(drop),
                2 => parts.delete(&Fused(14)).map(drop),
                _ => parts.update(&Fused(5), Part::patch().price(1_000_i64).code(Fused(200))).map(drop),
            };
            done.expect("the writer's calls do not panic");
            runtime.block_on(store.settle());
            burnt += u32::from(FUSE.swap(0, Ordering::SeqCst) == 0);
            let snapshot = store.snapshot();
            let reads = snapshot.bucket::<Part>().expect("defined");
            for (question, (live, last)) in (0..).zip(&mut live) {
                while let Some(update) = live.try_next() {
                    faults += u32::from(update.is_err());
                    *last = update.map(|update| (*update.value).clone());
                }
                assert_eq!(*last, query.run(&question).map(|now| (*now).clone()), "{change} with {fuse}");
                match last {
                    Ok(last) => assert_eq!(*last, answer(&reads, question), "{change} with {fuse}"),
                    // A fault is an answer like others, until the next commit.
                    Err(error) => assert!(is_over(error), "{error}"),
                }
            }
            for (list, diffs, own, fault) in &mut lists {
                while let Some(diff) = diffs.try_next() {
                    // The steps lead from the last list, over what failed in between.
                    *fault = diff.map(|diff| diff.steps.iter().for_each(|step| step.apply(own))).err();
                }
                match (list.run(&()), &*fault) {
                    (Ok(now), None) => assert_eq!(*own, *now, "{change} with {fuse}"),
                    (now, fault) => assert_eq!(now.err(), *fault, "{change} with {fuse}"),
                }
            }
        }
    }
    assert!(burnt > 100 && faults > 100, "the record's code is called: {burnt}, {faults}");
}

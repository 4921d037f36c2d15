//! Writes that are given up leave nothing behind, also where they had begun to add to what snapshots share.

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Word {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    text: String,
    #[bucket(index)]
    kind: u8,
}

fn word(id: u32, text: &str, kind: u8) -> Word {
    Word { id, text: text.to_owned(), kind }
}

async fn words() -> Result<(Store, BucketHandle<Word>), Error> {
    let store = Store::builder().bucket::<Word>().start().await?;
    let words = store.bucket::<Word>()?;
    words.insert(word(0, "taken", 0))?;
    Ok((store, words))
}

#[tokio::test]
async fn keys_of_a_failed_batch_are_free() -> Result<(), Error> {
    let (store, words) = words().await?;
    let before = store.snapshot();
    // The last row fails in the turn, after the others were added.
    for round in 1..40 {
        let text = |n: u32| format!("lost {round} {n}");
        let batch = (1..30).map(|n| word(n, &text(n), 1)).chain([word(99, "taken", 1)]);
        assert!(matches!(words.insert_many(batch), Err(Error::Batch { row: 29, .. })));
        assert_eq!((words.count(), words.get(&7), words.by_text(text(7).as_str())), (1, None, None));
        assert!(words.by_kind(&1).is_empty());
    }
    for n in 1..30 {
        words.insert(word(n, &format!("kept {n}"), 2))?;
    }
    for n in 1..30 {
        assert_eq!(words.require(&n)?.text, format!("kept {n}"));
        assert_eq!(words.by_text(format!("kept {n}").as_str()).map(|word| word.id), Some(n));
    }
    let then = before.bucket::<Word>()?;
    assert_eq!((then.count(), then.get(&7), then.by_text("kept 7")), (1, None, None));
    Ok(())
}

#[tokio::test]
async fn unique_values_of_a_failed_update_are_free() -> Result<(), Error> {
    let (_store, words) = words().await?;
    words.insert_many((1..20).map(|n| word(n, &format!("word {n}"), 1)))?;
    for _ in 0..20 {
        let changes = [
            (1, Word::patch().text("new")),
            (2, Word::patch().text("newer")),
            (3, Word::patch().text("taken")),
        ];
        assert!(matches!(words.update_many(changes), Err(Error::Batch { row: 2, .. })));
        assert_eq!((words.by_text("new"), words.by_text("newer")), (None, None));
    }
    words.update(&5, Word::patch().text("new"))?;
    assert_eq!(words.by_text("new").map(|word| word.id), Some(5));
    assert_eq!(words.by_text("word 1").map(|word| word.id), Some(1));
    Ok(())
}

#[tokio::test]
async fn a_snapshot_does_not_see_what_is_added_to_its_maps() -> Result<(), Error> {
    let (store, words) = words().await?;
    let mut snapshots = vec![store.snapshot()];
    for n in 1..200_u32 {
        words.insert(word(n, &n.to_string(), 1))?;
        if n.is_multiple_of(3) {
            words.delete(&(n / 3))?;
            words.insert(word(n / 3, &(n / 3).to_string(), 2))?;
        }
        snapshots.push(store.snapshot());
    }
    for (n, snapshot) in (0_u32..).zip(&snapshots) {
        let words = snapshot.bucket::<Word>()?;
        for other in 1..200 {
            let seen = words.get(&other).map(|word| word.id);
            assert_eq!(seen, (other <= n).then_some(other));
            assert_eq!(words.by_text(other.to_string().as_str()).map(|word| word.id), seen);
        }
    }
    Ok(())
}

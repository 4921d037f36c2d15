//! Pages and walks: a walk over pages is the list, whatever the filter, the order and the size; and a cursor stays good
//! whatever happens to its record.

mod common;

use std::cmp::Ordering;

use common::store_of;
use noex_store::OrderKey;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "songs", index(album, track))]
struct Song {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    album: String,
    track: u8,
    /// Without an index, and with many ties.
    stars: u8,
    /// Missing in some.
    #[bucket(index)]
    year: Option<u16>,
    /// Missing in some, and without an index.
    length: Option<u32>,
    score: f64,
}

/// Neighbours in the order of insertion are no neighbours in any other order.
fn song(id: u32) -> Song {
    Song {
        id,
        album: ["Mars", "Venus", "Earth", "Moon"][(id * 7 % 4) as usize].to_owned(),
        track: (id * 5 % 9) as u8,
        stars: (id * 11 % 3) as u8,
        year: (!id.is_multiple_of(3)).then_some(1990 + (id * 13 % 6) as u16),
        length: (id % 4 != 1).then_some(id * 17 % 5),
        score: f64::from(id * 3 % 7) / 7.0,
    }
}

const SONGS: u32 = 40;

fn songs() -> (Store, BucketHandle<Song>) {
    let (store, songs) = store_of::<Song>();
    songs.insert_many((0..SONGS).map(song)).expect("good");
    (store, songs)
}

fn ids(records: &[Record<Song>]) -> Vec<u32> {
    records.iter().map(|song| song.id).collect()
}

/// The ids of each page, and nothing else than what a walk should see on its way.
#[track_caller]
fn walk(select: &Select<'_, Song>, size: usize) -> Vec<Vec<u32>> {
    let mut pages = Vec::new();
    let mut page = select.paginate(Page::first(size));
    loop {
        assert_eq!(page.has_more, page.next_cursor.is_some(), "a cursor just where there is more");
        pages.push(ids(&page.records));
        assert!(pages.len() <= SONGS as usize, "no end");
        let Some(cursor) = page.next_cursor else { return pages };
        assert_eq!(page.records.len(), size, "only the last page may be short");
        page = select.paginate(Page::first(size).after(cursor)).expect("its own cursor");
    }
}

/// The walk gives what `collect` gives, for every size.
#[track_caller]
fn walks_as_collected(select: &Select<'_, Song>) {
    let expected = ids(&select.collect());
    for size in [1, 2, 3, 5, 7, expected.len(), expected.len() + 1, 1_000] {
        if size > 0 {
            assert_eq!(walk(select, size).concat(), expected, "by {size}: {select:?}");
        }
    }
    assert_eq!(
        select.iter().take(SONGS as usize + 1).map(|song| song.id).collect::<Vec<_>>(),
        expected,
        "iter: {select:?}"
    );
}

// Orders.

#[test]
fn pages_come_in_the_order_of_insertion() {
    let (_store, songs) = songs();
    let first = songs.paginate(Page::first(3));
    assert_eq!((ids(&first.records), first.has_more), (vec![0, 1, 2], true));
    let second =
        songs.paginate(Page::first(2).after(first.next_cursor.expect("there is more"))).expect("its own");
    assert_eq!(ids(&second.records), [3, 4], "each page may have its own size");
}

#[test]
fn an_update_keeps_the_place_of_a_record() {
    let (_store, songs) = songs();
    songs.update(&1, Song::patch().stars(9)).expect("there");
    songs.upsert(Song { stars: 9, ..song(2) }).expect("there");
    assert_eq!(ids(&songs.paginate(Page::first(4)).records), [0, 1, 2, 3]);
}

#[test]
fn ties_come_in_the_order_of_insertion_in_both_directions() {
    let (_store, songs) = songs();
    let by_stars = |stars: u8| (0..SONGS).filter(move |id| song(*id).stars == stars);
    let up: Vec<u32> = (0..3).flat_map(by_stars).collect();
    let down: Vec<u32> = (0..3).rev().flat_map(by_stars).collect();
    assert_eq!(walk(&songs.order_by(Song::STARS.asc()), 4).concat(), up);
    assert_eq!(walk(&songs.order_by(Song::STARS.desc()), 4).concat(), down);
}

#[test]
fn ties_come_in_the_order_of_insertion_along_an_index_too() {
    let (_store, songs) = songs();
    let by_album = |album: &'static str| (0..SONGS).filter(move |id| song(*id).album == album);
    let albums = ["Earth", "Mars", "Moon", "Venus"];
    let down: Vec<u32> = albums.into_iter().rev().flat_map(by_album).collect();
    let select = songs.order_by(Song::ALBUM.desc());
    assert_eq!(select.explain().index(), Some("album"));
    for size in [1, 4, 9, 10, 11] {
        assert_eq!(walk(&select, size).concat(), down);
    }
}

#[test]
fn a_missing_value_comes_first_and_last_when_backwards() {
    let (_store, songs) = songs();
    let missing = (0..SONGS).filter(|id| song(*id).length.is_none()).count();
    let up = walk(&songs.order_by(Song::LENGTH.asc()), 3).concat();
    assert!(up[..missing].iter().all(|id| song(*id).length.is_none()));
    let down = walk(&songs.order_by(Song::LENGTH.desc()), 3).concat();
    assert!(down[down.len() - missing..].iter().all(|id| song(*id).length.is_none()));
    walks_as_collected(&songs.order_by(Song::LENGTH.asc()));
    walks_as_collected(&songs.order_by(Song::YEAR.asc()));
    walks_as_collected(&songs.order_by(Song::YEAR.desc()));
}

#[test]
fn pages_along_a_compound_index() {
    let (_store, songs) = songs();
    let both = songs.order_by((Song::ALBUM.desc(), Song::TRACK.desc()));
    assert_eq!(both.explain().index(), Some("album_and_track"));
    walks_as_collected(&both);
    let rest = songs.filter(Song::ALBUM.eq("Moon")).order_by(Song::TRACK.desc());
    assert_eq!(rest.explain().index(), Some("album_and_track"));
    walks_as_collected(&rest);
}

#[test]
fn a_walk_is_the_list_for_every_filter_and_order() {
    let (_store, songs) = songs();
    let filters = [
        Filter::all(),
        Filter::none(),
        Song::ALBUM.eq("Mars"),
        Song::ALBUM.ne("Mars"),
        Song::ALBUM.is_in(["Moon", "Venus"]),
        Song::YEAR.between(1991..1994),
        Song::YEAR.is_none(),
        Song::STARS.eq(1),
        Song::ALBUM.eq("Moon").and(Song::TRACK.lt(5)),
        Song::ALBUM.eq("Moon").or(Song::YEAR.eq(1992)),
        Song::ID.is_in([3_u32, 30, 7, 21, 2]),
        Song::ID.eq(5_u32).or(Song::STARS.eq(2)),
        Song::SCORE.gt(0.3).and(Song::YEAR.is_some()),
    ];
    // Each order, and what it means.
    type Meaning = fn(&Song, &Song) -> Ordering;
    let orders: [(Vec<OrderKey<Song>>, Meaning); 12] = [
        (vec![], |_, _| Ordering::Equal),
        (vec![Song::ID.desc()], |a, b| b.id.cmp(&a.id)),
        (vec![Song::ALBUM.asc()], |a, b| a.album.cmp(&b.album)),
        (vec![Song::ALBUM.desc()], |a, b| b.album.cmp(&a.album)),
        (vec![Song::STARS.desc()], |a, b| b.stars.cmp(&a.stars)),
        (vec![Song::YEAR.asc()], |a, b| a.year.cmp(&b.year)),
        (vec![Song::YEAR.desc()], |a, b| b.year.cmp(&a.year)),
        (vec![Song::LENGTH.desc(), Song::STARS.asc()], |a, b| (b.length, a.stars).cmp(&(a.length, b.stars))),
        (vec![Song::ALBUM.asc(), Song::TRACK.asc()], |a, b| (&a.album, a.track).cmp(&(&b.album, b.track))),
        (vec![Song::ALBUM.asc(), Song::TRACK.desc()], |a, b| (&a.album, b.track).cmp(&(&b.album, a.track))),
        (vec![Song::SCORE.asc()], |a, b| a.score.total_cmp(&b.score)),
        (vec![Song::TRACK.desc(), Song::YEAR.asc(), Song::SCORE.desc()], |a, b| {
            (b.track, a.year).cmp(&(a.track, b.year)).then(b.score.total_cmp(&a.score))
        }),
    ];
    for filter in &filters {
        for (order, meaning) in &orders {
            let select = songs.filter(filter.clone()).order_by(order.clone());
            let mut expected: Vec<Song> = (0..SONGS).map(song).filter(|song| filter.matches(song)).collect();
            expected.sort_by(meaning);
            let expected: Vec<u32> = expected.iter().map(|song| song.id).collect();
            assert_eq!(ids(&select.collect()), expected, "{select:?}");
            walks_as_collected(&select);
            walks_as_collected(&select.clone().limit(7).offset(3));
        }
    }
}

// Limit and offset.

#[test]
fn a_limit_is_one_over_all_pages() {
    let (_store, songs) = songs();
    let select = songs.filter(Filter::all()).limit(7);
    assert_eq!(walk(&select, 3), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    assert_eq!(walk(&select, 7), [vec![0, 1, 2, 3, 4, 5, 6]]);
}

#[test]
fn an_offset_is_left_out_once() {
    let (_store, songs) = songs();
    let select = songs.filter(Filter::all()).offset(36);
    assert_eq!(walk(&select, 3), [vec![36, 37, 38], vec![39]]);
    let sorted = songs.order_by(Song::STARS.desc());
    assert_eq!(walk(&sorted.clone().offset(5).limit(8), 3).concat(), ids(&sorted.collect())[5..13]);
}

#[test]
fn a_limit_of_none_has_no_pages() {
    let (_store, songs) = songs();
    let page = songs.filter(Filter::all()).limit(0).paginate(Page::first(3));
    assert_eq!((page.records.len(), page.has_more, page.next_cursor), (0, false, None));
}

// Ends.

#[test]
fn an_exact_multiple_ends_without_an_empty_page() {
    let (_store, songs) = songs();
    let pages = walk(&songs.filter(Filter::all()), 20);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20]);
    let whole = songs.paginate(Page::first(SONGS as usize));
    assert_eq!((whole.records.len(), whole.has_more, whole.next_cursor), (SONGS as usize, false, None));
}

#[test]
fn an_empty_result_is_one_empty_page() {
    let (_store, songs) = songs();
    let page = songs.filter(Song::ALBUM.eq("Pluto")).paginate(Page::first(3));
    assert_eq!((page.records.len(), page.has_more, page.next_cursor), (0, false, None));
}

#[test]
fn the_largest_size_is_everything() {
    let (_store, songs) = songs();
    assert_eq!(songs.paginate(Page::first(usize::MAX)).records.len(), SONGS as usize);
    let cursor = songs.paginate(Page::first(1)).next_cursor.expect("there is more");
    let rest = songs.paginate(Page::first(usize::MAX).after(cursor)).expect("its own");
    assert_eq!(rest.records.len(), SONGS as usize - 1);
}

#[test]
fn a_page_of_size_0_tells_whether_there_is_more_and_stays_where_it_is() {
    let (_store, songs) = songs();
    let page = songs.paginate(Page::first(0));
    assert_eq!((page.records.len(), page.has_more, page.next_cursor), (0, true, None));
    let cursor = songs.paginate(Page::first(38)).next_cursor.expect("there is more");
    let page = songs.paginate(Page::first(0).after(cursor.clone())).expect("its own");
    assert_eq!((page.records.len(), page.has_more, page.next_cursor), (0, true, Some(cursor.clone())));
    songs.delete_many([38_u32, 39]).expect("there");
    let page = songs.paginate(Page::first(0).after(cursor.clone())).expect("its own");
    assert_eq!((page.records.len(), page.has_more, page.next_cursor), (0, false, Some(cursor)));
    let empty = songs.filter(Filter::none()).paginate(Page::first(0));
    assert_eq!((empty.has_more, empty.next_cursor), (false, None));
}

// Cursors outlive what they point to.

#[test]
fn a_cursor_survives_being_written_down() {
    let (_store, songs) = songs();
    let order = || (Song::SCORE.asc(), Song::LENGTH.desc(), Song::ALBUM.asc());
    let select = songs.order_by(order());
    let expected = ids(&select.collect());
    for size in [1, 3] {
        let mut seen = Vec::new();
        let mut page = select.paginate(Page::first(size));
        loop {
            seen.extend(ids(&page.records));
            assert!(seen.len() <= expected.len(), "no end");
            let Some(cursor) = page.next_cursor else { break };
            let text = cursor.to_string();
            assert!(
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "safe in a URL: {text}"
            );
            let parsed: Cursor = text.parse().expect("its own text");
            let json = serde_json::to_string(&cursor).expect("a string");
            assert_eq!(json, format!("\"{text}\""));
            let read: Cursor = serde_json::from_str(&json).expect("its own text");
            assert_eq!((&parsed, &read), (&cursor, &cursor));
            page = select.paginate(Page::first(size).after(read)).expect("its own cursor");
        }
        assert_eq!(seen, expected);
    }
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "odds")]
struct Odd {
    #[bucket(key)]
    id: u32,
    #[bucket(allow_non_finite)]
    float: f64,
    #[bucket(allow_non_finite)]
    small: f32,
    wide: u128,
    signed: i128,
    text: String,
    pair: (i8, Option<bool>),
}

#[test]
fn a_cursor_holds_every_kind_of_value_exactly() {
    let (_store, odds) = store_of::<Odd>();
    let floats = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.1 + 0.2,
        5e-324,
        1.797_693_134_862_315_7e308,
        2.5e-300,
    ];
    for id in 0..200 {
        let float = match floats.get(id as usize % 20) {
            Some(float) => *float,
            // Many digits: to be read back to the bit.
            None => f64::from(id % 50) / 7.3 * 1.0e-5_f64.powi((id % 5) as i32),
        };
        odds.insert(Odd {
            id,
            float,
            small: float as f32,
            wide: u128::MAX - u128::from(id % 7),
            signed: i128::MIN + i128::from(id % 7),
            text: ["", "\"", "ž\n", "null", "🦀"][id as usize % 5].to_owned(),
            pair: ((id % 3) as i8 - 1, [None, Some(false), Some(true)][id as usize % 3]),
        })
        .expect("good");
    }
    let orders = [
        Odd::FLOAT.asc(),
        Odd::FLOAT.desc(),
        Odd::SMALL.asc(),
        Odd::WIDE.desc(),
        Odd::SIGNED.asc(),
        Odd::TEXT.asc(),
        Odd::PAIR.desc(),
    ];
    for order in orders {
        let select = odds.order_by(order);
        let expected: Vec<u32> = select.collect().iter().map(|odd| odd.id).collect();
        let mut seen = Vec::new();
        let mut page = select.paginate(Page::first(1));
        loop {
            seen.extend(page.records.iter().map(|odd| odd.id));
            assert!(seen.len() <= expected.len(), "no end");
            let Some(cursor) = page.next_cursor else { break };
            let cursor: Cursor = cursor.to_string().parse().expect("its own text");
            page = select.paginate(Page::first(1).after(cursor)).expect("its own cursor");
        }
        assert_eq!(seen, expected, "{select:?}");
    }
}

#[test]
fn a_cursor_survives_the_deletion_of_its_record() {
    for order in [
        vec![],
        vec![Song::STARS.desc()],
        vec![Song::ALBUM.asc()],
        vec![Song::ALBUM.desc(), Song::TRACK.desc()],
    ] {
        let (_store, songs) = songs();
        let select = songs.order_by(order);
        let expected = ids(&select.collect());
        let first = select.paginate(Page::first(5));
        songs.delete(&expected[4]).expect("there").expect("it is the last one of the page");
        let rest = select
            .paginate(Page::first(100).after(first.next_cursor.expect("there is more")))
            .expect("its own");
        assert_eq!(ids(&rest.records), expected[5..]);
    }
}

#[test]
fn a_cursor_survives_an_update_of_its_record() {
    let (_store, songs) = songs();
    let select = songs.order_by(Song::STARS.asc());
    let expected = ids(&select.collect());
    let first = select.paginate(Page::first(5));
    // The record moves to the end; the cursor stays at its old place.
    songs.update(&expected[4], Song::patch().stars(200)).expect("there");
    let rest =
        select.paginate(Page::first(100).after(first.next_cursor.expect("there is more"))).expect("its own");
    assert_eq!(ids(&rest.records), [&expected[5..], &expected[4..5]].concat());
}

#[test]
fn a_cursor_survives_the_deletion_of_everything() {
    let (_store, songs) = songs();
    let select = songs.order_by(Song::ALBUM.asc());
    let cursor = select.paginate(Page::first(5)).next_cursor.expect("there is more");
    songs.clear().expect("cleared");
    let rest = select.paginate(Page::first(5).after(cursor.clone())).expect("its own");
    assert_eq!((rest.records.len(), rest.has_more, rest.next_cursor), (0, false, None));
    songs.insert(Song { album: "Zeppelin".to_owned(), ..song(0) }).expect("good");
    songs.insert(Song { album: "Abba".to_owned(), ..song(1) }).expect("good");
    let rest = select.paginate(Page::first(5).after(cursor)).expect("its own");
    assert_eq!(ids(&rest.records), [0], "what comes after its place");
}

#[test]
fn what_is_inserted_meanwhile_is_seen_where_it_lies_ahead() {
    let (_store, songs) = songs();
    let select = songs.order_by(Song::ALBUM.asc());
    let first = select.paginate(Page::first(12));
    assert_eq!((first.records[0].album.as_str(), first.records[11].album.as_str()), ("Earth", "Mars"));
    songs.insert(Song { album: "Abba".to_owned(), ..song(100) }).expect("good");
    songs.insert(Song { album: "Zeppelin".to_owned(), ..song(101) }).expect("good");
    songs.insert(Song { album: "Mars".to_owned(), ..song(102) }).expect("good");
    let rest =
        select.paginate(Page::first(100).after(first.next_cursor.expect("there is more"))).expect("its own");
    let rest = ids(&rest.records);
    assert!(!rest.contains(&100), "before the place");
    assert!(rest.contains(&101) && rest.contains(&102), "after the place, a tie too");
    assert_eq!(rest.len(), SONGS as usize - 12 + 2, "and nothing twice or left out");
}

#[test]
fn a_cursor_works_in_a_snapshot_and_on_a_handle() {
    let (store, songs) = store_of::<Song>();
    songs.insert_many((0..SONGS).map(song)).expect("good");
    let snapshot = store.snapshot().bucket::<Song>().expect("defined");
    let cursor = songs.paginate(Page::first(30)).next_cursor.expect("there is more");
    songs.delete(&35).expect("there");
    let then = snapshot.paginate(Page::first(100).after(cursor.clone())).expect("its own");
    let now = songs.paginate(Page::first(100).after(cursor)).expect("its own");
    assert_eq!((then.records.len(), now.records.len()), (10, 9));
}

#[test]
fn a_cursor_works_for_a_question_that_is_built_again() {
    let (_store, songs) = songs();
    let ask = |after: Option<Cursor>| {
        let select = songs.filter(Song::ALBUM.eq("Mars").and(Song::STARS.lt(2))).order_by(Song::TRACK.desc());
        match after {
            None => Ok(select.paginate(Page::first(2))),
            Some(cursor) => select.paginate(Page::first(2).after(cursor)),
        }
    };
    let first = ask(None).expect("no cursor");
    let second = ask(first.next_cursor).expect("the same question");
    assert_eq!(second.records.len(), 2);
}

// Iterators.

#[test]
fn iter_reads_one_snapshot() {
    let (_store, songs) = songs();
    for order in [vec![], vec![Song::STARS.asc()], vec![Song::ALBUM.desc()]] {
        let select = songs.order_by(order);
        let expected = ids(&select.collect());
        let mut seen = Vec::new();
        for (at, record) in select.iter().enumerate() {
            seen.push(record.id);
            // Everything changes at each step.
            songs
                .update_where(Filter::all(), Song::patch().stars(at as u8).album(format!("{at}")))
                .expect("good");
            if at == 20 {
                songs.delete_where(Song::ID.lt(20_u32)).expect("good");
                songs.insert(song(500)).expect("good");
            }
        }
        assert_eq!(seen, expected);
        songs.clear().expect("cleared");
        songs.insert_many((0..SONGS).map(song)).expect("good");
    }
}

#[test]
fn iter_can_be_left_early_and_stays_at_its_end() {
    let (_store, songs) = songs();
    assert_eq!(songs.iter().take(3).map(|song| song.id).collect::<Vec<_>>(), [0, 1, 2]);
    let mut iter = songs.filter(Song::ID.lt(2_u32)).iter();
    assert_eq!((iter.next().map(|song| song.id), iter.next().map(|song| song.id)), (Some(0), Some(1)));
    songs.insert(song(60)).expect("good");
    assert_eq!((iter.next(), iter.next()), (None, None));
}

#[test]
fn a_select_is_iterated_like_a_list() {
    let (_store, songs) = songs();
    let mut seen = Vec::new();
    for song in &songs.order_by(Song::ID.desc()).limit(2) {
        seen.push(song.id);
    }
    for song in songs.filter(Song::ID.lt(2_u32)) {
        seen.push(song.id);
    }
    assert_eq!(seen, [39, 38, 0, 1]);
}

#[test]
fn first_and_last_are_the_ends_of_all() {
    let (_store, songs) = songs();
    assert_eq!((ids(&songs.first(2)), ids(&songs.last(2))), (vec![0, 1], vec![38, 39]));
    assert_eq!((songs.first(0).len(), songs.last(0).len()), (0, 0));
    assert_eq!((ids(&songs.first(100)), ids(&songs.last(100))), (ids(&songs.all()), ids(&songs.all())));
}

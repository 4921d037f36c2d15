//! What is told when, where a test from outside would have to hit a moment of nanoseconds.

use super::killed::{Item, store};
use super::wait;
use crate::engine::Version;

#[test]
fn a_commit_is_told_of_only_when_it_can_be_seen() {
    let (one, items) = store(5);
    let (other, others) = store(5);
    let mut events = one.events("**").expect("a good pattern");
    items.insert(Item { id: 1 }).expect("new");
    assert!(wait(events.next()).is_some());
    // The next commit is in the log, and its root is not published yet: the state between two steps of a writer.
    others.insert(Item { id: 1 }).expect("new");
    others.insert(Item { id: 2 }).expect("new");
    let next =
        other.commits().after(one.snapshot().version()).try_next().expect("kept").expect("there is one");
    assert_eq!(next.version(), Version(one.snapshot().version().get() + 1));
    one.engine.log().append([next]);
    // Whoever subscribes now is to be told of it; so it must not have been handed out to the others before.
    let mut changes = items.changes();
    wait(one.settle());
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(events.try_next().is_none() && changes.try_next().is_none());
    one.engine.publish_for_test(&other.engine);
    let late = one.events("**").expect("a good pattern");
    drop(late);
    assert!(wait(events.next()).is_some() && wait(changes.next()).is_some());
}

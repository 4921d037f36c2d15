//! Whether a thread that has nothing to do sleeps at once, or first looks out for what comes next.
//!
//! To sleep and be woken costs tens of microseconds, which is most of the time from a commit to its subscriber where commits come one
//! after the other. So whoever was woken soon looks out next time, for about as long as sleeping costs: then it takes at the worst twice
//! the time of the better choice (Karlin et al., *Empirical Studies of Competitive Spinning for a Shared-Memory Multiprocessor*, 1991);
//! and whoever has looked out in vain sleeps at once for a while, so that commits at longer intervals cost nothing more.

use std::hint;
use std::time::{Duration, Instant};

/// How long to look out. (The checker of interleavings has no time.)
const TIME: Duration = Duration::from_micros(if cfg!(shuttle) { 0 } else { 40 });
/// Whoever slept less, waking included, looks out next time.
const SOON: Duration = Duration::from_micros(if cfg!(shuttle) { 0 } else { 80 });
/// So often in a row a thread that has looked out in vain sleeps at once.
const PAUSE: u32 = 16;

#[derive(Debug, Default)]
pub(crate) struct LookOut {
    is_worth_it: bool,
    pause: u32,
}

impl LookOut {
    pub(crate) fn is_worth_it(&self) -> bool {
        self.is_worth_it
    }

    /// Looks out until there is something, or the time is over.
    pub(crate) fn until(&mut self, is_there: impl Fn() -> bool) {
        let begin = Instant::now();
        let mut found = is_there();
        while !found && begin.elapsed() < TIME {
            // Not `yield_now`: another thread on this core would keep it for its whole slice, and a thread that waits for a core is not
            // moved to a free one as one that is woken is.
            hint::spin_loop();
            found = is_there();
        }
        self.looked(found);
    }

    fn looked(&mut self, found: bool) {
        self.is_worth_it = found;
        if !found {
            self.pause = PAUSE;
        }
    }

    /// To be told how long the thread slept.
    pub(crate) fn slept(&mut self, time: Duration) {
        self.is_worth_it = self.pause == 0 && time < SOON;
        self.pause = self.pause.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_soon_is_looked_out_for() {
        let mut look_out = LookOut::default();
        assert!(!look_out.is_worth_it(), "nothing is known yet");
        look_out.slept(SOON * 2);
        assert!(!look_out.is_worth_it());
        look_out.slept(SOON / 2);
        assert!(look_out.is_worth_it());
        look_out.until(|| true);
        assert!(look_out.is_worth_it(), "as long as it finds something");
    }

    #[test]
    fn whoever_looked_out_in_vain_sleeps_for_a_while() {
        let mut look_out = LookOut::default();
        look_out.slept(Duration::ZERO);
        look_out.until(|| false);
        assert!(!look_out.is_worth_it());
        let sleeps = (1..).find(|_| {
            look_out.slept(Duration::ZERO);
            look_out.is_worth_it()
        });
        assert_eq!(sleeps, Some(PAUSE + 1));
    }
}

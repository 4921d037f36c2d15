//! Several answers of one commit.

use std::sync::Arc;

use super::context::QueryCtx;
use super::definition::{Params, Query};
use crate::error::Error;

/// Queries with their parameters, to be watched as one: a tuple of two to six pairs of a [`Query`] and its parameters.
pub trait Together: Send + Sync + 'static {
    /// The answers, in the same order.
    type Frame: PartialEq + Send + Sync + 'static;

    /// Asks all of them, of one snapshot.
    ///
    /// # Errors
    /// The first that there is.
    fn ask(&self, ctx: &QueryCtx<'_>) -> Result<Self::Frame, Error>;

    /// The queries' names.
    fn names(&self) -> Vec<String>;
}

macro_rules! together {
    ($($params:ident $value:ident $number:tt),+) => {
        impl<$($params: Params, $value: PartialEq + Send + Sync + 'static),+> Together
            for ($((Query<$params, $value>, $params),)+)
        {
            type Frame = ($(Arc<$value>,)+);

            fn ask(&self, ctx: &QueryCtx<'_>) -> Result<Self::Frame, Error> {
                Ok(($(ctx.query(&self.$number.0, &self.$number.1)?,)+))
            }

            fn names(&self) -> Vec<String> {
                vec![$(self.$number.0.name().to_owned()),+]
            }
        }
    };
}
together!(P0 T0 0, P1 T1 1);
together!(P0 T0 0, P1 T1 1, P2 T2 2);
together!(P0 T0 0, P1 T1 1, P2 T2 2, P3 T3 3);
together!(P0 T0 0, P1 T1 1, P2 T2 2, P3 T3 3, P4 T4 4);
together!(P0 T0 0, P1 T1 1, P2 T2 2, P3 T3 3, P4 T4 4, P5 T5 5);

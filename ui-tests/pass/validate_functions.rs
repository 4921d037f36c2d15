//! The user's own checks, on fields and on the whole struct, with errors of several types.

use std::fmt;

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(validate = Booking::in_order)]
struct Booking {
    #[bucket(key, validate = checks::not_zero)]
    id: u32,
    #[bucket(validate = even)]
    seats: u8,
    #[bucket(validate = checks::long)]
    note: Option<String>,
    #[bucket(validate = all_even)]
    rows: Vec<u8>,
    from: u32,
    to: u32,
}

impl Booking {
    fn in_order(&self) -> Result<(), String> {
        if self.from <= self.to { Ok(()) } else { Err(format!("{} is after {}", self.from, self.to)) }
    }
}

#[derive(Debug)]
struct Odd(u8);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is odd", self.0)
    }
}

fn even(value: &u8) -> Result<(), Odd> {
    if value % 2 == 0 { Ok(()) } else { Err(Odd(*value)) }
}

fn all_even(values: &Vec<u8>) -> Result<(), Odd> {
    values.iter().try_for_each(even)
}

mod checks {
    pub(super) fn not_zero<T: Default + PartialEq>(value: &T) -> Result<(), &'static str> {
        if *value == T::default() { Err("must not be zero") } else { Ok(()) }
    }

    pub(super) fn long(text: &String) -> Result<(), std::borrow::Cow<'static, str>> {
        if text.len() > 3 { Ok(()) } else { Err("is too short".into()) }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Booking>().start().await?;
    let bookings = store.bucket::<Booking>()?;
    let draft = || Booking::draft().id(1).rows([2, 4]).from(1_u32).to(2_u32);
    let booking = bookings.insert(draft().seats(2))?;
    assert_eq!(booking.note, None);
    let bad =
        bookings.insert(Booking { id: 0, seats: 3, note: Some("a".into()), rows: vec![5], from: 9, to: 1 });
    let Err(Error::Validation { bucket: "booking", issues }) = bad else { panic!("everything is wrong") };
    let messages: Vec<String> = issues.iter().map(|issue| issue.message.clone()).collect();
    assert_eq!(messages, ["must not be zero", "3 is odd", "is too short", "5 is odd", "9 is after 1"]);
    assert!(bookings.update(&1, Booking::patch().to(0_u32)).is_err());
    Ok(())
}

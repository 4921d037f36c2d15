//! Sums that neither overflow nor lose what is small.

use std::fmt;

/// Numbers that can be summed without overflow: integers widen to 128 bits, floats to `f64`.
#[diagnostic::on_unimplemented(
    message = "`sum` and `avg` need numbers, and `{Self}` is not one",
    label = "not a field of numbers",
    note = "for the number of records use `count()`; `min` and `max` work on anything that has an order"
)]
pub trait Summable: Copy + PartialEq + Send + Sync + 'static {
    /// What a sum of such numbers is.
    type Sum: Copy + Default + fmt::Debug + PartialEq + Send + Sync + 'static;
    #[doc(hidden)]
    type Adder: Adder<Self, Self::Sum>;
}

/// A sum in the making.
#[doc(hidden)]
pub trait Adder<T, S>: Default + Send {
    fn add(&mut self, value: T);
    fn sum(&self) -> S;
    fn as_f64(&self) -> f64;
}

/// A sum of integers, which stays at the end of its range instead of overflowing.
#[doc(hidden)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Whole<S>(S);

/// A sum of floats with a running compensation, so that the order of many small numbers hardly matters. Source: A. Neumaier,
/// *Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen*, 1974.
#[doc(hidden)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Compensated {
    sum: f64,
    lost: f64,
}

macro_rules! summable {
    ($($sum:ty: $($number:ty),*;)*) => { $(
        $(#[diagnostic::do_not_recommend]
        impl Summable for $number {
            type Sum = $sum;
            type Adder = Whole<$sum>;
        }
        impl Adder<$number, $sum> for Whole<$sum> {
            fn add(&mut self, value: $number) {
                self.0 = self.0.saturating_add(<$sum>::from(value));
            }
            fn sum(&self) -> $sum {
                self.0
            }
            fn as_f64(&self) -> f64 {
                self.0 as f64
            }
        })*
    )* };
}
summable! { u128: u8, u16, u32, u64, u128; i128: i8, i16, i32, i64, i128; }

macro_rules! summable_sizes {
    ($($number:ty => $sum:ty),*) => { $(
        #[diagnostic::do_not_recommend]
        impl Summable for $number {
            type Sum = $sum;
            type Adder = Whole<$sum>;
        }
        impl Adder<$number, $sum> for Whole<$sum> {
            fn add(&mut self, value: $number) {
                self.0 = self.0.saturating_add(value as $sum);
            }
            fn sum(&self) -> $sum {
                self.0
            }
            fn as_f64(&self) -> f64 {
                self.0 as f64
            }
        }
    )* };
}
summable_sizes!(usize => u128, isize => i128);

macro_rules! summable_floats {
    ($($number:ty),*) => { $(
        #[diagnostic::do_not_recommend]
        impl Summable for $number {
            type Sum = f64;
            type Adder = Compensated;
        }
        impl Adder<$number, f64> for Compensated {
            fn add(&mut self, value: $number) {
                let value = f64::from(value);
                let sum = self.sum + value;
                // Of infinities there is nothing to compensate.
                if sum.is_finite() {
                    self.lost += if self.sum.abs() >= value.abs() {
                        (self.sum - sum) + value
                    } else {
                        (value - sum) + self.sum
                    };
                }
                self.sum = sum;
            }
            fn sum(&self) -> f64 {
                self.sum + self.lost
            }
            fn as_f64(&self) -> f64 {
                self.sum + self.lost
            }
        }
    )* };
}
summable_floats!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_overflow() {
        let mut sum = <u64 as Summable>::Adder::default();
        sum.add(u64::MAX);
        sum.add(u64::MAX);
        assert_eq!(Adder::<u64, u128>::sum(&sum), u128::from(u64::MAX) * 2);
        let mut sum = <i128 as Summable>::Adder::default();
        sum.add(i128::MAX);
        sum.add(1_i128);
        assert_eq!(Adder::<i128, i128>::sum(&sum), i128::MAX);
    }

    #[test]
    fn float_sums_keep_what_is_small() {
        let mut sum = Compensated::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            Adder::<f64, f64>::add(&mut sum, value);
        }
        assert_eq!(Adder::<f64, f64>::sum(&sum), 2.0);
        let mut sum = Compensated::default();
        for value in [f64::INFINITY, 1.0] {
            Adder::<f64, f64>::add(&mut sum, value);
        }
        assert_eq!(Adder::<f64, f64>::sum(&sum), f64::INFINITY);
    }
}

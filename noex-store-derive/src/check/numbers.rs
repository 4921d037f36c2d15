//! Number literals, compared without loss.

use std::cmp::Ordering;

use syn::{Expr, Lit, UnOp};

use crate::parse::literal;
use crate::types::Shape;

/// The value of a literal with or without a minus.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer { negative: bool, magnitude: u128 },
    Float(f64),
}

impl Number {
    /// The number that an expression is, if it is a literal.
    pub(super) fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => Some(match Self::of(&unary.expr)? {
                Self::Integer { negative, magnitude } => Self::Integer { negative: !negative, magnitude },
                Self::Float(value) => Self::Float(-value),
            }),
            Expr::Group(group) => Self::of(&group.expr),
            Expr::Paren(paren) => Self::of(&paren.expr),
            expr => match literal(expr)? {
                // A suffix of a float makes `1f64` one.
                Lit::Int(int) if int.suffix().starts_with('f') => int.base10_parse().ok().map(Self::Float),
                Lit::Int(int) => {
                    int.base10_parse().ok().map(|magnitude| Self::Integer { negative: false, magnitude })
                }
                Lit::Float(float) => float.base10_parse().ok().map(Self::Float),
                _ => None,
            },
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float(_))
    }

    /// Whether it lies in the range of an integer type.
    pub(super) fn fits(self, shape: &Shape) -> bool {
        match (self, shape) {
            (Self::Integer { negative: false, magnitude }, Shape::Integer { max, .. }) => magnitude <= *max,
            (Self::Integer { negative: true, magnitude }, Shape::Integer { min, .. }) => {
                magnitude <= min.unwrap_or_default()
            }
            _ => true,
        }
    }

    fn as_f64(self) -> f64 {
        match self {
            Self::Integer { negative, magnitude } => {
                let magnitude = magnitude as f64;
                if negative { -magnitude } else { magnitude }
            }
            Self::Float(value) => value,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let sign = |negative: bool, magnitude: u128| negative && magnitude != 0;
        match (*self, *other) {
            (
                Self::Integer { negative: a_negative, magnitude: a },
                Self::Integer { negative: b_negative, magnitude: b },
            ) => Some(match (sign(a_negative, a), sign(b_negative, b)) {
                (false, false) => a.cmp(&b),
                (true, true) => b.cmp(&a),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
            }),
            (a, b) => a.as_f64().partial_cmp(&b.as_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::Number;
    use crate::types::Shape;

    #[test]
    fn literals_compare_by_value() {
        let of = |expr: syn::Expr| Number::of(&expr);
        assert!(of(parse_quote!(-1)) < of(parse_quote!(0)));
        assert!(of(parse_quote!(-2)) < of(parse_quote!(-1)));
        assert!(of(parse_quote!(1_000)) > of(parse_quote!(0xff_u16)));
        assert!(of(parse_quote!(0.5)) < of(parse_quote!(1)));
        assert_eq!(of(parse_quote!(-0)), of(parse_quote!(0)));
        assert_eq!(of(parse_quote!(1f64)), of(parse_quote!(1.0)));
        assert!(of(parse_quote!(LIMIT)).is_none());
    }

    #[test]
    fn ranges_of_integer_types() {
        let fits =
            |expr: syn::Expr, ty: syn::Type| Number::of(&expr).map(|number| number.fits(&Shape::of(&ty)));
        assert_eq!(fits(parse_quote!(255), parse_quote!(u8)), Some(true));
        assert_eq!(fits(parse_quote!(256), parse_quote!(u8)), Some(false));
        assert_eq!(fits(parse_quote!(-1), parse_quote!(u8)), Some(false));
        assert_eq!(fits(parse_quote!(-0), parse_quote!(u8)), Some(true));
        assert_eq!(fits(parse_quote!(-128), parse_quote!(i8)), Some(true));
        assert_eq!(fits(parse_quote!(-129), parse_quote!(i8)), Some(false));
    }
}

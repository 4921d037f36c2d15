//! Tokens as a person would write them: what schemas and messages show of types and expressions.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The text of some tokens. The compiler's own rendering puts spaces between all of them, and its version of it changes.
pub(crate) fn text(tokens: impl ToTokens) -> String {
    let mut printer = Printer::default();
    printer.stream(tokens.to_token_stream());
    printer.text
}

#[derive(Default)]
struct Printer {
    text: String,
    last: Last,
}

/// What was printed last.
#[derive(Default, Clone, Copy, PartialEq)]
enum Last {
    /// Nothing, or what takes no space after it: an opening bracket, a prefix, a path's `::`.
    #[default]
    Open,
    /// A name, a literal or a closing bracket.
    Operand,
    /// A lone `,`, `;`, `=`, or an operator between operands.
    Spaced,
    /// A punctuation mark that joins the next.
    Joint,
}

impl Printer {
    fn stream(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => (" { ", " }"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    if self.last == Last::Spaced {
                        self.text.push(' ');
                    }
                    self.text.push_str(if self.last == Last::Spaced { open.trim_start() } else { open });
                    self.last = Last::Open;
                    self.stream(group.stream());
                    self.text.push_str(close);
                    self.last = Last::Operand;
                }
                TokenTree::Punct(mark) => {
                    let joint = mark.spacing() == Spacing::Joint
                        && matches!(tokens.peek(), Some(TokenTree::Punct(_)))
                        && mark.as_char() != '>';
                    self.mark(mark.as_char(), joint);
                }
                TokenTree::Ident(name) => self.operand(&name.to_string()),
                TokenTree::Literal(literal) => self.operand(&literal.to_string()),
            }
        }
    }

    fn operand(&mut self, text: &str) {
        if matches!(self.last, Last::Operand | Last::Spaced) {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self.last = Last::Operand;
    }

    fn mark(&mut self, mark: char, joint: bool) {
        let after_operand = self.last == Last::Operand;
        let between = match mark {
            ',' | ';' | '?' | '.' | ':' | '<' | '>' | '!' | '#' | '\'' | '@' | '$' | '~' => false,
            _ => after_operand,
        };
        if self.last == Last::Spaced || between {
            self.text.push(' ');
        }
        let second_colon = mark == ':' && self.text.ends_with(':');
        let arrow = mark == '>' && (self.text.ends_with('-') || self.text.ends_with('='));
        self.text.push(mark);
        self.last = match mark {
            _ if joint => Last::Joint,
            _ if arrow => Last::Spaced,
            ':' if second_colon => Last::Open,
            ',' | ';' | ':' => Last::Spaced,
            '>' | '?' => Last::Operand,
            '<' | '.' | '!' | '#' | '\'' | '@' | '$' | '~' => Last::Open,
            _ if between || self.last == Last::Joint => Last::Spaced,
            _ => Last::Open,
        };
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::text;

    #[test]
    fn as_a_person_writes() {
        assert_eq!(text(quote!(Option<Vec<String>>)), "Option<Vec<String>>");
        assert_eq!(
            text(quote!(std::collections::HashMap<String, u8>)),
            "std::collections::HashMap<String, u8>"
        );
        assert_eq!(text(quote!([f64; 3])), "[f64; 3]");
        assert_eq!(text(quote!(Role::User)), "Role::User");
        assert_eq!(text(quote!(-1)), "-1");
        assert_eq!(text(quote!(&'static str)), "&'static str");
        assert_eq!(
            text(quote!(Money::new(1, -2).unwrap_or(ZERO + 1))),
            "Money::new(1, -2).unwrap_or(ZERO + 1)"
        );
        assert_eq!(text(quote!(vec!["a".to_owned()])), "vec![\"a\".to_owned()]");
        assert_eq!(text(quote!(::std::string::String)), "::std::string::String");
        assert_eq!(text(quote!(fn(u8) -> u8)), "fn(u8) -> u8");
    }
}

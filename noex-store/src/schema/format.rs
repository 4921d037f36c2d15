//! The named formats of text fields.

use std::str::FromStr;

use super::Format;

impl Format {
    /// Whether a text has this format. O(length), no allocation for addresses and dates.
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Url => is_url(text),
            Self::IsoDate => is_iso_date(text),
        }
    }

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Email => "an e-mail address",
            Self::Url => "an http or https URL",
            Self::IsoDate => "an ISO 8601 date",
        }
    }
}

fn is_email(text: &str) -> bool {
    let options =
        email_address::Options::default().with_required_tld().without_display_text().without_domain_literal();
    email_address::EmailAddress::parse_with_options(text, options).is_ok()
}

fn is_url(text: &str) -> bool {
    // The parser trims and repairs as browsers do; a stored value should be the URL itself.
    !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        && text.get(..8).or(text.get(..7)).is_some_and(|head| head.to_ascii_lowercase().contains("://"))
}

fn is_iso_date(text: &str) -> bool {
    // An instant with an offset, a date and time without one, or a date alone.
    jiff::Timestamp::from_str(text).is_ok()
        || (!text.contains('[')
            && text.parse::<jiff::civil::DateTime>().is_ok()
            && !text.ends_with(['z', 'Z']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email() {
        for good in ["a@b.cz", "first.last+tag@sub.example.com", "o'neil@example.ie", "ünï@example.org"] {
            assert!(Format::Email.accepts(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@b",
            "@b.cz",
            "a@",
            "a@b.cz ",
            "a b@c.cz",
            "A <a@b.cz>",
            "a@@b.cz",
            "a@.cz",
            "a@[127.0.0.1]",
        ] {
            assert!(!Format::Email.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn url() {
        for good in ["http://example.com", "https://example.com:8080/a?b=c#d", "HTTPS://EXAMPLE.COM"] {
            assert!(Format::Url.accepts(good), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "javascript:alert(1)",
            "ftp://example.com",
            "http://",
            "http:example.com",
            " http://a.cz",
            "http://a b.cz",
        ] {
            assert!(!Format::Url.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn iso_date() {
        for good in [
            "2024-02-29",
            "2013-01-01T05:15:00Z",
            "2013-01-01T05:15:00.123Z",
            "2013-01-01T05:15:00+02:00",
            "2013-01-01T23:59:59-11:30",
            "2013-01-01T05:15:00",
        ] {
            assert!(Format::IsoDate.accepts(good), "{good}");
        }
        for bad in [
            "",
            "2023-02-29",
            "2013-13-01",
            "2013-1-1",
            "01/02/2013",
            "2013-01-01T25:00:00Z",
            "yesterday",
            "2013",
        ] {
            assert!(!Format::IsoDate.accepts(bad), "{bad}");
        }
    }
}

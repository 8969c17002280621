//! What time it is, and how it is written. Times of day are seconds since 1970 (UTC), with a fraction.

use std::time::UNIX_EPOCH;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::clock;
use crate::limits::TIME_FORMAT_BYTES_MAX;

/// Why a time cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    #[error("{0} is not a time between the years -9999 and 9999")]
    OutOfRange(String),
    #[error("not an HTTP date, as in `Sun, 06 Nov 1994 08:49:37 GMT`")]
    NotHttp,
    #[error("not a time of RFC 3339, as in `1994-11-06T08:49:37Z`: {0}")]
    NotRfc3339(String),
    #[error("a time cannot be written so: {0}")]
    Format(String),
    #[error("the text is no such time: {0}")]
    NoMatch(String),
    #[error("a format of more than {TIME_FORMAT_BYTES_MAX} bytes")]
    FormatTooLong,
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    clock::wall().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Milliseconds since the process began; it never goes back, and stands still within one turn of a worker.
#[must_use]
pub fn monotonic_ms() -> u64 {
    clock::now()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub fn http(at: f64) -> Result<String, TimeError> {
    let at = timestamp(at)?;
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).map_err(|why| TimeError::Format(why.to_string()))
}

/// Reads all three formats that RFC 9110 knows.
pub fn parse_http(text: &[u8]) -> Result<f64, TimeError> {
    let text = std::str::from_utf8(text).map_err(|_| TimeError::NotHttp)?.trim_matches([' ', '\t']);
    let read = |format: &str| strtime::parse(format, text).ok().and_then(|broken| broken.to_datetime().ok());
    let fixed = read("%a, %d %b %Y %H:%M:%S GMT").or_else(|| read("%a %b %e %H:%M:%S %Y"));
    let civil = fixed.or_else(|| read("%A, %d-%b-%y %H:%M:%S GMT").and_then(century));
    let at = civil.and_then(|civil| TimeZone::UTC.to_timestamp(civil).ok()).ok_or(TimeError::NotHttp)?;
    Ok(seconds(at))
}

/// Two digits of a year that seem more than 50 years ahead are of the century before (RFC 9110, 5.6.7).
fn century(civil: DateTime) -> Option<DateTime> {
    let year = civil.year().rem_euclid(100);
    let today = Timestamp::try_from(clock::wall()).ok()?.to_zoned(TimeZone::UTC).year();
    let this = today - today.rem_euclid(100) + year;
    let year = if this > today + 50 { this - 100 } else { this };
    civil.with().year(year).build().ok()
}

/// `1994-11-06T08:49:37Z`, with a fraction where there is one.
pub fn rfc3339(at: f64) -> Result<String, TimeError> {
    Ok(timestamp(at)?.to_string())
}

/// Any offset is taken.
pub fn parse_rfc3339(text: &[u8]) -> Result<f64, TimeError> {
    let text = std::str::from_utf8(text).map_err(|_| TimeError::NotRfc3339("not UTF-8".into()))?;
    let at: Timestamp = text.parse().map_err(|why: jiff::Error| TimeError::NotRfc3339(why.to_string()))?;
    Ok(seconds(at))
}

/// As `strftime` writes it, in UTC: `%Y-%m-%d %H:%M:%S`.
pub fn format(format: &str, at: f64) -> Result<String, TimeError> {
    if format.len() > TIME_FORMAT_BYTES_MAX {
        return Err(TimeError::FormatTooLong);
    }
    let zoned = timestamp(at)?.to_zoned(TimeZone::UTC);
    strtime::format(format, &zoned).map_err(|why| TimeError::Format(why.to_string()))
}

/// As `strptime` reads it; without an offset it is UTC, without a time of day it is midnight.
pub fn parse(format: &str, text: &[u8]) -> Result<f64, TimeError> {
    if format.len() > TIME_FORMAT_BYTES_MAX {
        return Err(TimeError::FormatTooLong);
    }
    let wrong = |why: jiff::Error| TimeError::NoMatch(why.to_string());
    let broken = strtime::parse(format, text).map_err(wrong)?;
    if broken.offset().is_some() || broken.timestamp().is_some() {
        return Ok(seconds(broken.to_timestamp().map_err(wrong)?));
    }
    let civil = broken.to_datetime().or_else(|_| broken.to_date().map(|date| date.at(0, 0, 0, 0))).map_err(wrong)?;
    Ok(seconds(TimeZone::UTC.to_timestamp(civil).map_err(wrong)?))
}

fn timestamp(at: f64) -> Result<Timestamp, TimeError> {
    let wrong = || TimeError::OutOfRange(at.to_string());
    if !(-4e11..4e11).contains(&at) {
        return Err(wrong());
    }
    let (whole, nanos) = (at.floor(), ((at - at.floor()) * 1e9) as i32);
    // A double has no more than microseconds for our time: what it shows beyond is noise.
    Timestamp::new(whole as i64, nanos / 1_000 * 1_000).map_err(|_| wrong())
}

fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64 + f64::from(at.subsec_nanosecond()) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: f64 = 784_111_777.0;

    #[test]
    fn http_dates_of_rfc_9110() {
        assert_eq!(http(AT).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http(text.as_bytes()), Ok(AT), "{text}");
        }
        for text in ["", "yesterday", "Sun, 06 Nov 1994 08:49:37 CET", "\u{fffd}"] {
            assert_eq!(parse_http(text.as_bytes()), Err(TimeError::NotHttp), "{text}");
        }
    }

    #[test]
    fn rfc_3339() {
        assert_eq!(rfc3339(AT).unwrap(), "1994-11-06T08:49:37Z");
        assert_eq!(rfc3339(AT + 0.5).unwrap(), "1994-11-06T08:49:37.5Z");
        assert_eq!(rfc3339(-0.5).unwrap(), "1969-12-31T23:59:59.5Z");
        assert_eq!(parse_rfc3339(b"1994-11-06T10:49:37.25+02:00"), Ok(AT + 0.25));
        assert!(parse_rfc3339(b"1994-11-06").is_err());
        for at in [f64::NAN, f64::INFINITY, 1e15, -1e15] {
            assert!(rfc3339(at).is_err());
        }
    }

    #[test]
    fn formats() {
        assert_eq!(format("%Y-%m-%d %H:%M:%S %A %%", AT).unwrap(), "1994-11-06 08:49:37 Sunday %");
        assert!(format("%!", AT).is_err());
        assert_eq!(parse("%Y/%m/%d", b"1994/11/06"), Ok(784_080_000.0));
        assert_eq!(parse("%Y-%m-%d %H:%M:%S %z", b"1994-11-06 10:49:37 +0200"), Ok(AT));
        assert!(parse("%Y", b"x").is_err());
        assert!(format(&"x".repeat(TIME_FORMAT_BYTES_MAX + 1), AT).is_err());
        assert!(now() > 1_700_000_000.0 && monotonic_ms() > 0);
    }
}

//! IMF-fixdate, RFC 9110 section 5.6.7.

use std::time::SystemTime;

/// `Sun, 06 Nov 1994 08:49:37 GMT`
#[must_use]
pub fn format(at: SystemTime) -> String {
    let timestamp = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn is_the_format_of_the_rfc() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(format(at), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}

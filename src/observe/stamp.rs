//! Wall-clock times as logs write them, always UTC; the text of the current second is kept.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Formats times; one per worker.
#[derive(Debug)]
pub struct Stamp {
    second: u64,
    /// `2026-11-21T04:40:44`
    text: [u8; 19],
    month: usize,
}

// === impl Stamp ===

impl Stamp {
    /// At the epoch.
    #[must_use]
    pub fn new() -> Self {
        let mut stamp = Self { second: 0, text: *b"0000-00-00T00:00:00", month: 0 };
        stamp.turn_to(0);
        stamp
    }

    /// `2026-11-21T04:40:44.123Z`
    pub fn rfc3339(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.turn_to(since.as_secs());
        out.extend_from_slice(&self.text);
        let ms = since.subsec_millis();
        out.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms), b'Z']);
    }

    /// `21/Nov/2026:04:40:44 +0000`
    pub fn apache(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.turn_to(since.as_secs());
        let (date, clock) = self.text.split_at(11);
        out.extend_from_slice(&date[8..10]);
        out.push(b'/');
        out.extend_from_slice(MONTHS.get(self.month).unwrap_or(&"???").as_bytes());
        out.push(b'/');
        out.extend_from_slice(&date[..4]);
        out.push(b':');
        out.extend_from_slice(clock);
        out.extend_from_slice(b" +0000");
    }

    fn turn_to(&mut self, second: u64) {
        if second == self.second && self.month != 0 {
            return;
        }
        self.second = second;
        let (year, month, day) = civil(second / 86_400);
        let of_day = (second % 86_400) as u32;
        let mut put = |at: usize, value: u32| {
            self.text[at] = digit(value / 10);
            self.text[at + 1] = digit(value);
        };
        put(0, year / 100);
        put(2, year);
        put(5, month);
        put(8, day);
        put(11, of_day / 3600);
        put(14, of_day / 60 % 60);
        put(17, of_day % 60);
        self.month = month as usize - 1;
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self::new()
    }
}

fn digit(value: u32) -> u8 {
    b'0' + (value % 10) as u8
}

/// Year, month and day of a day counted from 1970, by Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u32, u32, u32) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn agrees_with_a_calendar() {
        let mut stamp = Stamp::new();
        for second in (0..4_102_444_800_u64).step_by(7_777_777).chain([0, 951_782_400, 951_868_799, 1_709_164_800]) {
            let time = UNIX_EPOCH + Duration::from_millis(second * 1000 + 7);
            let zoned = jiff::Timestamp::from_second(second as i64).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let mut out = Vec::new();
            stamp.rfc3339(time, &mut out);
            out.push(b' ');
            stamp.apache(time, &mut out);
            let expected = zoned.strftime("%Y-%m-%dT%H:%M:%S.007Z %d/%b/%Y:%H:%M:%S +0000").to_string();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}

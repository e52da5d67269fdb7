//! Times as signatures write them: `YYYYMMDDTHHMMSSZ`. Pure.

use std::time::SystemTime;
use time::{Date, Month, OffsetDateTime};

/// The time that `text` says, if it says one.
pub fn parse(text: &str) -> Option<SystemTime> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    if day.len() != 8 || clock.len() != 6 {
        return None;
    }
    let year = i32::from(digits(day.get(..4)?)?);
    let month = Month::try_from(two(day.get(4..6)?)?).ok()?;
    let date = Date::from_calendar_date(year, month, two(day.get(6..)?)?).ok()?;
    let time = date.with_hms(
        two(clock.get(..2)?)?,
        two(clock.get(2..4)?)?,
        two(clock.get(4..)?)?,
    );
    Some(time.ok()?.assume_utc().into())
}

/// `time` as a signature writes it.
pub fn format(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn two(text: &str) -> Option<u8> {
    u8::try_from(digits(text)?).ok()
}

fn digits(text: &str) -> Option<u16> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn there_and_back() {
        for (text, seconds) in [
            ("19700101T000000Z", 0),
            ("20130524T000000Z", 1_369_353_600),
            ("20240229T235959Z", 1_709_251_199),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(parse(text), Some(time), "{text}");
            assert_eq!(format(time), text);
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "Z",
            "T",
            "20130524T000000",
            "20130524 000000Z",
            "2013-05-24T00:00:00Z",
            "20130229T000000Z",
            "20131301T000000Z",
            "20130524T240000Z",
            "20130524T000060Z",
            "+2130524T000000Z",
            "2013052\u{664}T000000Z",
            "Fri, 24 May 2013 00:00:00 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's `time.Time`, which reads and writes its own bytes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::Error;
use super::bytes::Bytes;
use super::schema::{Kind, Marshaler, Type};
use super::serde::Typed;

/// A Go `time.Time`, with its zone as an offset. Shown as RFC 3339, as Go's `encoding/json` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanoseconds: u32,
    /// Seconds east of UTC, within 32,767 minutes; `None` is UTC itself.
    pub offset: Option<i32>,
}

/// Seconds from the first of January of year 1, where Go counts from, to 1970.
const YEAR_ONE: i64 = 62_135_596_800;

/// The longest form of the bytes.
const LONGEST: usize = 16;

impl Time {
    /// The bytes that Go's `GobEncode` makes: 15, or 16 if the offset is no number of minutes.
    pub fn to_bytes(self) -> Vec<u8> {
        let (bytes, count) = self.encoded();
        bytes[..count].to_vec()
    }

    fn encoded(self) -> ([u8; LONGEST], usize) {
        let (minutes, odd) = self.offset.map_or((-1, 0), |offset| (offset / 60, offset % 60));
        let mut bytes = [0; LONGEST];
        bytes[0] = if odd == 0 { 1 } else { 2 };
        bytes[1..9].copy_from_slice(&self.seconds.wrapping_add(YEAR_ONE).to_be_bytes());
        bytes[9..13].copy_from_slice(&self.nanoseconds.to_be_bytes());
        bytes[13..15].copy_from_slice(&(minutes as i16).to_be_bytes());
        bytes[15] = odd as u8;
        (bytes, if odd == 0 { LONGEST - 1 } else { LONGEST })
    }

    /// Reads what Go's `GobEncode` made.
    pub fn from_bytes(bytes: &[u8]) -> Option<Time> {
        let odd = match (bytes.first(), bytes.len()) {
            (Some(1), 15) => 0,
            (Some(2), LONGEST) => i32::from(bytes[15].cast_signed()),
            _ => return None,
        };
        let seconds = i64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?).wrapping_sub(YEAR_ONE);
        let nanoseconds = u32::from_be_bytes(bytes.get(9..13)?.try_into().ok()?);
        let offset = i32::from(i16::from_be_bytes(bytes.get(13..15)?.try_into().ok()?)) * 60 + odd;
        let offset = (offset != -60).then_some(offset);
        (nanoseconds < 1_000_000_000).then_some(Time { seconds, nanoseconds, offset })
    }
}

impl fmt::Display for Time {
    /// RFC 3339 with as many digits of the second as there are; the offset without odd seconds, as Go shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset.unwrap_or_default();
        let local = i128::from(self.seconds) + i128::from(offset);
        let (year, month, day) = date(local.div_euclid(86_400));
        let second = local.rem_euclid(86_400);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        if self.nanoseconds > 0 {
            write!(f, ".{}", format!("{:09}", self.nanoseconds).trim_end_matches('0'))?;
        }
        match (offset / 60, if offset < 0 { '-' } else { '+' }) {
            _ if offset == 0 => f.write_str("Z"),
            (minutes, sign) => write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60),
        }
    }
}

/// Year, month and day of a day counted from 1970, by the Gregorian calendar. Years are counted from March for this.
fn date(day: i128) -> (i128, i128, i128) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let shift = if month < 10 { 3 } else { -9 };
    (era * 400 + year + i128::from(month >= 10), month + shift, day - (153 * month + 2) / 5 + 1)
}

/// Counts the days from 1970 to a day, whether or not its month has so many.
fn day_number(year: i128, month: i128, day: i128) -> i128 {
    let year = year - i128::from(month <= 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

impl FromStr for Time {
    type Err = Error;

    /// RFC 3339, as Go's `encoding/json` reads it: `2006-01-02T15:04:05.999999999Z` or with an offset.
    fn from_str(text: &str) -> Result<Time, Error> {
        rfc3339(text).ok_or_else(|| Error::data(format!("gob: {text:?} is no time of RFC 3339")))
    }
}

fn rfc3339(text: &str) -> Option<Time> {
    let number =
        |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    let two = |from: usize, before: &str, most: i128| {
        let digits = text.get(from..)?.strip_prefix(before)?.get(..2)?;
        number(digits).filter(|number| *number <= most)
    };
    let (year, month, day) = (number(text.get(..4)?)?, two(4, "-", 12)?, two(7, "-", 31)?);
    let second = two(10, "T", 23)? * 3600 + two(13, ":", 59)? * 60 + two(16, ":", 59)?;
    let days = day_number(year, month, day);
    let mut rest = text.get(19..)?;
    let mut nanoseconds = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.find(|digit: char| !digit.is_ascii_digit()).filter(|digits| (1..=9).contains(digits))?;
        nanoseconds = format!("{:0<9}", &fraction[..digits]).parse().ok()?;
        rest = &fraction[digits..];
    }
    let offset = match rest.split_at_checked(1)? {
        ("Z", "") => None,
        (sign @ ("+" | "-"), offset) if offset.len() == 5 => {
            let start = text.len() - 5;
            let seconds = i32::try_from(two(start, "", 23)? * 3600 + two(start + 2, ":", 59)? * 60).ok()?;
            Some(if sign == "-" { -seconds } else { seconds })
        }
        _ => return None,
    };
    let seconds = i64::try_from(days * 86_400 + second - i128::from(offset.unwrap_or_default())).ok()?;
    (date(days) == (year, month, day)).then_some(Time { seconds, nanoseconds, offset })
}

impl Default for Time {
    /// Go's zero time, the first of January of year 1.
    fn default() -> Self {
        Time { seconds: -YEAR_ONE, nanoseconds: 0, offset: None }
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let (seconds, nanoseconds) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (after.as_secs().cast_signed(), after.subsec_nanos()),
            Err(before) => {
                let up = before.duration() + Duration::from_nanos(999_999_999);
                (-up.as_secs().cast_signed(), 999_999_999 - up.subsec_nanos())
            }
        };
        Time { seconds, nanoseconds, offset: None }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let (bytes, count) = self.encoded();
        match self == &Time::default() {
            true => serializer.serialize_unit(),
            false => serializer.serialize_bytes(&bytes[..count]),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        Time::from_bytes(&bytes.0).ok_or_else(|| de::Error::custom("Time.UnmarshalBinary: invalid data"))
    }
}

/// The name of the type in a stream.
const NAME: &str = "Time";

impl Typed for Time {
    fn gob_type() -> &'static Type {
        static TIME: Type = Type { name: Cow::Borrowed(NAME), kind: Kind::Opaque(Marshaler::Gob) };
        &TIME
    }

    fn go_name() -> Cow<'static, str> {
        Cow::Borrowed("time.Time")
    }
}

/// Whether a type that has no Rust type is Go's `time.Time`, as far as a stream says.
pub(crate) fn is_time(ty: &Type) -> bool {
    ty.name == NAME && matches!(ty.kind, Kind::Opaque(Marshaler::Gob))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_are_read_as_they_are_shown(
            seconds in -YEAR_ONE + 90_000..253_402_200_000i64,
            nanoseconds in prop_oneof![Just(0), 0..1_000_000_000u32],
            minutes in proptest::option::of(-1439..1440i32),
        ) {
            let offset = minutes.map(|minutes| minutes * 60);
            let time = Time { seconds, nanoseconds, offset };
            let read: Time = time.to_string().parse().unwrap();
            prop_assert_eq!((read.seconds, read.nanoseconds), (seconds, nanoseconds));
            prop_assert_eq!(read.offset.unwrap_or_default(), offset.unwrap_or_default());
        }

        #[test]
        fn days_are_read_as_they_are_shown(
            text in "[0-2][0-9]{3}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,10})?(Z|[+-][0-2][0-9]:[0-6][0-9]|é)"
        ) {
            if let Ok(time) = text.parse::<Time>() {
                prop_assert_eq!(&time.to_string()[..19], &text[..19]);
            }
        }
    }

    #[test]
    fn days_and_times_that_do_not_exist_are_refused() {
        assert_eq!("0001-01-01T00:00:00Z".parse::<Time>().unwrap(), Time::default());
        assert_eq!("2000-02-29T05:30:00.5+05:30".parse::<Time>().unwrap().seconds, 951_782_400);
        for text in [
            "",
            "2001-02-29T00:00:00Z",
            "2001-13-01T00:00:00Z",
            "2001-00-01T00:00:00Z",
            "2001-01-00T00:00:00Z",
            "2001-01-01T24:00:00Z",
            "2001-01-01T00:00:60Z",
            "2001-01-01T00:00:00",
            "2001-01-01T00:00:00.Z",
            "2001-01-01T00:00:00.1234567890Z",
            "2001-01-01T00:00:00x05:30",
            "2001-01-01 00:00:00Z",
            "+001-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_before_1970_keeps_its_nanoseconds() {
        let time = Time::from(UNIX_EPOCH - Duration::from_millis(250));
        assert_eq!((time.seconds, time.nanoseconds), (-1, 750_000_000));
        let time = Time::from(UNIX_EPOCH - Duration::from_secs(2));
        assert_eq!((time.seconds, time.nanoseconds), (-2, 0));
        assert_eq!(Time::from_bytes(&time.to_bytes()), Some(time));
    }

    #[test]
    fn offsets_keep_their_odd_seconds() {
        for offset in [None, Some(0), Some(3600), Some(-1172), Some(1172), Some(-61)] {
            let time = Time { seconds: 7, nanoseconds: 8, offset };
            assert_eq!(Time::from_bytes(&time.to_bytes()), Some(time));
        }
    }

    #[test]
    fn times_are_shown_as_go_shows_them() {
        let shown = |seconds, nanoseconds, offset| Time { seconds, nanoseconds, offset }.to_string();
        assert_eq!(Time::default().to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(shown(0, 0, None), "1970-01-01T00:00:00Z");
        assert_eq!(shown(951_782_399, 120_000_000, Some(0)), "2000-02-28T23:59:59.12Z");
        assert_eq!(shown(951_782_400, 1, Some(5 * 3600 + 1800)), "2000-02-29T05:30:00.000000001+05:30");
        assert_eq!(shown(-1, 0, Some(-1172)), "1969-12-31T23:40:27-00:19");
    }
}

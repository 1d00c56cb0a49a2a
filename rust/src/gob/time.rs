// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's `time.Time`, which reads and writes its own bytes.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

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
pub(crate) const NAME: &str = "Time";

impl Typed for Time {
    fn gob_type() -> &'static Type {
        static TIME: Type = Type { name: Cow::Borrowed(NAME), kind: Kind::Opaque(Marshaler::Gob) };
        &TIME
    }

    fn go_name() -> Cow<'static, str> {
        Cow::Borrowed("time.Time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! Dates against known values, a day-by-day walk of the calendar, and properties.
use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_124_013_600_000; // 2005-08-14T10:00:00Z

fn civil(year: Option<u16>, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Stamp {
    Stamp::Civil(Civil { year, month, day, hour, minute, second, millis: 0 }, None)
}

fn text(stamp: Stamp, calendar: &Calendar<'_>) -> Option<std::string::String> {
    stamp.epoch_ms(calendar).map(|ms| rfc3339(ms, 0).as_str().into())
}

#[test]
fn every_day_of_1970_to_2106_goes_there_and_back() {
    let mut days = 0i64;
    for year in 1970..=2106u16 {
        for month in 1..=12u8 {
            for day in 1..=days_in_month(year, month) {
                assert_eq!(days_from_civil(i64::from(year), month, day), days);
                assert_eq!(civil_from_days(days), (i64::from(year), month, day));
                days += 1;
            }
        }
    }
    assert_eq!(days, 50_038); // 137 years, 33 of them with a leap day
}

#[test]
fn known_instants() {
    let utc = Calendar::fixed(NOW, 0);
    for (stamp, ms) in [
        (civil(Some(1970), 1, 1, 0, 0, 0), 0),
        (civil(Some(2005), 8, 14, 10, 0, 0), NOW),
        (civil(Some(2000), 2, 29, 23, 59, 59), 951_868_799_000),
        (civil(Some(2038), 1, 19, 3, 14, 8), 2_147_483_648_000),
        (civil(Some(1969), 12, 31, 23, 59, 59), -1000),
        (civil(Some(2016), 12, 31, 23, 59, 60), 1_483_228_800_000),
    ] {
        assert_eq!(stamp.epoch_ms(&utc), Some(ms));
    }
    for none in [
        civil(Some(2005), 2, 29, 0, 0, 0),
        civil(Some(1900), 2, 29, 0, 0, 0),
        civil(Some(2005), 13, 1, 0, 0, 0),
        civil(Some(2005), 0, 1, 0, 0, 0),
        civil(Some(2005), 4, 31, 0, 0, 0),
        civil(Some(2005), 4, 0, 0, 0, 0),
        civil(Some(2005), 4, 1, 24, 0, 0),
        civil(Some(2005), 4, 1, 0, 60, 0),
        civil(Some(2005), 4, 1, 0, 0, 61),
        civil(None, 2, 30, 0, 0, 0),
    ] {
        assert_eq!(none.epoch_ms(&utc), None, "{none:?}");
    }
}

#[test]
fn a_missing_year_is_the_latest_that_is_not_a_day_ahead() {
    let utc = Calendar::fixed(NOW, 0);
    for (stamp, want) in [
        (civil(None, 8, 14, 9, 0, 0), "2005-08-14T09:00:00Z"),
        (civil(None, 8, 15, 10, 0, 0), "2005-08-15T10:00:00Z"),
        (civil(None, 8, 15, 10, 0, 1), "2004-08-15T10:00:01Z"),
        (civil(None, 12, 31, 0, 0, 0), "2004-12-31T00:00:00Z"),
        (civil(None, 1, 1, 0, 0, 0), "2005-01-01T00:00:00Z"),
        (civil(None, 2, 29, 12, 0, 0), "2004-02-29T12:00:00Z"),
    ] {
        assert_eq!(text(stamp, &utc).as_deref(), Some(want));
    }
    // New Year's Eve: a sender whose clock or zone is a little ahead writes next year's first hour.
    let eve = Calendar::fixed(1_767_224_000_000, 0); // 2025-12-31T23:33:20Z
    assert_eq!(text(civil(None, 1, 1, 0, 5, 0), &eve).as_deref(), Some("2026-01-01T00:05:00Z"));
    // 1900 and 2100 are no leap years: the search goes back eight years.
    let y2103 = Calendar::fixed(4_200_000_000_000, 0);
    assert_eq!(text(civil(None, 2, 29, 0, 0, 0), &y2103).as_deref(), Some("2096-02-29T00:00:00Z"));
}

#[test]
fn zones_of_the_line_win_over_the_calendar() {
    let summer = |c: &Civil| if (4..=10).contains(&c.month) { 7200 } else { 3600 };
    let calendar = Calendar::new(NOW, &summer);
    assert_eq!(
        text(civil(Some(2005), 8, 14, 12, 0, 0), &calendar).as_deref(),
        Some("2005-08-14T10:00:00Z")
    );
    assert_eq!(text(civil(None, 1, 14, 12, 0, 0), &calendar).as_deref(), Some("2005-01-14T11:00:00Z"));
    let Stamp::Civil(c, _) = civil(Some(2005), 8, 14, 12, 0, 0) else { return };
    assert_eq!(text(Stamp::Civil(c, Some(-5400)), &calendar).as_deref(), Some("2005-08-14T13:30:00Z"));
    assert_eq!(Stamp::Epoch(5).epoch_ms(&calendar), Some(5));
    // A time of day: before now is today, after now is yesterday. It is 12:00 there.
    let at = |h: u32, m: u32| text(Stamp::Time((h * 60 + m) * 60_000), &calendar);
    assert_eq!(at(11, 0).as_deref(), Some("2005-08-14T09:00:00Z"));
    assert_eq!(at(12, 5).as_deref(), Some("2005-08-14T10:05:00Z"));
    assert_eq!(at(12, 57).as_deref(), Some("2005-08-13T10:57:00Z"));
}

/// Europe/Berlin on 25 October 2026: at 03:00 of UTC+2 it is 02:00 of UTC+1. As a libc does, the first of two hours is meant.
#[test]
fn a_repeated_hour_is_the_second_where_the_first_would_run_backwards() {
    let rule = |c: &Civil| if (c.month, c.day, c.hour) < (10, 25, 3) { 7200 } else { 3600 };
    let now = 1_795_564_800_000; // 2026-11-25T00:00:00Z
    for (hour, minute, after, want) in [
        (2, 30, None, "2026-10-25T00:30:00Z"),
        (2, 30, Some("2026-10-25T00:29:59Z"), "2026-10-25T00:30:00Z"),
        (2, 30, Some("2026-10-25T00:35:00Z"), "2026-10-25T00:30:00Z"),
        (2, 30, Some("2026-10-25T00:35:01Z"), "2026-10-25T01:30:00Z"),
        (2, 0, Some("2026-10-25T00:59:59Z"), "2026-10-25T01:00:00Z"),
        (2, 30, Some("2026-10-25T01:29:59Z"), "2026-10-25T01:30:00Z"),
        (2, 30, Some("2026-10-25T01:35:01Z"), "2026-10-25T00:30:00Z"),
        (3, 0, Some("2026-10-25T01:59:59Z"), "2026-10-25T02:00:00Z"),
        (1, 59, Some("2026-10-25T00:30:00Z"), "2026-10-24T23:59:00Z"),
        (3, 0, Some("2026-10-25T02:30:00Z"), "2026-10-25T02:00:00Z"),
    ] {
        let after_ms = after.map_or(i64::MIN, |text| {
            let (stamp, _) = crate::time::stamp::read(text.as_bytes()).unwrap();
            stamp.epoch_ms(&Calendar::fixed(0, 0)).unwrap()
        });
        let calendar = Calendar { after_ms, ..Calendar::new(now, &rule) };
        for year in [None, Some(2026)] {
            let got = text(civil(year, 10, 25, hour, minute, 0), &calendar);
            assert_eq!(got.as_deref(), Some(want), "{hour}:{minute:02} after {after:?}");
        }
        let Stamp::Civil(c, _) = civil(Some(2026), 10, 25, hour, minute, 0) else { return };
        let named = Stamp::Civil(c, Some(7200));
        assert_eq!(named.epoch_ms(&calendar), named.epoch_ms(&Calendar::fixed(now, 0)));
    }
}

#[test]
fn rfc3339_text() {
    for (ms, east, want) in [
        (0, 0, "1970-01-01T00:00:00Z"),
        (NOW, 7200, "2005-08-14T12:00:00+02:00"),
        (NOW + 7, -12_600, "2005-08-14T06:30:00.007-03:30"),
        (-1, 0, "1969-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(rfc3339(ms, east).as_str(), want);
    }
    for extreme in [i64::MIN, i64::MAX] {
        assert!(!rfc3339(extreme, i32::MAX).as_str().is_empty());
        for stamp in [Stamp::Time(86_399_999), civil(None, 12, 31, 23, 59, 59)] {
            let _ = stamp.epoch_ms(&Calendar::fixed(extreme, i32::MIN));
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_counting_years_and_months(
        year in 1970u16..2200, month in 1u8..=12, day in 1u8..=31, secs in 0u32..86_400, east in -50_400i32..50_400,
    ) {
        let stamp = Stamp::Civil(Civil {
            year: Some(year), month, day,
            hour: (secs / 3600) as u8, minute: (secs / 60 % 60) as u8, second: (secs % 60) as u8, millis: 0,
        }, None);
        let days: i64 = (1970..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum::<i64>()
            + (1..month).map(|m| i64::from(days_in_month(year, m))).sum::<i64>() + i64::from(day) - 1;
        let want = (day <= days_in_month(year, month))
            .then(|| (days * 86_400 + i64::from(secs) - i64::from(east)) * 1000);
        prop_assert_eq!(stamp.epoch_ms(&Calendar::fixed(NOW, east)), want);
    }

    #[test]
    fn instants_go_there_and_back(ms in -4_000_000_000_000i64..8_000_000_000_000) {
        let stamp = Stamp::Civil(Civil::from_epoch_ms(ms), Some(0));
        prop_assert_eq!(stamp.epoch_ms(&Calendar::fixed(0, 3600)), Some(ms));
    }

    #[test]
    fn no_calendar_breaks_it(now: i64, east: i32, y: u16, month: u8, day: u8, hour: u8, of_day: u32, has: bool) {
        let calendar = Calendar { after_ms: now, ..Calendar::fixed(now, east) };
        let year = has.then_some(y);
        let _ = Stamp::Civil(Civil { year, month, day, hour, minute: hour, second: day, millis: y }, None)
            .epoch_ms(&calendar);
        let _ = Stamp::Time(of_day).epoch_ms(&calendar);
        let _ = rfc3339(now, east);
    }
}

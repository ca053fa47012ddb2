//! The values that options take.

use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use okdownload::{Durability, OnExists};

/// The HTTP backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    Reqwest,
    Isahc,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ExistsArg(pub(crate) OnExists);

impl ValueEnum for ExistsArg {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(OnExists::Error),
            Self(OnExists::Skip),
            Self(OnExists::Overwrite),
            Self(OnExists::Rename),
            Self(OnExists::Update),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let name = match self.0 {
            OnExists::Error => "error",
            OnExists::Skip => "skip",
            OnExists::Overwrite => "overwrite",
            OnExists::Rename => "rename",
            OnExists::Update => "update",
            _ => return None,
        };
        Some(PossibleValue::new(name))
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct DurabilityArg(pub(crate) Durability);

impl ValueEnum for DurabilityArg {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Durability::Power), Self(Durability::Process)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self.0 {
            Durability::Power => Some(PossibleValue::new("power")),
            Durability::Process => Some(PossibleValue::new("process")),
            _ => None,
        }
    }
}

/// `K`, `M`, `G` and so on are powers of 1024, as for curl.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let rate = parse_size::Config::new().with_binary().parse_size(text.trim());
    match rate {
        Ok(0) => Err("leave it out for no limit".into()),
        Ok(rate) if rate <= MOST_RATE => Ok(rate),
        Ok(_) => Err("that is beyond any network".into()),
        Err(_) => Err("write bytes a second, as 500K or 2.5M".into()),
    }
}

/// 1 TiB/s.
const MOST_RATE: u64 = 1 << 40;

pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    const WEEK: f64 = 7.0 * 24.0 * 3600.0;
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.001..=WEEK).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) => Err("it must be from 0.001 to 604800 (a week)".into()),
        Err(_) => Err("write seconds, as 30 or 0.5".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    #[test]
    fn rates() {
        for (text, rate) in
            [("1", 1), ("1K", 1024), ("2.5M", 5 << 19), ("1g", 1 << 30), ("10k", 10240), (" 7 ", 7)]
        {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "0", "-1", "-1K", "K", "1X", "1.2.3M", "9999999999G", "1e30", "nan"] {
            assert!(parse_rate(text).is_err(), "{text}: {:?}", parse_rate(text));
        }
    }

    #[test]
    fn seconds() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_seconds("30"), Ok(Duration::from_secs(30)));
        for text in ["", "0", "-1", "inf", "nan", "1e300", "x", "604801"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    /// Numbers as people write them, and anything.
    fn numbers() -> impl Strategy<Value = String> {
        const PIECES: &[&str] =
            &["-", "+", ".", "e", "E", "K", "MiB", "g", "inf", "nan", "_", " ", "0", "9", "999999999"];
        let piece = prop_oneof![
            4 => prop::sample::select(PIECES).prop_map(str::to_owned),
            2 => any::<u64>().prop_map(|number| number.to_string()),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 10_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_a_rate_and_a_time_within_limits_or_none(text in numbers()) {
            if let Ok(rate) = parse_rate(&text) {
                assert!((1..=MOST_RATE).contains(&rate), "{text:?}: {rate}");
            }
            if let Ok(time) = parse_seconds(&text) {
                let limits = Duration::from_millis(1)..=Duration::from_secs(604_800);
                assert!(limits.contains(&time), "{text:?}: {time:?}");
            }
        }

        #[test]
        fn rates_and_times_are_read_as_written(rate in 1..=MOST_RATE, milliseconds in 1..=604_800_000_u64) {
            assert_eq!(parse_rate(&rate.to_string()), Ok(rate));
            let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
            let read = parse_seconds(&text).unwrap();
            assert!(read.abs_diff(Duration::from_millis(milliseconds)) < Duration::from_micros(1), "{text}: {read:?}");
        }
    }
}

//! What the part of an address behind `?` asks for: a range of time.
//! Never reads the clock.

use crate::{
    calendar,
    logs::row::VALID_S,
    view::asked::{Asked, LASTS},
};

const RANGES: &str = "1h, 24h, 7d, 30d, all";
const TIMES: &str = "a time in UTC from 2000 to 2100, such as 2024-11-23, 2024-11-23T06:00 or Unix seconds";

/// Parameters that the page does not know are passed over, as those of trackers and caches. An empty one counts as left out: so a form
/// sends it.
///
/// # Errors
/// One line that names the parameter, its value, and what is allowed.
pub fn read(query: &str, now_s: i64) -> Result<Asked, String> {
    let [range, from, to] = values(query, ["range", "from", "to"])?;
    let bound =
        [("from", &from), ("to", &to)].into_iter().find_map(|(name, text)| Some((name, text.as_ref()?)));
    if let (Some(range), Some((name, value))) = (&range, bound) {
        return Err(format!("range is {range:?} and {name} is {value:?}; allowed: range, or from and to"));
    }
    if let Some(range) = range {
        return match LASTS.into_iter().find(|last| last.name == range) {
            Some(last) => Ok(Asked::Last(last)),
            None if range == "all" => Ok(Asked::All),
            None => Err(format!("range is {range:?}; allowed: {RANGES}")),
        };
    }
    // What is not a whole second is rounded outwards.
    let (from_s, to_s) = (time("from", &from, f64::floor)?, time("to", &to, f64::ceil)?);
    match (from_s, to_s) {
        (None, None) => Ok(Asked::All),
        (Some(from_s), None) if from_s > now_s => Err(format!(
            "from is {:?} and to is left out, which is now; allowed: a from before to",
            from.unwrap_or_default()
        )),
        (Some(from_s), Some(to_s)) if from_s >= to_s => Err(format!(
            "from is {:?} and to is {:?}; allowed: a from before to. A date is its first second",
            from.unwrap_or_default(),
            to.unwrap_or_default()
        )),
        _ => Ok(Asked::Between { from_s, to_s }),
    }
}

fn time(name: &str, text: &Option<String>, round: fn(f64) -> f64) -> Result<Option<i64>, String> {
    let Some(text) = text else { return Ok(None) };
    let time_s = calendar::parse_s(text).filter(|time_s| (VALID_S.start..=VALID_S.end).contains(time_s));
    let time_s = time_s.ok_or_else(|| format!("{name} is {text:?}; allowed: {TIMES}"))?;
    Ok(Some(round(time_s) as i64))
}

/// The values of some parameters, decoded; None for one that is left out or empty.
fn values<const N: usize>(query: &str, names: [&str; N]) -> Result<[Option<String>; N], String> {
    let mut values = names.map(|_| None);
    for part in query.split('&') {
        let (name, text) = part.split_once('=').unwrap_or((part, ""));
        let known = decoded(name).and_then(|name| names.iter().position(|known| *known == name));
        let Some((name, value)) = known.and_then(|place| names.get(place).zip(values.get_mut(place))) else {
            continue;
        };
        let text = decoded(text).ok_or_else(|| {
            format!(
                "{name} is {text:?}; allowed: UTF-8, percent-encoded: %3A for a colon, %25 for a percent sign"
            )
        })?;
        let text = text.trim().to_owned();
        match value {
            _ if text.is_empty() => {}
            Some(before) if *before != text => {
                return Err(format!("{name} is {before:?} and {text:?}; allowed: one {name}"));
            }
            _ => *value = Some(text),
        }
    }
    Ok(values)
}

/// As forms encode it: `+` is a space, and `%3A` a colon. None where it is not.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                // `from_str_radix` takes a sign.
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-11-23 06:00:00.
    const NOW_S: i64 = 1_732_341_600;

    fn between(from_s: Option<i64>, to_s: Option<i64>) -> Result<Asked, String> {
        Ok(Asked::Between { from_s, to_s })
    }

    #[test]
    fn what_is_not_known_or_empty_is_left_out() {
        for query in [
            "",
            "&",
            "x",
            "x=1&range=all",
            "range",
            "range=&from=&to=",
            "=1h",
            "Range=1h",
            "%zz=1",
            "ranges=x",
            "from=+",
        ] {
            assert_eq!(read(query, NOW_S), Ok(Asked::All), "{query}");
        }
        let queries =
            ["range=1h&utm_source=x", "from=&range=24h", "r%61nge=%37d&x=%", "&&range=30d&range=30d"];
        for (last, query) in LASTS.into_iter().zip(queries) {
            assert_eq!(read(query, NOW_S), Ok(Asked::Last(last)), "{query}");
        }
    }

    #[test]
    fn times_are_written_as_people_and_forms_do() {
        let hour_before = Some(NOW_S - 3600);
        for from in [
            "2024-11-23T05:00",
            "2024-11-23T05%3A00",
            "2024-11-23+05:00:00",
            "2024-11-23%2005:00Z",
            "1732338000",
            "1732338000.9",
            "+2024-11-23T05:00+",
        ] {
            assert_eq!(read(&format!("from={from}"), NOW_S), between(hour_before, None), "{from}");
            let query = format!("to=2024-11-24&from={from}");
            assert_eq!(read(&query, NOW_S), between(hour_before, Some(NOW_S + 18 * 3600)), "{from}");
        }
        assert_eq!(read("to=1732341599.1", NOW_S), between(None, Some(NOW_S)));
        assert_eq!(
            read("from=2000-01-01&to=2100-01-01", NOW_S),
            between(Some(946_684_800), Some(4_102_444_800))
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let cases = [
            ("range=1H", "range is \"1H\"; allowed: 1h, 24h, 7d, 30d, all"),
            ("range=1h?x", "range is \"1h?x\"; allowed: 1h"),
            ("range=<script>", "range is \"<script>\"; allowed: 1h"),
            ("range=1h%0a1h", "range is \"1h\\n1h\"; allowed: 1h"),
            ("range=%f0", "range is \"%f0\"; allowed: UTF-8"),
            ("range=%+1h", "range is \"%+1h\"; allowed: UTF-8"),
            ("range=1h&range=24h", "range is \"1h\" and \"24h\"; allowed: one range"),
            (
                "range=1h&from=2024-11-23",
                "range is \"1h\" and from is \"2024-11-23\"; allowed: range, or from and to",
            ),
            ("range=all&to=1", "range is \"all\" and to is \"1\"; allowed"),
            ("from=yesterday", "from is \"yesterday\"; allowed: a time in UTC from 2000 to 2100, such as"),
            ("from=2024-11-23T06:00+01:00", "from is \"2024-11-23T06:00 01:00\"; allowed"),
            ("from=2024-11-31", "from is \"2024-11-31\"; allowed"),
            ("from=1732341600000", "from is \"1732341600000\"; allowed"),
            ("from=0", "from is \"0\"; allowed"),
            ("from=2024-11-23&to=2101-01-01", "to is \"2101-01-01\"; allowed"),
            (
                "from=2024-11-23&to=2024-11-23",
                "from is \"2024-11-23\" and to is \"2024-11-23\"; allowed: a from before to",
            ),
            ("from=2024-11-24&to=2024-11-23", "from is \"2024-11-24\" and to is"),
            ("from=2024-11-24", "from is \"2024-11-24\" and to is left out, which is now; allowed"),
        ];
        for (query, line) in cases {
            let error = read(query, NOW_S).unwrap_err();
            assert!(error.starts_with(line) && !error.contains('\n'), "{query}: {error}");
        }
    }
}

//! Reads plain decimal numbers, `-12.345` and small ones such as `9.3e-5`, as the nearest f64, eight digits at a time.
//! Never reads anything else: the standard library reads other exponents, infinities, spaces and very long numbers.

/// More digits, leading zeros aside, could overflow a u64.
const MOST_DIGITS: usize = 19;

/// The divisor of more decimals would be no f64.
const MOST_DECIMALS: usize = 22;

#[expect(clippy::indexing_slicing, reason = "computed by the compiler")]
const fn powers<const N: usize>(base: u64) -> [u64; N] {
    let mut powers = [1; N];
    let mut power = 1;
    while power < N {
        powers[power] = powers[power - 1] * base;
        power += 1;
    }
    powers
}

const TENS: [u64; 8] = powers(10);
const FIVES: [u64; MOST_DECIMALS + 1] = powers(5);

/// 10^n; each is exact.
#[expect(clippy::indexing_slicing, reason = "computed by the compiler")]
const DIVISORS: [f64; MOST_DECIMALS + 1] = {
    let mut divisors = [1.0; MOST_DECIMALS + 1];
    let mut power = 1;
    while power <= MOST_DECIMALS {
        divisors[power] = divisors[power - 1] * 10.0;
        power += 1;
    }
    divisors
};

/// A number as written: its digits without the point, and the number of digits after the point.
#[derive(Clone, Copy)]
pub struct Decimal {
    negative: bool,
    digits: u64,
    pub decimals: u32,
}

impl Decimal {
    /// The decimal that `bytes` begins with, and its length. None if there is none, or if it has too many digits. May be None if fewer
    /// than eight bytes follow, because eight bytes are read at a time.
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<(Decimal, usize)> {
        let negative = bytes.first() == Some(&b'-');
        let start = usize::from(negative);
        let (mut digits, mut length) = read_digits(bytes.get(start..)?, 0)?;
        let (mut end, mut decimals) = (start + length, 0);
        if bytes.get(end) == Some(&b'.') {
            (digits, decimals) = read_digits(bytes.get(end + 1..)?, digits)?;
            length += decimals;
            end += 1 + decimals;
        }
        if bytes.get(end) == Some(&b'e')
            && let Some((exponent, length)) = bytes.get(end + 1..).and_then(read_exponent)
        {
            decimals += exponent;
            end += 1 + length;
        }
        let is_short =
            || length <= MOST_DIGITS || significant(bytes.get(..end).unwrap_or_default()) <= MOST_DIGITS;
        let fits = decimals <= MOST_DECIMALS && length > 0 && is_short();
        fits.then_some((Decimal { negative, digits, decimals: decimals as u32 }, end))
    }

    /// The nearest f64.
    pub fn value(self) -> f64 {
        if self.digits < 1 << 53 {
            // Both halves of the division are exact, so its result is the nearest f64 (Clinger 1990).
            return self.rough_value();
        }
        let value = self.divided();
        if self.negative { -value } else { value }
    }

    /// As [`Decimal::value`], up to one or two roundings.
    pub fn rough_value(self) -> f64 {
        let value = self.digits as f64 / DIVISORS.get(self.decimals as usize).copied().unwrap_or(1.0);
        if self.negative { -value } else { value }
    }

    /// digits / 10^decimals in integers: a quotient of at least 63 bits is rounded once. Its last bit also stands for the remainder.
    #[cold]
    fn divided(self) -> f64 {
        let fives = FIVES.get(self.decimals as usize).copied().unwrap_or(1);
        let shift = 63 + self.digits.leading_zeros() - fives.leading_zeros();
        let digits = u128::from(self.digits) << shift;
        let (quotient, rest) = (digits / u128::from(fives), digits % u128::from(fives));
        let rounded = (quotient as u64 | u64::from(rest > 0)) as f64;
        // A power of two: exact.
        rounded * f64::from_bits(u64::from(1023 - shift - self.decimals) << 52)
    }
}

/// Appends the digits at the start of `bytes` to `number`. Returns the new number and how many digits were appended. None if they do not
/// fit, or if `bytes` ends before eight could be read.
#[inline]
fn read_digits(bytes: &[u8], mut number: u64) -> Option<(u64, usize)> {
    let mut total = 0;
    while total <= MOST_DIGITS {
        let values = u64::from_le_bytes(*bytes.get(total..)?.first_chunk()?) ^ (EACH * 0x30);
        // Marks each byte above 9. Marks after the first may be wrong.
        let others = (values.wrapping_add(EACH * 0x76) | values) & (EACH * 0x80);
        if others != 0 {
            let digits = others.trailing_zeros() / 8;
            // Pads with leading zeros to eight digits.
            let last = join_eight(values << 8 << (56 - 8 * digits));
            let count = digits as usize;
            return Some((number.wrapping_mul(*TENS.get(count)?).wrapping_add(last), total + count));
        }
        number = number.wrapping_mul(100_000_000).wrapping_add(join_eight(values));
        total += 8;
    }
    None
}

/// How many digits a number has, leading zeros aside. `text`: digits, a point, an exponent.
#[cold]
fn significant(text: &[u8]) -> usize {
    let digits = text.iter().take_while(|byte| **byte != b'e').filter(|byte| byte.is_ascii_digit());
    digits.skip_while(|digit| **digit == b'0').count()
}

/// How many decimals more an exponent makes, as `-05` does in `9.3e-05`, and its length. None for any other one.
#[cold]
fn read_exponent(bytes: &[u8]) -> Option<(usize, usize)> {
    let (exponent, length) = read_digits(bytes.strip_prefix(b"-")?, 0)?;
    (1..=2).contains(&length).then_some((exponent as usize, 1 + length))
}

/// One in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The number of eight digits, the first in the lowest byte (Lemire, "Quickly parsing eight digits", 2022).
#[inline]
fn join_eight(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With enough bytes after it, see [`Decimal::read`].
    fn read_before(text: &str, behind: &str) -> Option<(Decimal, usize)> {
        Decimal::read(format!("{text}{behind}\nx,12345678").as_bytes())
    }

    fn value(text: &str) -> Option<f64> {
        let (decimal, length) = read_before(text, "\n")?;
        (length == text.len()).then(|| decimal.value())
    }

    #[test]
    fn a_decimal_is_the_nearest_f64_whatever_follows() {
        let mut random = 1_u64;
        for _ in 0..200_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let digits = (random | 1 << 63).to_string();
            let digits = &digits[..1 + (random >> 7) as usize % 18];
            let (whole, decimals) = digits.split_at((random >> 17) as usize % (digits.len() + 1));
            let small = format!("0.0000{digits}");
            for text in
                [format!("{whole}.{decimals}"), format!("-{whole}.{decimals}"), digits.to_owned(), small]
            {
                assert_eq!(value(&text), text.parse().ok(), "{text}");
                for behind in [",", "\n12345678", "\r\n", "e5", "x,12345,678"] {
                    let (decimal, length) = read_before(&text, behind).unwrap();
                    assert_eq!(
                        (Some(decimal.value()), length),
                        (text.parse().ok(), text.len()),
                        "{text}{behind}"
                    );
                }
            }
        }
    }

    #[test]
    fn leading_zeros_take_no_room() {
        for text in ["0.0012345600000000045", "-0.000049999999999994493", "0000000000.001234567890123456789"]
        {
            let (decimal, length) = read_before(text, ",").unwrap();
            assert_eq!((Some(decimal.value()), length), (text.parse().ok(), text.len()), "{text}");
        }
        for text in ["0.00012345678901234567890", "10.000000000000000001"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn a_negative_exponent_makes_more_decimals() {
        for (text, decimals) in [
            ("9.3e-05", 6),
            ("-5e-7", 7),
            ("1.25e-20", 22),
            ("0e-3", 3),
            ("12.0e-00", 1),
            ("4.9999999999994493e-05", 21),
        ] {
            let (decimal, length) = read_before(text, ",").unwrap();
            assert_eq!((Some(decimal.value()), length), (text.parse().ok(), text.len()), "{text}");
            assert_eq!(decimal.decimals, decimals, "{text}");
        }
        for text in ["9.3e05", "9.3e-", "9.3e+5", "9.3e-005", "1.25e-21", "1E-5"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn halfway_cases_are_rounded_to_even() {
        for text in [
            "9007199254740993",
            "9007199254740995",
            "9007199254740993.0",
            "4503599627370496.5",
            "4503599627370497.5",
            "9999999999999999999",
            "0.3",
            "0.30000000000000004",
        ] {
            assert_eq!(value(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn a_rough_value_is_off_by_a_rounding_or_two() {
        for text in ["55.11706978999999", "-0.123456789012345678", "9007199254740993"] {
            let (decimal, _) = read_before(text, "").unwrap();
            assert!((decimal.rough_value() / decimal.value() - 1.0).abs() < 5e-16, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_left() {
        for text in [
            "",
            "-",
            ".",
            "-.",
            "--1",
            "+1",
            "1.2.3",
            "1e5",
            "nan",
            " 1",
            "18446744073709551616",
            "12345678901234567890",
            "123456789012345678.90",
            "0.00000000000000000000001",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}

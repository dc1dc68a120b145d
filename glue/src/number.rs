//! Numbers in printed lines.

/// A count with its noun: "1 row", "2 rows".
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "half", "halves")), ["0 halves", "1 half", "2 halves"]);
    }
}

//! Numbers as people read them.

/// A whole number with its thousands parted: `140,553,134`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as per cent with two decimals: `98.12 %`.
pub(super) fn per_cent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A number with the decimals that tell it from others `every` apart.
pub(super) fn number(value: f64, every: f64) -> String {
    let decimals = -every.abs().log10().floor();
    match value.abs() {
        size if size != 0.0 && !(1e-4..1e6).contains(&size) => {
            // Three digits, without noughts behind them.
            let short: f64 = format!("{value:.2e}").parse().unwrap_or(value);
            format!("{short:e}")
        }
        size if size >= 1e4 && decimals <= 0.0 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", thousands(size.round() as u64))
        }
        _ => format!("{value:.*}", decimals.clamp(0.0, 6.0) as usize),
    }
}

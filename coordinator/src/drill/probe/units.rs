//! Figures with units, as Prometheus and Go write them.

/// A duration as Prometheus or Go writes it, `1h30m`, `2h0m0s`, `1d`; seconds.
pub(super) fn duration(text: &str) -> Option<f64> {
    units(text, |unit| {
        Some(match unit {
            "d" => 86_400.0,
            "w" => 7.0 * 86_400.0,
            "y" => 365.0 * 86_400.0,
            other => return go_unit(other),
        })
    })
}

/// A duration as Go writes it, which knows no days; seconds.
pub(super) fn go_duration(text: &str) -> Option<f64> {
    units(text, go_unit)
}

fn go_unit(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

/// A size as Prometheus writes it, `128MiB`, `10MB`, `0B`, both of them powers of 1024.
pub(super) fn bytes(text: &str) -> Option<f64> {
    units(text, |unit| {
        Some(match unit {
            "B" => 1.0,
            "KB" | "KiB" => 1024.0,
            "MB" | "MiB" => 1024.0 * 1024.0,
            "GB" | "GiB" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        })
    })
}

/// A size as Kubernetes writes it, `10Mi`, `500k`, `1048576`: whole, with a power of 1024 or of 1000 behind it, or none.
pub(super) fn kubernetes_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A sum of numbers with units; a bare zero needs none.
fn units(text: &str, factor: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        sum += number.parse::<f64>().ok()? * factor(unit)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_prometheus_writes_them() {
        for (text, seconds) in [
            ("2h", Some(7200.0)),
            ("1h30m", Some(5400.0)),
            ("2h0m0s", Some(7200.0)),
            ("250ms", Some(0.25)),
            ("1d", Some(86_400.0)),
            ("0s", Some(0.0)),
            ("0", Some(0.0)),
            ("", None),
            ("5", None),
            ("h", None),
            ("5x", None),
        ] {
            assert_eq!(duration(text), seconds, "{text}");
        }
        for (text, size) in [
            ("0B", Some(0.0)),
            ("128MiB", Some(134_217_728.0)),
            ("10MB", Some(10_485_760.0)),
            ("1MiB512KiB", Some(1_572_864.0)),
            ("MiB", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_kubernetes_writes_them() {
        for (text, size) in [
            ("10Mi", Some(10_485_760)),
            ("500k", Some(500_000)),
            ("1048576", Some(1_048_576)),
            ("0", Some(0)),
            ("Mi", None),
            ("1.5Gi", None),
            ("10MB", None),
            ("", None),
        ] {
            assert_eq!(kubernetes_bytes(text), size, "{text}");
        }
    }
}

internal import Leat

/// Numbers with their units, as a pipeline file spells them.
enum Measure {
    /// A number as YAML and JSON both read it: digits, no sign, no leading zero.
    static func digits(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), text == "0" || text.first != "0" else {
            return nil
        }
        return Int(text)
    }

    /// `250ms`, `30s`, `5m`, `1h`, `7d`; at most a hundred years, since clocks count nanoseconds in 64 bits.
    static func duration(_ text: String) -> Duration? {
        let unit = text.drop { ("0"..."9").contains($0) }
        guard let number = digits(text[..<unit.startIndex]) else { return nil }
        let milliseconds: Int? =
            switch unit {
            case "ms": 1
            case "s": 1000
            case "m": 60_000
            case "h": 3_600_000
            case "d": 86_400_000
            default: nil
            }
        guard let milliseconds, number <= 36_500 * 86_400_000 / milliseconds else { return nil }
        return .milliseconds(number * milliseconds)
    }

    /// `512MiB`, `64kB` not: the units are those that people write, spelt one way.
    static func bytes(_ text: String) -> Int64? {
        let unit = text.drop { ("0"..."9").contains($0) }
        guard let number = digits(text[..<unit.startIndex]), number > 0 else { return nil }
        let bytes: Int? =
            switch unit {
            case "B": 1
            case "KB": 1000
            case "KiB": 1 << 10
            case "MB": 1_000_000
            case "MiB": 1 << 20
            case "GB": 1_000_000_000
            case "GiB": 1 << 30
            default: nil
            }
        // A million gigabytes: no machine has them, and sums of such sizes still fit.
        guard let bytes, number <= (1 << 50) / bytes else { return nil }
        return Int64(number * bytes)
    }

    /// `5%`, `0.5%`: the number before the sign, from 0 to 100.
    static func percentage(_ text: String) -> Double? {
        guard text.hasSuffix("%"), let number = decimal(text.dropLast()), number <= 100 else { return nil }
        return number
    }

    /// Digits, and perhaps a point and digits.
    static func decimal(_ text: Substring) -> Double? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard digits(parts[0]) != nil,
            parts.count == 1 || (!parts[1].isEmpty && parts[1].allSatisfy { ("0"..."9").contains($0) })
        else { return nil }
        return Double(text)
    }

    /// A percentage without a point that says nothing: `5%`, `0.5%`.
    static func text(ofShare share: Double) -> String {
        share == share.rounded() ? "\(Int(share))%" : "\(share)%"
    }

    /// A number with commas: `1,000,000`.
    static func grouped(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index.isMultiple(of: 3) { text = "," + text }
            text = String(digit) + text
        }
        return text
    }

    /// `30s`, `5m`, as a duration is written.
    static func text(of duration: Duration) -> String {
        let milliseconds = duration.milliseconds
        for (size, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")] as [(Int64, String)]
        where milliseconds != 0 && milliseconds % size == 0 { return "\(milliseconds / size)\(unit)" }
        return "\(milliseconds)ms"
    }
}

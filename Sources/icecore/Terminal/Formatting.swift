import Basics
import Index

extension String {
    /// Padded on the left to a width.
    func padded(_ width: Int) -> String {
        count >= width ? self : String(repeating: " ", count: width - count) + self
    }
}

extension BinaryInteger {
    /// In decimal, padded on the left to a width.
    func padded(_ width: Int) -> String {
        String(self).padded(width)
    }

    /// Seconds in words: `40 s`, `5 min`, `2 h 10 min`, `3 d 4 h`.
    var duration: String {
        let seconds = Int(self)
        if seconds < 120 { return "\(seconds) s" }
        if seconds < 7200 { return "\(seconds / 60) min" }
        if seconds < 172_800 { return "\(seconds / 3600) h \(seconds % 3600 / 60) min" }
        return "\(seconds / 86400) d \(seconds % 86400 / 3600) h"
    }

    /// Bytes in words: `512 B`, `1.5 GiB`.
    var byteCount: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var value = Double(self)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return "\(self) B" }
        let tenths = Int((value * 10).rounded())
        return tenths >= 1000 ? "\((tenths + 5) / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}

extension StateCount {
    /// `3 versions, 1.2 GiB`.
    var text: String {
        "\(versions) version\(versions == 1 ? "" : "s"), \(bytes.byteCount)"
    }
}

import Basics

/// The name of an inventory, which is that of its directory: `YYYY-MM-DDTHH-MMZ`, in UTC. Listings that Icecore made have
/// seconds: `YYYY-MM-DDTHH-MM-SSZ`.
public enum InventoryName {
    /// The instant that a name such as `2024-11-06T01-00Z` stands for; nil for anything else and for impossible dates.
    public static func timestamp(_ name: String) -> Timestamp? {
        let bytes = Array(name.utf8)
        let isListing = bytes.count == 20
        guard isListing || bytes.count == 17, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: "-"),
            bytes[16] == (isListing ? UInt8(ascii: "-") : UInt8(ascii: "Z")),
            let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
            let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16])
        else { return nil }
        guard isListing else { return Timestamp(year: year, month: month, day: day, hour: hour, minute: minute) }
        guard bytes[19] == UInt8(ascii: "Z"), let second = number(bytes[17..<19]), second < 60 else { return nil }
        return Timestamp(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
    }

    /// The name of a listing that was begun in this second.
    public static func listing(_ time: Timestamp) -> String {
        time.rfc3339.prefix(19).replacing(":", with: "-") + "Z"
    }

    /// Whether the name is that of a listing.
    public static func isListing(_ name: String) -> Bool {
        name.utf8.count == 20 && isValid(name)
    }

    /// Whether `name` is an inventory's name.
    public static func isValid(_ name: String) -> Bool {
        timestamp(name) != nil
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for digit in digits {
            guard digit >= 48, digit <= 57 else { return nil }
            value = value * 10 + Int(digit - 48)
        }
        return value
    }
}
